"""What a reply of an SMTP server means: (phase, code, enhanced status, words) → a row of ``probes._classify``. Pure.

Rules:
1. The first line of ``REPLIES`` that fits decides.
2. The enhanced status code (RFC 3463) says more than the basic code and comes before it.
3. Words only ever move a verdict towards ourselves (we were too many, we are refused), or to the failure that the
   server itself confesses.
4. A bare 450 is taken for greylisting, and X.7.x of a 4yz for a limit on us: in doubt the provider is not at fault.
"""

import re
from typing import NamedTuple


class Reply(NamedTuple):
    """One line: where it applies and what it means. Expressions fit the whole of code and status, part of the text."""

    phases: str
    """Phases between spaces, or ``*``."""
    code: str
    status: str
    """Enhanced status code; an empty one stands for a reply without any; ``.*`` fits both."""
    words: str
    happened: str
    why: str


ANY = ".*"
_RATE = (
    r"rate.?limit|too (many|fast|much)|throttl|slow down|limit (has been )?(exceeded|reached)"
    r"|exceed\w* .{0,40}(limit|rate)|sending (quota|limit)|quota exceeded|connection limit|concurren"
)
_GREY = r"gr[ea]y.?list|postgrey|come back later"
_BLOCKED = r"block|denied|deny|black.?list|reputation|spam|refused|not allowed|banned|dnsbl|\brbl\b|policy|reject"
_OWN = r"internal (server )?(error|failure|problem)|server (configuration )?error|local (error|problem)|database|disk"

REPLIES: tuple[Reply, ...] = (
    Reply("*", r"(?![2-5]\d\d$)-?\d+", ANY, "", "not_smtp", "RFC 5321 §4.2.1 knows 2yz to 5yz"),
    Reply("*", r"[23]..", ANY, "", "unexpected", "good, but not an answer to this command"),
    Reply("tls", r"[45]..", ANY, "", "starttls_refused", "RFC 3207 §4"),
    Reply("*", r"[45]..", r"[45]\.2\.2", "", "refused", "the recipient's mailbox is full"),
    Reply("*", r"4..", ANY, _GREY, "greylisted", "says so"),
    Reply("*", r"[45]..", ANY, _RATE, "rate_limited", "says so"),
    Reply("*", r"421", r"4\.7\.\d+", "", "rate_limited", "closing the channel for reasons of policy"),
    Reply("auth", r"432", ANY, "", "refused", "RFC 4954 §6: the password must be changed"),
    Reply("auth", r"4..", ANY, "", "server_failed", "RFC 4954 §6: 454 is a failure of the server"),
    Reply("auth", r"5..", r"5\.3\.\d+", "", "server_failed", "RFC 3463 §3.4: mail system"),
    Reply("auth", r"5..", ANY, "", "refused", "RFC 4954 §6: 534, 535, 538 and the like"),
    Reply("*", r"530", ANY, "", "auth_required", "RFC 4954 §6, RFC 3207 §4"),
    Reply("*", r"5..", r"5\.[57]\.[01]", r"authenticat|must issue a?\s*starttls|\bauth\b", "auth_required", "says so"),
    Reply("*", r"4..", r"4\.7\.2[0-7]", "", "refused", "RFC 7372, 8616: SPF, DKIM, DMARC or reverse name of ours"),
    Reply("*", r"4..", r"4\.7\.\d+", "", "rate_limited", "security or policy, for a time"),
    Reply("*", r"[45]..", r"[45]\.3\.4", "", "refused", "the message is too big"),
    Reply("*", r"55[03]", r"5\.3\.0", "", "refused", "sendmail's own rejections bear this status"),
    Reply("*", r"[45]..", r"[45]\.3\.\d+", "", "server_failed", "RFC 3463 §3.4: mail system"),
    Reply("*", r"4..", r"4\.2\.0", "", "greylisted", "RFC 6647 §5: an undefined state of the mailbox, for a time"),
    Reply("*", r"4..", r"4\.2\.1", "", "rate_limited", "the mailbox takes nothing more for now"),
    Reply("*", r"[45]..", r"[45]\.[126]\.\d+", "", "refused", "RFC 3463 §3.2, §3.3, §3.7: address, mailbox, content"),
    Reply("*", r"452", r"4\.5\.3", "", "rate_limited", "RFC 3463 §3.6: too many recipients"),
    Reply("*", r"450", "", "", "greylisted", "no status: the commonest way to ask strangers to come back"),
    Reply("*", r"4..", ANY, "", "server_failed", "RFC 5321 §4.2.1: a failure for the time being"),
    Reply("*", r"5..", r"(5\.[047]\.0)?", _OWN, "server_failed", "says so"),
    Reply("banner", r"5..", r"5\.7\.\d+", "", "refused", "RFC 3463 §3.8: policy"),
    Reply("banner", r"5..", ANY, _BLOCKED, "refused", "says so"),
    Reply("banner", r"5..", ANY, "", "server_failed", "RFC 5321 §3.1: no SMTP service here"),
    Reply("ehlo ehlo_tls", r"50[02]", ANY, "", "unexpected", "RFC 5321 §4.5.1: every server knows EHLO"),
    Reply("*", r"5..", ANY, "", "refused", "RFC 5321 §4.2.1: our command was not accepted"),
)

_STATUS = re.compile(r"(?:^|\n)\s*([245]\.\d{1,3}\.\d{1,3})\b")
_COMPILED = [
    (r.phases.split(), re.compile(r.code), re.compile(r.status), re.compile(r.words, re.IGNORECASE), r.happened)
    for r in REPLIES
]


def status_of(message: str) -> str:
    """The enhanced status code at the head of a reply's text (RFC 2034), or nothing."""
    found = _STATUS.search(message)
    return found[1] if found else ""


def judge(phase: str, code: int, message: str) -> str:
    """What this reply, which is not the one hoped for, means: the name of a row of protocol ``smtp``."""
    message = message[:2_000]
    status, number = status_of(message), str(code)
    if status and status[0] != number[0]:
        # A status of another class than the code contradicts it; the code is what SMTP acts on (RFC 2034 §4).
        status = ""
    for phases, code_fits, status_fits, words, happened in _COMPILED:
        if phases[0] != "*" and phase not in phases:
            continue
        if code_fits.fullmatch(number) and status_fits.fullmatch(status) and words.search(message):
            return happened
    return "unexpected"
