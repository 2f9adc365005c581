"""How a well-behaved server of each protocol answers, in the fewest bytes: what `misbehaving` then spoils at one place.

A `Session` is one connection. It frames what the client sent into requests and gives one answer to each; the answers
are counted from 0, and where the server speaks first its greeting is answer 0. ``ANSWERS`` tells what a plain probe of
the protocol gets, in order, so that a test can spoil each.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import ClassVar

import dns.flags
import dns.message
import dns.rrset
import h2.config
import h2.connection
import h2.events

from tests.servers.smpp import BIND_COMMANDS, ENQUIRE_LINK, SUBMIT_SM, UNBIND, pdu


class Session:
    """One connection to a server that behaves well."""

    ANSWERS: ClassVar[tuple[str, ...]] = ()
    UDP: ClassVar[bool] = False

    def __init__(self) -> None:
        self.starttls = False  # the answer just given is followed by a TLS handshake
        self.over = False  # the answer just given is the last; the server closes

    def greeting(self) -> bytes:
        """What the server says first, or nothing."""
        return b""

    def frame(self, buffer: bytes) -> int:
        """The length of the first whole request in the buffer; 0 where there is none yet."""
        raise NotImplementedError

    def answer(self, request: bytes) -> bytes:
        """The answer to a whole request; nothing where none is due."""
        raise NotImplementedError

    def endless(self) -> tuple[bytes, bytes]:
        """How an answer begins that never ends, and what follows again and again."""
        raise NotImplementedError


class Http(Session):
    """HTTP/1.1: a JSON object for every request."""

    ANSWERS = ("response",)
    BODY: ClassVar[bytes] = json.dumps({"state": "ok"}).encode()

    def frame(self, buffer: bytes) -> int:
        head, end, rest = buffer.partition(b"\r\n\r\n")
        if not end:
            return 0
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        return len(head) + 4 + length if len(rest) >= length else 0

    def answer(self, request: bytes) -> bytes:
        self.over = True
        return http_response(self.BODY)

    def endless(self) -> tuple[bytes, bytes]:
        return http_head(length=None), b"still more of the same; " * 1000


def http_head(length: int | None, *headers: str, status: str = "200 OK") -> bytes:
    """The head of a response whose body has this length (None: it ends with the connection)."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def http_response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole response."""
    return http_head(len(body), *headers, status=status) + body


class Lines(Session):
    """Protocols whose requests are lines."""

    def frame(self, buffer: bytes) -> int:
        return buffer.find(b"\n") + 1


