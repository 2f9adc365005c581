"""An SMS centre that speaks SMPP 3.4: bind, enquire_link, submit_sm, unbind (SMPP v3.4 §4)."""

import asyncio
import secrets
import struct

from monitor.sandbox.provider import Provider
from monitor.sandbox.script import Fault

_RESPONSE = 0x80000000
_GENERIC_NACK, _SUBMIT, _UNBIND, _ENQUIRE = 0x80000000, 0x4, 0x6, 0x15
_BINDS = frozenset({0x1, 0x2, 0x9})
_OK, _SYSERR, _WRONG_PASSWORD, _THROTTLED, _UNKNOWN = 0x0, 0x8, 0xE, 0x58, 0x3


class SmppProvider(Provider):
    """Lets anyone bind who knows `password`, and takes every message."""

    def __init__(self, name: str, port: int, *, password: str) -> None:
        super().__init__(name, port)
        self._password = password

    def drip(self) -> bytes:
        """The first byte of a length that never gets complete."""
        return b"\0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        while True:
            length, command, _, sequence = struct.unpack(">4I", await reader.readexactly(16))
            body = await reader.readexactly(min(max(length - 16, 0), 65_536))
            status, answer = self._answer(command, body)
            reply = _GENERIC_NACK if status == _UNKNOWN else command | _RESPONSE
            if self.fault == Fault.WRONG_ANSWER:
                # A length that no PDU can have: the header alone has 16 octets.
                writer.write(struct.pack(">4I", 7, reply, status, sequence))
                return
            writer.write(struct.pack(">4I", 16 + len(answer), reply, status, sequence) + answer)
            await writer.drain()
            if command == _UNBIND or (command in _BINDS and status != _OK):
                return

    def _answer(self, command: int, body: bytes) -> tuple[int, bytes]:
        if command in _BINDS:
            if self.fault == Fault.ERROR:
                return _SYSERR, b""
            if self.fault == Fault.THROTTLE:
                return _THROTTLED, b""
            _, password, *_ = [*body.split(b"\0"), b"", b""]
            return (_OK, b"SANDBOX\0") if password == self._password.encode()[:8] else (_WRONG_PASSWORD, b"")
        if command == _SUBMIT:
            return _OK, secrets.token_hex(4).encode() + b"\0"
        return (_OK, b"") if command in (_ENQUIRE, _UNBIND) else (_UNKNOWN, b"")
