"""The few PDUs of SMPP 3.4 that the tests build and read by hand: header, bind, submit_sm, deliver_sm."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Self

GENERIC_NACK = 0x80000000
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 1, 2, 9
BIND_COMMANDS = (BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER)
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 4, 5, 6, 0x15
RESPONSE = 0x80000000


def pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """A whole PDU."""
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Pdu:
    """A PDU that was read."""

    command: int
    status: int
    sequence: int
    body: bytes


class Client:
    """A blocking client for the tests of the SMPP servers themselves."""

    def __init__(self, host: str, port: int, timeout: float = 5.0) -> None:
        self._socket = socket.create_connection((host, port), timeout=timeout)
        self._sequence = 0

    def send(self, command: int, body: bytes = b"") -> int:
        """Send a request; its sequence number comes back."""
        self._sequence += 1
        self._socket.sendall(pdu(command, 0, self._sequence, body))
        return self._sequence

    def reply(self, to: Pdu, body: bytes = b"") -> None:
        """Answer a request of the server with success."""
        self._socket.sendall(pdu(to.command | RESPONSE, 0, to.sequence, body))

    def read(self, timeout: float | None = None) -> Pdu:
        """The next PDU; ConnectionError at the end of the stream, TimeoutError after the timeout."""
        if timeout is not None:
            self._socket.settimeout(timeout)
        length, command, status, sequence = struct.unpack(">IIII", self._exactly(16))
        return Pdu(command=command, status=status, sequence=sequence, body=self._exactly(length - 16))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("closed by the server")
            data += piece
        return data

    def bind(self, system_id: str, password: str, command: int = BIND_TRANSCEIVER) -> Pdu:
        """Bind and give the answer."""
        strings = f"{system_id}\0{password}\0\0".encode()
        self.send(command, strings + b"\x34\0\0\0")
        return self.read()

    def submit(self, destination: str, text: bytes, *, receipt: bool = False) -> int:
        """Send submit_sm (not waiting for the answer); its sequence number comes back."""
        body = b"\0\1\1test\0\1\1" + destination.encode() + b"\0" + b"\0\0\0" + b"\0\0"
        return self.send(SUBMIT_SM, body + bytes([1 if receipt else 0, 0, 0, 0, len(text)]) + text)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