class Smtp(Lines):
    """SMTP with AUTH PLAIN and LOGIN (any password will do); takes every sender and recipient, and mail too."""

    ANSWERS: ClassVar[tuple[str, ...]] = ("banner", "ehlo", "mail", "rcpt", "rset", "quit")
    EXTENSIONS: ClassVar[tuple[bytes, ...]] = (b"PIPELINING", b"AUTH PLAIN LOGIN")

    def __init__(self) -> None:
        super().__init__()
        self._login = 0
        self._data = False

    def greeting(self) -> bytes:
        return b"220 mail.example ESMTP\r\n"

    def frame(self, buffer: bytes) -> int:
        if self._data:
            end = buffer.find(b"\r\n.\r\n")
            return end + 5 if end >= 0 else 0
        return super().frame(buffer)

    def answer(self, request: bytes) -> bytes:
        if self._data:
            self._data = False
            return b"250 2.0.0 Ok: queued as 4F1A2B3C\r\n"
        if self._login:
            self._login -= 1
            return b"334 UGFzc3dvcmQ6\r\n" if self._login else b"235 2.7.0 Authentication successful\r\n"
        verb, _, rest = request.strip().partition(b" ")
        match verb.upper():
            case b"EHLO":
                lines = [b"mail.example", *self.EXTENSIONS]
                return b"".join(b"250-" + line + b"\r\n" for line in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"
            case b"STARTTLS":
                self.starttls = True
                return b"220 2.0.0 Ready to start TLS\r\n"
            case b"AUTH":
                how, _, initial = rest.partition(b" ")
                if initial and how.upper() == b"PLAIN":
                    return b"235 2.7.0 Authentication successful\r\n"
                self._login = 1 if how.upper() == b"PLAIN" or initial else 2
                return b"334 \r\n" if how.upper() == b"PLAIN" else b"334 VXNlcm5hbWU6\r\n"
            case b"DATA":
                self._data = True
                return b"354 End data with <CR><LF>.<CR><LF>\r\n"
            case b"QUIT":
                self.over = True
                return b"221 2.0.0 Bye\r\n"
            case _:
                return b"250 2.0.0 Ok\r\n"

    def endless(self) -> tuple[bytes, bytes]:
        return b"", b"250-and one more line of the same\r\n" * 100


class SmtpStartTls(Smtp):
    """SMTP that offers STARTTLS."""

    ANSWERS = ("banner", "ehlo", "starttls", "ehlo again", "mail", "rcpt", "rset", "quit")
    EXTENSIONS = (b"PIPELINING", b"STARTTLS", b"AUTH PLAIN LOGIN")


class Smpp(Session):
    """SMPP 3.4: takes every password; a submitted message gets an identifier and no receipt."""

    ANSWERS = ("bind_resp", "enquire_link_resp", "unbind_resp")

    def frame(self, buffer: bytes) -> int:
        if len(buffer) < 4:
            return 0
        length: int = struct.unpack(">I", buffer[:4])[0]
        return length if len(buffer) >= length >= 16 else 0

    def answer(self, request: bytes) -> bytes:
        _, command, _, sequence = struct.unpack(">IIII", request[:16])
        if command & 0x80000000:
            return b""
        if command in BIND_COMMANDS:
            return pdu(command | 0x80000000, 0, sequence, b"smsc\0")
        if command == SUBMIT_SM:
            return pdu(command | 0x80000000, 0, sequence, b"message-1\0")
        if command in (ENQUIRE_LINK, UNBIND):
            self.over = command == UNBIND
            return pdu(command | 0x80000000, 0, sequence)
        return pdu(0x80000000, 3, sequence)  # generic_nack: ESME_RINVCMDID

    def endless(self) -> tuple[bytes, bytes]:
        # A bind_transceiver_resp that claims to be 2 GiB long.
        return struct.pack(">IIII", 0x7FFFFFFF, 0x80000009, 0, 1), b"smsc" * 4096


class Imap(Lines):
    """IMAP4rev1 with one empty mailbox; any password will do."""

    ANSWERS = ("greeting", "login", "select", "logout")

    def __init__(self) -> None:
        super().__init__()
        self._idle = b""

    def greeting(self) -> bytes:
        return b"* OK [CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN] ready\r\n"

    def answer(self, request: bytes) -> bytes:
        if self._idle:
            tag, self._idle = self._idle, b""
            return tag + b" OK IDLE done\r\n"
        tag, _, rest = request.strip().partition(b" ")
        verb = rest.split(b" ", 1)[0].upper()
        match verb:
            case b"CAPABILITY":
                return b"* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN\r\n" + tag + b" OK done\r\n"
            case b"SELECT" | b"EXAMINE":
                return (
                    b"* FLAGS (\\Seen)\r\n* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 1]\r\n"
                    + tag
                    + b" OK [READ-WRITE] done\r\n"
                )
            case b"IDLE":
                self._idle = tag
                return b"+ idling\r\n"
            case b"LOGOUT":
                self.over = True
                return b"* BYE\r\n" + tag + b" OK done\r\n"
            case b"SEARCH" | b"UID":
                return b"* SEARCH\r\n" + tag + b" OK done\r\n"
            case b"STARTTLS":
                self.starttls = True
                return tag + b" OK begin TLS\r\n"
            case _:
                return tag + b" OK done\r\n"

    def endless(self) -> tuple[bytes, bytes]:
        return b"", b"* OK and one more line of the same\r\n" * 100


class Dns(Session):
    """DNS over UDP and TCP: 192.0.2.1 for every A, 2001:db8::1 for every AAAA, a text for every TXT."""

    ANSWERS = ("answer",)
    UDP = True

    def frame(self, buffer: bytes) -> int:
        """Over TCP two bytes of length stand before the message."""
        if len(buffer) < 2:
            return 0
        length: int = struct.unpack(">H", buffer[:2])[0]
        return length + 2 if len(buffer) >= length + 2 else 0

    def answer(self, request: bytes) -> bytes:
        wire = self.datagram(request[2:])
        return struct.pack(">H", len(wire)) + wire

    @staticmethod
    def datagram(request: bytes) -> bytes:
        """The answer to a query as it goes over UDP."""
        query = dns.message.from_wire(request)
        response = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        values = {1: "192.0.2.1", 28: "2001:db8::1", 16: '"text"'}
        if question.rdtype in values:
            response.answer.append(
                dns.rrset.from_text(question.name, 60, question.rdclass, question.rdtype, values[question.rdtype])
            )
        return response.to_wire()

    @classmethod
    def truncated(cls, request: bytes) -> bytes:
        """An answer that says that it is not all (TC)."""
        response = dns.message.make_response(dns.message.from_wire(request))
        response.flags |= dns.flags.TC
        return response.to_wire()

    def endless(self) -> tuple[bytes, bytes]:
        return b"\xff\xff", b"\0" * 4096


class Grpc(Session):
    """HTTP/2 with grpc.health.v1.Health/Check: SERVING."""

    ANSWERS = ("settings", "response")
    _PREFACE: ClassVar[int] = 24

    def __init__(self) -> None:
        super().__init__()
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._prefaced = False
        self._h2.initiate_connection()

    def greeting(self) -> bytes:
        return self._h2.data_to_send()

    def frame(self, buffer: bytes) -> int:
        start = 0 if self._prefaced else self._PREFACE
        if len(buffer) < start + 9:
            return 0
        end = start + 9 + int.from_bytes(buffer[start : start + 3], "big")
        if len(buffer) < end:
            return 0
        self._prefaced = True
        return end

    def answer(self, request: bytes) -> bytes:
        for event in self._h2.receive_data(request):
            if isinstance(event, h2.events.StreamEnded):
                stream = event.stream_id
                self._h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
                self._h2.send_data(stream, b"\0\0\0\0\x02\x08\x01")
                self._h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
                return self._h2.data_to_send()
        return b""

    def endless(self) -> tuple[bytes, bytes]:
        return b"", struct.pack(">I", 64)[1:] + b"\0\0" + struct.pack(">I", 1) + b"\0" * 64


PROTOCOLS: dict[str, Callable[[], Session]] = {
    "http": Http,
    "smtp": Smtp,
    "smtp_starttls": SmtpStartTls,
    "smpp": Smpp,
    "imap": Imap,
    "dns": Dns,
    "grpc": Grpc,
}
