"""A small client of SMPP 3.4, one session a probe: no reconnecting, no background task, nothing tried twice.

Rules:
1. While an answer is awaited, whatever else comes is handled: enquire_link and messages are answered, a receipt that
   comes before the answer to its submit_sm is kept, an unknown command gets a generic_nack.
2. An answer belongs to the request with its sequence number; a generic_nack with none belongs to the only one open.
3. unbind by the message centre ends the session; it is no answer.
4. Passwords are hidden by their place.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from probes._classify import failed
from probes._connect import cut, lost, open_stream
from probes._outcome import Failed
from probes._smpp_pdu import (
    ALERT_NOTIFICATION,
    BIND,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    HEADER,
    OUTBIND,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    MalformedPdu,
    Message,
    Pdu,
    Receipt,
    bind_body,
    body_length,
    read_bind_answer,
    read_message,
    read_message_id,
    read_pdu,
    read_receipt,
)
from probes._smpp_status import judge, status_name
from probes._tls import TlsSettings
from probes._trace import Trace

_MOST_RECEIPTS = 200
_MOST_STRAYS = 10_000
_UNBIND_S = 0.5
_RINVCMDID = 3
_VISIBLE = re.compile(rb"[ -~]{2,}")


class Session:
    """A connected session. Every method raises Failed; the phase is the one that is open in the trace."""

    def __init__(self, trace: Trace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._trace, self._reader, self._writer = trace, reader, writer
        self._sequence = 0
        self._strays = 0
        self.receipts: list[Receipt] = []

    # -- requests --------------------------------------------------------------------------------------------------

    async def bind(self, mode: str, system_id: str, password: str, system_type: str, address_range: str) -> str:
        """Binds; the message centre's own name comes back."""
        body = bind_body(system_id, password, system_type, address_range)
        answer = await self._ask("bind", BIND[mode], body, f"system_id={system_id!r} password=[credentials]")
        try:
            return read_bind_answer(answer)
        except MalformedPdu as error:
            raise failed("smpp", "bind", "malformed", f"{answer.name}: {error}") from None

    async def enquire_link(self) -> None:
        """Asks whether the message centre still listens."""
        await self._ask("enquire_link", ENQUIRE_LINK, b"", "")

    async def submit(self, body: bytes, shown: str) -> str:
        """Submits a message; what the message centre calls it comes back."""
        answer = await self._ask("submit", SUBMIT_SM, body, shown)
        return read_message_id(answer)

    async def unbind(self) -> None:
        """Takes leave; what comes of it is noted only."""
        try:
            async with asyncio.timeout(min(_UNBIND_S, self._trace.remaining() * 0.8)):
                await self._ask("unbind", UNBIND, b"", "")
        except (Failed, TimeoutError) as error:
            self._trace.note(f"no farewell: {error or 'unbind was not answered'}")

    async def receipt(self) -> Receipt:
        """The next delivery receipt that came or comes."""
        while not self.receipts:
            pdu = await self._next("receipt")
            if pdu.command & RESPONSE:
                self._stray(pdu)
            else:
                await self._serve(pdu, "receipt")
        return self.receipts.pop(0)

    async def _ask(self, phase: str, command: int, body: bytes, shown: str) -> Pdu:
        self._sequence += 1
        request = Pdu(command, 0, self._sequence, body)
        self._trace.sent(f"{request.name} #{request.sequence} {shown}".rstrip())
        await self._write(request, phase)
        while True:
            pdu = await self._next(phase)
            if not pdu.command & RESPONSE:
                await self._serve(pdu, phase)
            elif pdu.command == GENERIC_NACK and pdu.sequence in (0, self._sequence):
                if pdu.status == 0:
                    raise failed("smpp", phase, "not_understood", "generic_nack without a status", code=0)
                raise self._refused(phase, request, pdu)
            elif pdu.sequence != self._sequence:
                self._stray(pdu)
            elif pdu.command != command | RESPONSE:
                raise failed("smpp", phase, "malformed", f"{request.name} was answered by {pdu.name}")
            elif pdu.status:
                raise self._refused(phase, request, pdu)
            else:
                self._trace.code = 0
                return pdu

    def _refused(self, phase: str, request: Pdu, answer: Pdu) -> Failed:
        said = f"{request.name} was answered {status_name(answer.status)} (0x{answer.status:08X})"
        if answer.command == GENERIC_NACK:
            said += " by a generic_nack"
        return failed("smpp", phase, judge(phase, answer.status), said, code=answer.status)

    def _stray(self, pdu: Pdu) -> None:
        self._count_stray(f"{pdu.name} #{pdu.sequence} answers nothing that was asked")

    def _count_stray(self, what: str) -> None:
        self._strays += 1
        if self._strays > _MOST_STRAYS:
            raise failed(
                "smpp", self._trace.last_phase, "malformed", f"{_MOST_STRAYS} PDUs that nobody asked for; {what}"
            )

    # -- what the message centre asks ------------------------------------------------------------------------------

    async def _serve(self, pdu: Pdu, phase: str) -> None:
        if pdu.command in (DELIVER_SM, DATA_SM):
            self._take(pdu, phase)
            body = b"\0"
        elif pdu.command in (ENQUIRE_LINK, UNBIND):
            body = b""
        elif pdu.command in (ALERT_NOTIFICATION, OUTBIND):
            self._count_stray(pdu.name)
            return
        else:
            self._count_stray(pdu.name)
            await self._answer(Pdu(GENERIC_NACK, _RINVCMDID, pdu.sequence), phase)
            return
        await self._answer(Pdu(pdu.command | RESPONSE, 0, pdu.sequence, body), phase)
        if pdu.command == UNBIND:
            raise failed("smpp", phase, "unbound", "the message centre ended the session with unbind")
        if pdu.command == ENQUIRE_LINK:
            self._count_stray(pdu.name)

    def _take(self, pdu: Pdu, phase: str) -> None:
        try:
            message = read_message(pdu)
        except MalformedPdu as error:
            raise failed("smpp", phase, "malformed", f"{pdu.name}: {error}") from None
        receipt = read_receipt(message)
        if receipt is None:
            self._count_stray(f"a message from {message.source}")
        elif len(self.receipts) < _MOST_RECEIPTS:
            self.receipts.append(receipt)

    async def _answer(self, pdu: Pdu, phase: str) -> None:
        self._trace.sent(_shown(pdu))
        await self._write(pdu, phase)

    # -- the line --------------------------------------------------------------------------------------------------

    async def _write(self, pdu: Pdu, phase: str) -> None:
        try:
            self._writer.write(pdu.wire())
            await self._writer.drain()
        except (OSError, EOFError) as error:
            raise lost(error, "smpp", phase) from None

    async def _next(self, phase: str) -> Pdu:
        try:
            header = await self._reader.readexactly(HEADER)
            body = await self._reader.readexactly(body_length(header))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                self._trace.received(f"{len(error.partial)} bytes: {error.partial[:64].hex(' ')}")
            what = "in the middle of a PDU" if error.partial else "without unbind"
            raise failed("smpp", phase, "reset", f"the message centre closed the connection {what}") from None
        except MalformedPdu as error:
            self._trace.received(f"no PDU: {header.hex(' ')} {_visible(header)}".rstrip())
            raise failed("smpp", phase, "not_smpp", f"the answer is not SMPP: {error}") from None
        except OSError as error:
            raise lost(error, "smpp", phase) from None
        pdu = read_pdu(header, body)
        self._trace.received(_shown(pdu))
        return pdu


