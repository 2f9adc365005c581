"""A TCP port: connects, with TLS where asked, and optionally sends a line and expects one."""

import asyncio
import re

from pydantic import Field

from probes._classify import failed
from probes._connect import lost, open_stream, tcp_facts
from probes._fields import Port, ProbeTarget, Regex
from probes._tls import TlsSettings
from probes._trace import Trace


class Target(ProbeTarget):
    """``send`` is written after connecting; ``expect`` is searched for in what comes back, line by line."""

    host: str
    port: Port
    tls: bool | TlsSettings = False
    send: str | None = Field(default=None, description="text to send after connecting; \\r\\n is added")
    expect: Regex | None = Field(default=None, description="a regular expression that a line of the answer must match")


async def probe(target: Target, trace: Trace) -> None:
    """Connects and, where asked, talks."""
    tls = TlsSettings() if target.tls is True else target.tls or None
    reader, writer = await open_stream(trace, target.host, target.port, ip=target.ip, tls=tls)
    try:
        if target.send is not None:
            trace.sent(target.send)
            writer.write(target.send.encode() + b"\r\n")
        if target.expect is not None:
            with trace.phase("answer"):
                await _expect(reader, trace, target.expect)
        tcp_facts(trace, writer)
    except OSError as error:
        raise lost(error, "tcp", "answer") from None
    finally:
        writer.transport.abort()


async def _expect(reader: asyncio.StreamReader, trace: Trace, pattern: str) -> None:
    wanted = re.compile(pattern)
    for _ in range(100):
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            line = error.partial
        except asyncio.LimitOverrunError:
            raise failed("tcp", "answer", "too_long", "a line of the answer is longer than 64 KiB") from None
        if not line:
            raise failed("tcp", "answer", "reset", "the connection was closed before the expected answer")
        trace.received(line)
        if wanted.search(line.decode("utf-8", "replace")):
            return
    raise failed("tcp", "answer", "no_match", f"no line of the answer matches {pattern!r}")
