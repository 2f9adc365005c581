"""The SMPP probe against message centres that misbehave in one way each."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

import probes
from tests.probes.running import names, probe, shown
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import Smpp
from tests.servers.smpp import DELIVER_SM, ENQUIRE_LINK, GENERIC_NACK, RESPONSE, SUBMIT_SM, UNBIND, pdu

PASSWORD = "hush8900"
MESSAGE = {"deliver": "true", "from": "slaproof", "to": "+41790000000"}


def settings(server: Misbehaving, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.port, "system_id": "prober", "password": PASSWORD, **more}


def receipt(message_id: str, state: str = "DELIVRD", sequence: int = 900) -> bytes:
    dates = "submit date:2610010000 done date:2610010001"
    text = f"id:{message_id} sub:001 dlvrd:001 {dates} stat:{state} err:000 text:".encode()
    body = b"\0\1\1" + b"41790000000\0\5\0slaproof\0\4\0\0\0\0\0\0\0\0" + bytes((len(text),)) + text
    return pdu(DELIVER_SM, 0, sequence, body)


class Scripted(Smpp):
    """A message centre that puts PDUs before and after its answer to a command."""

    BEFORE: ClassVar[dict[int, bytes]] = {}
    AFTER: ClassVar[dict[int, bytes]] = {}

    def answer(self, request: bytes) -> bytes:
        command = struct.unpack(">I", request[4:8])[0]
        answer = super().answer(request)
        return self.BEFORE.get(command, b"") + answer + self.AFTER.get(command, b"")


def scripted(before: dict[int, bytes] | None = None, after: dict[int, bytes] | None = None) -> type[Smpp]:
    return type("One", (Scripted,), {"BEFORE": before or {}, "AFTER": after or {}})


async def test_a_session_binds_asks_and_unbinds() -> None:
    """bind, enquire_link, unbind; no message; the password is nowhere in what is kept."""
    with Misbehaving("smpp") as server:
        result = await probe("smpp", settings(server))
    assert result.outcome == "ok", shown(result)
    assert names(result) == ["connect", "bind", "enquire_link", "unbind"]
    assert [struct.unpack(">I", r[4:8])[0] for r in server.requests] == [9, ENQUIRE_LINK, UNBIND]
    assert result.facts["smsc"] == "smsc"
    assert PASSWORD not in shown(result)
    assert "password=[credentials]" in shown(result)


@pytest.mark.parametrize(("bind", "command"), [("receiver", 1), ("transmitter", 2), ("transceiver", 9)])
async def test_kinds_of_bind(bind: str, command: int) -> None:
    """Each kind of bind is its own command."""
    with Misbehaving("smpp") as server:
        result = await probe("smpp", settings(server, bind=bind))
    assert result.outcome == "ok", shown(result)
    assert struct.unpack(">I", server.requests[0][4:8])[0] == command


async def test_tls(ca_file: Path) -> None:
    """SMPP inside TLS, verified like any other."""
    with Misbehaving("smpp", tls=True) as server:
        result = await probe("smpp", settings(server, host="localhost", ip="4", tls={"ca": str(ca_file)}))
        assert result.outcome == "ok", shown(result)
        assert "tls" in names(result)
        refused = await probe("smpp", settings(server, host="localhost", ip="4", tls="true"))
        assert refused.outcome == "tls", shown(refused)


STATUSES = [
    (0, 0x0E, "rejected"), (0, 0x0F, "rejected"), (0, 0x0D, "rejected"), (0, 0x05, "rejected"),
    (0, 0x08, "server_error"), (0, 0x58, "throttled"), (0, 0x14, "throttled"), (0, 0x401, "rejected"),
    (0, 0xFF, "server_error"),
    (1, 0x08, "server_error"), (1, 0x58, "throttled"), (1, 0x04, "rejected"),
]  # fmt: skip


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(("at", "status", "outcome"), STATUSES)
async def test_statuses(at: int, status: int, outcome: str, bare: bool) -> None:
    """A status is named and judged, whether the answer has a body or ends with its header."""
    command = (9, ENQUIRE_LINK)[at] | RESPONSE
    answer = pdu(command, status, at + 1, b"" if bare or at else b"smsc\0")
    with Misbehaving("smpp", instead={at: answer}) as server:
        result = await probe("smpp", settings(server))
    assert (result.outcome, result.code) == (outcome, status), shown(result)


async def test_a_bind_that_is_unknown_there() -> None:
    """generic_nack ESME_RINVCMDID to a bind_transceiver: an old message centre, and not its fault."""
    with Misbehaving("smpp", instead={0: pdu(GENERIC_NACK, 3, 1)}) as server:
        result = await probe("smpp", settings(server))
    assert result.outcome == "rejected"
    assert "transmitter" in result.advice
    with Misbehaving("smpp", instead={1: pdu(GENERIC_NACK, 3, 2)}) as server:
        result = await probe("smpp", settings(server))
    assert result.outcome == "protocol", shown(result)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        struct.pack(">4I", 8, 0x80000009, 0, 1),
        struct.pack(">4I", 0x7FFFFFFF, 0x80000009, 0, 1),
        pdu(SUBMIT_SM | RESPONSE, 0, 1, b"x\0"),
        pdu(9 | RESPONSE, 0, 1, b"a name without an end"),
        pdu(DELIVER_SM, 0, 1, b"cut"),
    ],
)
async def test_what_is_not_smpp(answer: bytes) -> None:
    """Another protocol, impossible lengths and bodies cut short are told as such."""
    with Misbehaving("smpp", instead={0: answer}) as server:
        result = await probe("smpp", settings(server))
    assert result.outcome == "protocol", shown(result)


async def test_the_message_centre_may_ask_first() -> None:
    """enquire_link, an unknown command and messages from the other side are answered in mid-session."""
    asked = pdu(ENQUIRE_LINK, 0, 77) + pdu(0x15555, 0, 78) + receipt("other") + pdu(0x102, 0, 79, b"\0\0x\0\0\0y\0")
    with Misbehaving(scripted(before={ENQUIRE_LINK: asked})) as server:
        result = await probe("smpp", settings(server))
    assert result.outcome == "ok", shown(result)
    answers = {struct.unpack(">4I", r[:16])[1:] for r in server.requests if r[4] & 0x80}
    assert answers == {(ENQUIRE_LINK | RESPONSE, 0, 77), (GENERIC_NACK, 3, 78), (DELIVER_SM | RESPONSE, 0, 900)}


async def test_unbind_by_the_message_centre() -> None:
    """A message centre that unbinds in mid-session ended it."""
    with Misbehaving("smpp", instead={1: pdu(UNBIND, 0, 5)}) as server:
        result = await probe("smpp", settings(server))
    assert (result.outcome, names(result)[-1]) == ("reset", "enquire_link"), shown(result)
    assert "unbind" in result.detail


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("how", ["close", "reset", "truncate", "half_closed", "garbage_close", "endless", "garbage"])
async def test_sessions_that_break(how: str, at: int) -> None:
    """A session that breaks is judged in the phase where it broke; after unbind it is no matter."""
    with Misbehaving("smpp", how, at=at) as server:
        result = await probe("smpp", settings(server))
    wanted = "protocol" if how in ("endless", "garbage", "garbage_close") else "reset"
    assert result.outcome == ("ok" if at == 2 else wanted), shown(result)
    assert names(result)[-1] == ("bind", "enquire_link", "unbind")[at]


@pytest.mark.parametrize(("how", "at"), [("silent", 0), ("silent", 1), ("drip", 0), ("late", 1)])
async def test_silence_meets_the_deadline(how: str, at: int) -> None:
    """One deadline, whatever comes."""
    with Misbehaving("smpp", how, at=at) as server:
        result = await probe("smpp", settings(server), timeout=0.5)
    assert result.outcome == "timeout", shown(result)


async def test_a_flood_of_questions_ends() -> None:
    """A message centre that asks without end is cut off by the deadline, with bounded memory."""
    flood = pdu(ENQUIRE_LINK, 0, 5) * 20_000
    with Misbehaving(scripted(before={ENQUIRE_LINK: flood})) as server:
        result = await probe("smpp", settings(server), timeout=5)
    assert result.outcome == "protocol", shown(result)


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_receipt_before_or_after_the_answer(when: str) -> None:
    """A receipt counts whether it comes before submit_sm_resp or after it."""
    given = {SUBMIT_SM: receipt("somebody-elses") + receipt("message-1", "ENROUTE") + receipt("message-1")}
    with Misbehaving(scripted(**{when: given})) as server:
        result = await probe("smpp", settings(server, **MESSAGE))
    assert result.outcome == "ok", shown(result)
    assert names(result) == ["connect", "bind", "enquire_link", "submit", "receipt", "unbind"]
    assert result.ids["message_id"] == "message-1"
    assert result.facts["receipt_state"] == "DELIVRD"
    assert any(b"0123456789abcdef slaproof" in request for request in server.requests)


@pytest.mark.parametrize(
    ("state", "outcome"), [("UNDELIV", "undelivered"), ("EXPIRED", "undelivered"), ("REJECTD", "rejected")]
)
async def test_receipts_that_tell_of_failure(state: str, outcome: str) -> None:
    """A receipt that says no is a message that did not arrive."""
    with Misbehaving(scripted(after={SUBMIT_SM: receipt("message-1", state)})) as server:
        result = await probe("smpp", settings(server, **MESSAGE))
    assert result.outcome == outcome, shown(result)
    assert state in result.detail


@pytest.mark.parametrize("more", [b"", receipt("message-1", "ENROUTE")])
async def test_no_receipt_in_time(more: bytes) -> None:
    """Accepted, and no word since: undelivered, within the deadline, and with a farewell."""
    with Misbehaving(scripted(after={SUBMIT_SM: more})) as server:
        result = await probe("smpp", settings(server, **MESSAGE), timeout=1.0)
    assert result.outcome == "undelivered", shown(result)
    assert ("ENROUTE" in result.detail) == bool(more)


@pytest.mark.parametrize(
    ("status", "outcome"), [(0x0B, "rejected"), (0x45, "rejected"), (0x58, "throttled"), (8, "server_error")]
)
async def test_submits_that_are_refused(status: int, outcome: str) -> None:
    """A refused message is ours, a failing message centre is not."""
    with Misbehaving("smpp", instead={2: pdu(SUBMIT_SM | RESPONSE, status, 3)}) as server:
        result = await probe("smpp", settings(server, **MESSAGE))
    assert (result.outcome, names(result)[-1]) == (outcome, "submit"), shown(result)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"deliver": "true"}, "needs from: and to:"),
        ({**MESSAGE, "bind": "transmitter"}, "needs bind: transceiver"),
        ({"bind": "both"}, "transceiver"),
        ({"to": "+4179\0"}, "pattern"),
        ({"budget": "0", **MESSAGE}, "greater than or equal to 1"),
    ],
)
def test_mistakes_in_the_settings(given: dict[str, Any], what: str) -> None:
    """What cannot work is refused when the configuration is read."""
    with pytest.raises(ValidationError, match=what):
        probes.load("smpp").Target.model_validate({"host": "h", "system_id": "u", **given})


def test_only_messages_cost_money() -> None:
    """A bind costs nothing and has no budget; a message has one."""
    load = probes.load("smpp").Target.model_validate
    plain = load({"host": "h", "system_id": "u"})
    paid = load({"host": "h", "system_id": "u", **MESSAGE, "budget": "12"})
    assert (plain.costs_money, plain.daily_budget) == (False, None)
    assert (paid.costs_money, paid.daily_budget) == (True, 12)
