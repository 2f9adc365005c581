"""A TCP port: connects, with TLS where asked, and optionally sends lines and expects others."""

import asyncio
import re
import ssl

from pydantic import Field, model_validator

from probes._classify import failed
from probes._connect import cut, lost, open_stream
from probes._fields import Port, ProbeTarget, Regex, Settings
from probes._search import search
from probes._tls import TlsSettings, context, facts, tls_failed
from probes._trace import Trace

_MOST_LINES = 100


class Turn(Settings):
    """One turn of a dialogue: what must come, then what is sent, then TLS from there on."""

    expect: Regex | None = Field(default=None, description="a regular expression that a line of the answer must match")
    send: str | None = Field(default=None, description="a line to send; ${1} is the first group of what was expected")
    starttls: bool = False


class Target(ProbeTarget):
    """``send`` is written after connecting; ``expect`` is searched for in what comes back, line by line.

    A longer talk stands in ``dialogue`` instead.
    """

    host: str
    port: Port
    tls: bool | TlsSettings = False
    send: str | None = Field(default=None, description="text to send after connecting; \\r\\n is added")
    expect: Regex | None = Field(default=None, description="a regular expression that a line of the answer must match")
    dialogue: tuple[Turn, ...] = Field(default=(), description="several turns, in place of send and expect")
    starttls: TlsSettings = Field(default_factory=TlsSettings, description="how to verify where a turn starts TLS")
    line_end: str = Field(default="\r\n", description="what ends a line that is sent", pattern=r"^[\r\n]*$")

    @model_validator(mode="after")
    def _either(self) -> "Target":
        if self.dialogue and (self.send is not None or self.expect is not None):
            raise ValueError("write either dialogue, or send and expect")
        return self

    def turns(self) -> tuple[Turn, ...]:
        """What is said and heard, in order."""
        if self.dialogue:
            return self.dialogue
        return tuple(Turn(**turn) for turn in ({"send": self.send}, {"expect": self.expect}) if any(turn.values()))


async def probe(target: Target, trace: Trace) -> None:
    """Connects and, where asked, talks."""
    tls = TlsSettings() if target.tls is True else target.tls or None
    reader, writer = await open_stream(trace, target.host, target.port, ip=target.ip, tls=tls)
    groups: dict[str, str] = {}
    try:
        for turn in target.turns():
            if turn.expect is not None:
                with trace.phase("answer"):
                    groups = await _expect(reader, trace, turn.expect)
            if turn.send is not None:
                line = re.sub(r"\$\{(\w+)\}", lambda match, known=groups: known.get(match[1], ""), turn.send)  # type: ignore[misc]
                trace.sent(line)
                writer.write(line.encode() + target.line_end.encode())
            if turn.starttls:
                await _encrypt(trace, writer, target.starttls, target.host)
    except ssl.SSLError as error:
        raise tls_failed(trace, error) from None
    except OSError as error:
        raise lost(error, "tcp", "answer") from None
    finally:
        cut(trace, writer)


async def _encrypt(trace: Trace, writer: asyncio.StreamWriter, tls: TlsSettings, host: str) -> None:
    with trace.phase("tls"):
        name = tls.server_name or host.strip("[]")
        await writer.start_tls(context(tls), server_hostname=name, ssl_handshake_timeout=trace.remaining() + 60)
        trace.tls = facts(writer.get_extra_info("ssl_object"), verified=tls.verify)


async def _expect(reader: asyncio.StreamReader, trace: Trace, pattern: str) -> dict[str, str]:
    """Reads lines until one matches; its groups by number and name."""
    for _ in range(_MOST_LINES):
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            line = error.partial
        except asyncio.LimitOverrunError:
            raise failed("tcp", "answer", "too_long", "a line of the answer is longer than 64 KiB") from None
        if not line:
            raise failed("tcp", "answer", "reset", "the connection was closed before the expected answer")
        trace.received(line)
        if match := search(pattern, line.decode("utf-8", "replace").rstrip("\r\n")):
            numbered = {str(number): value or "" for number, value in enumerate(match.groups(), 1)}
            return {"0": match[0], **numbered, **{name: value or "" for name, value in match.groupdict().items()}}
    raise failed("tcp", "answer", "no_match", f"no line of the answer matches {pattern!r}")
