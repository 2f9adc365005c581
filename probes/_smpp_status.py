"""The command_status codes of SMPP 3.4 (§5.1.3), by name, and whose fault each is. Pure.

Rules:
1. What the message centre says of itself is its failure: a system error, a temporary error of its application.
2. What it says of our pace (throttled, queue full) is ours, and so is what it says of our account, our bind or our
   message.
3. A code that the standard does not have, or leaves to the vendor (0x400 to 0x4FF), counts as a refusal: in doubt the
   provider is not at fault.
4. "Invalid command" and "invalid length" in answer to a command that every message centre must know is a fault of the
   protocol, unless it only refuses this kind of bind.
"""

NAMES: dict[int, str] = {
    0x000: "ESME_ROK", 0x001: "ESME_RINVMSGLEN", 0x002: "ESME_RINVCMDLEN", 0x003: "ESME_RINVCMDID",
    0x004: "ESME_RINVBNDSTS", 0x005: "ESME_RALYBND", 0x006: "ESME_RINVPRTFLG", 0x007: "ESME_RINVREGDLVFLG",
    0x008: "ESME_RSYSERR", 0x00A: "ESME_RINVSRCADR", 0x00B: "ESME_RINVDSTADR", 0x00C: "ESME_RINVMSGID",
    0x00D: "ESME_RBINDFAIL", 0x00E: "ESME_RINVPASWD", 0x00F: "ESME_RINVSYSID", 0x011: "ESME_RCANCELFAIL",
    0x013: "ESME_RREPLACEFAIL", 0x014: "ESME_RMSGQFUL", 0x015: "ESME_RINVSERTYP", 0x033: "ESME_RINVNUMDESTS",
    0x034: "ESME_RINVDLNAME", 0x040: "ESME_RINVDESTFLAG", 0x042: "ESME_RINVSUBREP", 0x043: "ESME_RINVESMCLASS",
    0x044: "ESME_RCNTSUBDL", 0x045: "ESME_RSUBMITFAIL", 0x048: "ESME_RINVSRCTON", 0x049: "ESME_RINVSRCNPI",
    0x050: "ESME_RINVDSTTON", 0x051: "ESME_RINVDSTNPI", 0x053: "ESME_RINVSYSTYP", 0x054: "ESME_RINVREPFLAG",
    0x055: "ESME_RINVNUMMSGS", 0x058: "ESME_RTHROTTLED", 0x061: "ESME_RINVSCHED", 0x062: "ESME_RINVEXPIRY",
    0x063: "ESME_RINVDFTMSGID", 0x064: "ESME_RX_T_APPN", 0x065: "ESME_RX_P_APPN", 0x066: "ESME_RX_R_APPN",
    0x067: "ESME_RQUERYFAIL", 0x0C0: "ESME_RINVOPTPARSTREAM", 0x0C1: "ESME_ROPTPARNOTALLWD",
    0x0C2: "ESME_RINVPARLEN", 0x0C3: "ESME_RMISSINGOPTPARAM", 0x0C4: "ESME_RINVOPTPARAMVAL",
    0x0FE: "ESME_RDELIVERYFAILURE", 0x0FF: "ESME_RUNKNOWNERR", 0x100: "ESME_RSERTYPUNAUTH",
    0x101: "ESME_RPROHIBITED", 0x102: "ESME_RSERTYPUNAVAIL", 0x103: "ESME_RSERTYPDENIED",
}  # fmt: skip
"""Names by number; 0x100 to 0x103 are of SMPP 5.0, which message centres of 3.4 send as well."""

_OWN = frozenset({0x008, 0x064, 0x0FE, 0x0FF, 0x102})
_PACE = frozenset({0x014, 0x058})
_PROTOCOL = frozenset({0x002, 0x003})
_CREDENTIALS = frozenset({0x00E, 0x00F})


def status_name(status: int) -> str:
    """``ESME_...`` where the standard has a name, else the number."""
    return NAMES.get(status, f"status 0x{status:08X}")


def judge(phase: str, status: int) -> str:
    """What this status, which is not ESME_ROK, means in this phase: the name of a row of protocol ``smpp``."""
    if status in _OWN:
        return "server_failed"
    if status in _PACE:
        return "rate_limited"
    if status in _PROTOCOL:
        return "bind_unknown" if phase == "bind" and status == 0x003 else "not_understood"
    if phase == "bind" and status in _CREDENTIALS:
        return "credentials"
    return "refused"
