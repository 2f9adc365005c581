"""One question to one name server, over UDP (TCP where the answer says so), as a probe needs it.

Rules:
1. UDP loses packets, and every client asks again: so does this one, twice, in the time that there is, and says so.
2. Only an answer with our identifier and our question counts; anything else that comes is noted.
3. A truncated answer is asked for again over TCP (RFC 7766 §5).
"""

import asyncio
import contextlib
import socket
import struct
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from probes._classify import failed
from probes._connect import connect_failed, lost, open_stream
from probes._trace import Trace

TRIES = 3
_UNREADABLE = (dns.exception.DNSException, ValueError, IndexError, struct.error)
_LARGEST = 65_535
PAYLOAD = 1232
"""The answer that we take over UDP (DNS flag day 2020: what passes everywhere unfragmented)."""


class Asked(NamedTuple):
    """An answer and what it took."""

    message: dns.message.Message
    tries: int
    transport: str


def question(name: str, rdtype: str, *, dnssec: bool = False, unchecked: bool = False) -> dns.message.QueryMessage:
    """A query; ``dnssec`` asks for signatures and the resolver's opinion of them, ``unchecked`` for none of it (CD)."""
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=PAYLOAD, want_dnssec=dnssec)
    if dnssec:
        query.flags |= dns.flags.AD
    if unchecked:
        query.flags |= dns.flags.CD
    return query


async def ask(trace: Trace, query: dns.message.QueryMessage, address: str, port: int, transport: str = "udp") -> Asked:
    """The answer of this server. Raises Failed; waits until the deadline or the caller ends it."""
    trace.peer = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    asked = query.question[0]
    text = f"{asked.name} {dns.rdatatype.to_text(asked.rdtype)}"
    trace.sent(f"{text}? id {query.id}, flags {dns.flags.to_text(query.flags)}, {transport} to {trace.peer}")
    if transport == "udp":
        answer = await _udp(trace, query, address, port)
        if not answer.message.flags & dns.flags.TC:
            return answer
        trace.note("the answer is truncated: asking again over TCP")
    return await _tcp(trace, query, address, port)


async def _udp(trace: Trace, query: dns.message.QueryMessage, address: str, port: int) -> Asked:
    loop = asyncio.get_running_loop()
    wire = query.to_wire()
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise connect_failed(error, address, port) from None
    try:
        with trace.phase("answer"):
            # A connected socket hears of a closed port, and takes packets of this server alone. Nothing is sent yet.
            sock.connect((address, port))
            for left in range(TRIES, 0, -1):
                if left < TRIES:
                    trace.note(f"no answer yet: asking again, {TRIES - left + 1} of {TRIES}")
                await loop.sock_sendall(sock, wire)
                try:
                    async with asyncio.timeout(trace.remaining() / left if left > 1 else None):
                        return Asked(await _hear(trace, query, sock), TRIES - left + 1, "udp")
                except TimeoutError:
                    continue
            raise AssertionError("the last wait has no end")
    except OSError as error:
        raise connect_failed(error, address, port) from None
    finally:
        sock.close()


async def _hear(trace: Trace, query: dns.message.QueryMessage, sock: socket.socket) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    while True:
        data = await loop.sock_recv(sock, _LARGEST)
        if data[:2] == struct.pack(">H", query.id):
            return _read(trace, query, data)
        trace.received(f"a packet of {len(data)} bytes that answers another question")


async def _tcp(trace: Trace, query: dns.message.QueryMessage, address: str, port: int) -> Asked:
    reader, writer = await open_stream(trace, address, port)
    wire = query.to_wire()
    try:
        with trace.phase("answer"):
            writer.write(struct.pack(">H", len(wire)) + wire)
            (length,) = struct.unpack(">H", await reader.readexactly(2))
            data = await reader.readexactly(min(length, 12))
            if data[:2] != wire[:2]:
                trace.received(data.hex())
                raise failed(
                    "dns", "answer", "malformed", "over TCP came something else than an answer to our question"
                )
            data += await reader.readexactly(length - len(data))
        message = _read(trace, query, data)
    except asyncio.IncompleteReadError as error:
        what = "in the middle of the answer" if error.partial else "before an answer"
        raise failed("dns", "answer", "closed", f"the connection was closed {what}") from None
    except OSError as error:
        raise lost(error, "dns", "answer") from None
    finally:
        writer.transport.abort()
    if message.flags & dns.flags.TC:
        raise failed("dns", "answer", "malformed", "even over TCP the answer is truncated")
    return Asked(message, 1, "tcp")


def _read(trace: Trace, query: dns.message.QueryMessage, data: bytes) -> dns.message.Message:
    message = _parsed(trace, data)
    # Servers that fail may leave the question out (RFC 9619 allows none but one question).
    if not message.flags & dns.flags.QR or (message.question and message.question != query.question):
        trace.received(data[:200].hex())
        raise failed("dns", "answer", "malformed", "the answer is to another question, or is a question itself")
    return message


def _parsed(trace: Trace, data: bytes) -> dns.message.Message:
    try:
        return dns.message.from_wire(data, ignore_trailing=True)
    except _UNREADABLE as error:
        # Truncated in the middle of a record, as RFC 2181 §9 allows where TC is set.
        with contextlib.suppress(*_UNREADABLE):
            message = dns.message.from_wire(data, ignore_trailing=True, continue_on_error=True)
            if message.flags & dns.flags.TC:
                return message
        trace.received(data[:200].hex())
        raise failed("dns", "answer", "malformed", f"the answer is not a DNS message: {error}") from None