def _visible(data: bytes) -> str:
    """Readable pieces of bytes that are not what they should be: another protocol gives itself away."""
    return " ".join(repr(piece.decode()) for piece in _VISIBLE.findall(data))


def _shown(pdu: Pdu) -> str:
    """A PDU for people."""
    text = f"{pdu.name} #{pdu.sequence}"
    if pdu.status or pdu.command & RESPONSE:
        text += f" {status_name(pdu.status)}"
    if pdu.command in (DELIVER_SM, DATA_SM):
        try:
            message: Message = read_message(pdu)
        except MalformedPdu as error:
            return f"{text} malformed: {error}; {pdu.body[:64].hex(' ')}"
        extra = "".join(f" 0x{tag:04X}={value[:32].hex()}" for tag, value in list(message.parameters.items())[:8])
        return f"{text} from {message.source!r} to {message.destination!r}: {message.text[:200]!r}{extra}"
    if pdu.command == SUBMIT_SM | RESPONSE and pdu.body:
        return f"{text} message_id={read_message_id(pdu)!r}"
    if pdu.command in {mode | RESPONSE for mode in BIND.values()} and pdu.body:
        return f"{text} system_id={pdu.body[:16].split(bytes(1), 1)[0].decode('latin-1')!r}"
    return f"{text} {len(pdu.body)} bytes" if pdu.body else text


@contextlib.asynccontextmanager
async def session(
    trace: Trace, host: str, port: int, *, ip: str = "any", tls: TlsSettings | None = None
) -> AsyncIterator[Session]:
    """A connected session that is cut off on the way out; phases resolve, connect and, with ``tls``, tls."""
    reader, writer = await open_stream(trace, host, port, ip=ip, tls=tls)
    try:
        yield Session(trace, reader, writer)
    finally:
        cut(trace, writer)
