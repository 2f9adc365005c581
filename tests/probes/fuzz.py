"""Broken answers by the thousand: ``python -m tests.probes.fuzz [PROTOCOL ...] --count 10000 --seed 1``.

A server in the same loop answers as `tests.servers.protocols` does, but spoils one or more answers of each session:
bits turned, pieces cut, doubled, moved or put in from a vocabulary of the protocol, lengths lied about, endless lines,
answers dribbled or followed by the end of the connection. Whatever comes, a probe ends with an outcome, never with an
exception, and by its deadline; what it keeps is bounded.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import logging
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import probes
from probes._outcome import Outcome, Result
from probes._run import run
from probes._trace import TRANSCRIPT_BYTES
from tests.servers import free_port
from tests.servers.protocols import PROTOCOLS, Dns

TIMEOUT_S = 0.25
GRACE_MS = 100
_AT_ONCE = 16
_MEMORY_MIB = 96

Settings = Callable[[int, int], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A protocol to spoil: which kind asks, with which settings (its port, a port that refuses), and its words."""

    kind: str
    settings: Settings
    words: tuple[bytes, ...]
    udp: bool = False
    # The protocol of tests.servers.protocols where the subject has another name.
    protocol: str = ""
    # Outcomes of the monitor's own that are right here, such as the mailbox of a delivery probe, which is ours.
    ours: frozenset[str] = field(default_factory=frozenset)


SUBJECTS: dict[str, Subject] = {
    "smtp": Subject(
        kind="smtp",
        settings=lambda port, _: {
            "host": "127.0.0.1", "port": port, "tls": "none", "username": "u", "password": "p-secret",
            "from": "probe@example.com", "to": "sink@example.com",
        },
        words=(
            b"250 ", b"250-", b"220 ", b"334 ", b"334\r\n", b"421 4.7.0 ", b"451 4.3.0 ", b"535 5.7.8 ", b"\r\n",
            b"\n", b"\r",
            b"-1 ", b"2 50 ", b"999 ", b"2\xb2\xb2 ", b"\xff\xfe", b"\0", b"AUTH PLAIN LOGIN CRAM-MD5\r\n",
            b"STARTTLS\r\n",
            b"334 ====\r\n", b"250 " + b"x" * 9000 + b"\r\n", b"250-a\r\n" * 2000, b"queued as " + b"Q" * 500,
        ),
    ),
    "smpp": Subject(
        kind="smpp",
        settings=lambda port, _: {
            "host": "127.0.0.1", "port": port, "system_id": "u", "password": "p-secret", "deliver": "true",
            "from": "slaproof", "to": "+41790000000",
        },
        words=(
            b"\0\0\0\x10", b"\x80\0\0\0", b"\0\0\0\5", b"\0\0\0\x15", b"\0\0\0\6", b"\0\0\1\3",
            b"\xff\xff\xff\xff", b"\0" * 64,
            b"\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\x63", b"\0\x1e\0\x0amessage-1\0", b"\4\x27\0\1\2", b"\4\x24\xff\xff",
            b"\0\0\0\x10\x80\0\0\0\0\0\0\3\0\0\0\0", b"id:message-1 stat:DELIVRD err:000",
        ),
    ),
    "imap": Subject(
        kind="delivery",
        settings=lambda port, refused: {
            "smtp": {"host": "127.0.0.1", "port": refused, "tls": "none"},
            "imap": {"host": "127.0.0.1", "port": port, "tls": "none", "username": "u", "password": "p-secret"},
            "from": "probe@example.com", "to": "sink@example.com",
        },
        words=(
            b"* ", b"+ idling\r\n", b"* 1 EXISTS\r\n", b"* SEARCH 1 2 3\r\n", b"{1000000}\r\n", b"{5}\r\nabcde",
            b"{-1}\r\n", b")",
            b"* BYE\r\n", b"\xff\xff", b"* 1 FETCH (UID 1 BODY[HEADER] {10}\r\n0123456789)\r\n", b"\0",
            b"* CAPABILITY\r\n",
            b"* OK [UIDNEXT x]\r\n", b"((((((((((((((((", b'"' * 50,
        ),
        ours=frozenset({"local"}),
    ),
    "http": Subject(
        kind="http",
        settings=lambda port, _: {
            "url": f"http://127.0.0.1:{port}/", "expect": {"json": {"$.state": "ok"}}, "follow_redirects": "true",
            "max_body": "65536",
        },
        words=(
            b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Length: 5\r\n",
            b"Content-Length: -1\r\n",
            b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Location: http://[::\r\n",
            b"\r\n\r\n", b"\0", b"\xff",
            b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b"ffffffffffffffff\r\n",
            b"X: " + b"y" * 70_000,
            b"Set-Cookie: a=b\r\n", b'{"state":' * 200, b"HTTP/9.9 999 \r\n",
        ),
        ours=frozenset({"local"}),
    ),
    "dns": Subject(
        kind="mailauth",
        settings=lambda port, _: {
            "domain": "example.com", "selectors": "s", "addresses": ["192.0.2.1"],
            "nameservers": f"127.0.0.1:{port}",
        },
        words=(
            b"\xc0\x0c", b"\xc0\xff", b"\xff\xff", b"\0\0\x29\x10\0\0\0\0\0\0\0", b"\x3f" + b"a" * 63,
            b"\0\x10\0\1\0\0\0\x3c\xff\xff",
            b"v=spf1 include:example.com -all", b"v=DKIM1; p=", b"\0" * 12, b"\x84\0", b"\x83\x80",
        ),
        udp=True,
        ours=frozenset({"local"}),
    ),
    "sms": Subject(
        kind="sms",
        settings=lambda port, _: {
            "url": f"http://127.0.0.1:{port}/", "smsc": "a", "message_id": {"regex": "id=(.*)"}},
        words=(
            b"<smsc><id>a</id><status>online</status></smsc>", b"<smsc>", b"Denied", b"id=",
            b"0: Accepted", b"\xff\xfe",
            b"HTTP/1.0 202 Accepted\r\n\r\n", b"Content-Encoding: deflate\r\n",
            b"Connection: keep-alive\r\n", b"<" * 500,
        ),
        protocol="http",
        ours=frozenset({"local"}),
    ),
    "steps": Subject(
        kind="steps",
        settings=lambda port, _: {"steps": [
            {"url": f"http://127.0.0.1:{port}/", "capture": {"x": {"json": "$.state"}, "y": {"regex": "(?s)(.*)"}}},
            {"url": "/{{x}}?y={{y}}", "headers": {"X-State": "{{x}}"}, "json": '{"y": "{{y}}"}'},
        ]},
        words=(
            b"Set-Cookie: a=b; Path=/\r\n", b"Set-Cookie: \x01=;;=\r\n", b"Location: ?\r\n",
            b"Location: //[\r\n",
            b"HTTP/1.1 307 Again\r\nContent-Length: 0\r\nLocation: /b\r\n\r\n", b'{"state": "a\\r\\nb"}',
            b"\xff", b"{{x}}",
        ),
        protocol="http",
        ours=frozenset({"local"}),
    ),
    "record": Subject(
        kind="dns",
        settings=lambda port, _: {"name": "www.example", "server": f"127.0.0.1:{port}", "dnssec": "signed"},
        words=(
            b"\xc0\x0c", b"\xc0\xff", b"\xff\xff", b"\0\0\x29\x10\0\0\0\0\0\0\0", b"\x3f" + b"a" * 63,
            b"\0" * 12, b"\0\x2e\0\1\0\0\0\x3c\0\x20", b"\x84\0", b"\x86\0", b"\x83\x80", b"\x81\x85",
        ),
        udp=True,
        protocol="dns",
    ),
    "grpc": Subject(
        kind="grpc",
        settings=lambda port, _: {"host": "127.0.0.1", "port": port},
        words=(
            b"\0\0\0\4\1\0\0\0\0", b"\0\0\4\3\0\0\0\0\1\0\0\0\2",
            b"\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\1",
            b"\xff\xff\xff", b"\0\0\x08\6\0\0\0\0\0" + b"\0" * 8, b"\0\0\0\1\5\0\0\0\1",
            b"\0\0\0\0\2\x08\2", b"\xff" * 30,
        ),
    ),
    "tcp": Subject(
        kind="tcp",
        settings=lambda port, _: {
            "host": "127.0.0.1", "port": port,
            "dialogue": [{"expect": "^220 (.*)$", "send": "EHLO ${1}"}, {"expect": "^250 "}],
        },
        words=(b"220 ", b"250 ", b"\n", b"\r", b"\xff", b"\0", b"x" * 70_000, b"220 \xe2\x80\xae\r\n"),
        protocol="smtp",
    ),
}  # fmt: skip


class Spoiler:
    """Spoils answers; the same seed spoils them in the same way."""

    def __init__(self, random_: random.Random, words: tuple[bytes, ...]) -> None:
        self._random, self._words = random_, words

    def spoil(self, good: bytes) -> bytes:
        """One to three things done to an answer."""
        for _ in range(self._random.randint(1, 3)):
            good = self._one(good)
        return good[:200_000]

    def _one(self, data: bytes) -> bytes:
        rng = self._random
        at, to = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        match rng.randrange(9):
            case 0:
                return data[:at]
            case 1:
                return data[:at] + rng.choice(self._words) + data[at:]
            case 2:
                return data[:at] + rng.choice(self._words) + data[to:]
            case 3:
                return data[:at] + rng.randbytes(rng.randint(0, 40)) + data[to:]
            case 4:
                return data + data[at:to] * rng.randint(1, 20)
            case 5:
                return data[:at] + data[to:]
            case 6 if data:
                spot = rng.randrange(len(data))
                return data[:spot] + bytes((data[spot] ^ (1 << rng.randrange(8)),)) + data[spot + 1 :]
            case 7:
                return rng.randbytes(rng.randint(1, 300))
            case _:
                return data.replace(b"\r\n", rng.choice((b"\n", b"\r", b"", b"\r\n\r\n")), rng.randint(1, 4))


class FuzzServer:
    """Listens on ``port`` and spoils what its sessions say."""

    def __init__(self, protocol: str, seed: int) -> None:
        self.subject = SUBJECTS[protocol]
        self._session = PROTOCOLS[self.subject.protocol or protocol]
        self._random = random.Random(seed)
        self._spoiler = Spoiler(self._random, self.subject.words)
        self.port = free_port()
        self._open: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> FuzzServer:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self._datagrams: asyncio.DatagramTransport | None = None
        if self.subject.udp:
            outer = self

            class Protocol(asyncio.DatagramProtocol):
                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    outer._datagrams = cast(asyncio.DatagramTransport, transport)

                def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
                    if outer._datagrams is not None:
                        outer._datagrams.sendto(outer._maybe(Dns.datagram(data))[:60_000], address)

            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if self._datagrams is not None:
            self._datagrams.close()
        # Whoever was still in the queue of connections is accepted in the loop's next turns, and then ended too.
        for _ in range(5):
            await asyncio.sleep(0.005)
            writers = list(self._writers)
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            for writer in writers:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    def _maybe(self, good: bytes) -> bytes:
        return self._spoiler.spoil(good) if self._random.random() < 0.4 else good

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        self._writers.add(writer)

        def ended(_: asyncio.Task[None]) -> None:
            self._open.discard(task)
            self._writers.discard(writer)
            # Also where the task was cancelled before it began.
            writer.transport.abort()

        task.add_done_callback(ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.LimitOverrunError, asyncio.CancelledError):
            await self._talk(reader, writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, rng = self._session(), self._random
        if greeting := session.greeting():
            await self._say(writer, self._maybe(greeting))
        buffer = b""
        while not session.over:
            while not (length := session.frame(buffer)):
                piece = await reader.read(65_536)
                if not piece:
                    return
                buffer += piece
            request, buffer = buffer[:length], buffer[length:]
            await self._say(writer, self._maybe(session.answer(request)))
            if rng.random() < 0.05:
                return
        if rng.random() < 0.5:
            await reader.read()

    async def _say(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._random.random() < 0.3 and len(data) > 1:
            cut = self._random.randrange(1, len(data))
            writer.write(data[:cut])
            await writer.drain()
            await asyncio.sleep(0)
            data = data[cut:]
        writer.write(data)
        await writer.drain()


@contextlib.contextmanager
def _no_complaints() -> Iterator[list[str]]:
    """Collects what the runner logs: an exception inside of a probe is told there."""
    complaints: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(self.format(record))

    handler = Handler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("probes", "asyncio")]
    for one in loggers:
        one.addHandler(handler)
    try:
        yield complaints
    finally:
        for one in loggers:
            one.removeHandler(handler)


class Lag:
    """How long the loop stood still so far, ms: a machine busy with something else delays probes and deadlines."""

    def __init__(self) -> None:
        self.total = 0.0

    async def watch(self) -> None:
        """Count until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            self.total += max(0.0, (time.monotonic() - before) * 1000 - 5)


def _check(result: Result, subject: Subject, seed: str, lag_ms: float) -> None:
    assert isinstance(result.outcome, Outcome), seed
    # A machine that stood still proves nothing, and the runner says so.
    stalled = lag_ms > 100 and "process stood still" in result.detail
    assert stalled or result.outcome.fault != "monitor" or str(result.outcome) in subject.ours, (
        f"{seed}: {result.detail}"
    )
    late = result.duration_ms - TIMEOUT_S * 1000 - lag_ms
    assert late <= GRACE_MS, f"{seed}: {late:.0f} ms after the deadline: {result.detail}"
    kept = sum(len(line.text) for line in result.transcript)
    assert kept < TRANSCRIPT_BYTES * 2, f"{seed}: a transcript of {kept} characters"
    assert len(result.detail) < 4000, f"{seed}: a detail of {len(result.detail)} characters"
    assert "p-secret" not in str(result.transcript), f"{seed}: the password is in the transcript"


async def campaign(protocol: str, count: int, seed: int) -> collections.Counter[str]:
    """So many spoilt sessions; the outcomes that they had. AssertionError names the one that broke a rule."""
    subject = SUBJECTS[protocol]
    target_of = probes.load(subject.kind).Target.model_validate
    seen: collections.Counter[str] = collections.Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slots = asyncio.Semaphore(_AT_ONCE)
    lag = Lag()
    async with FuzzServer(protocol, seed) as server:
        watch = asyncio.create_task(lag.watch())
        target = target_of(subject.settings(server.port, free_port()))

        async def one(number: int) -> None:
            async with slots:
                lag_before = lag.total
                result = await run(
                    subject.kind,
                    target,
                    timeout_s=TIMEOUT_S,
                    probe_id=f"fuzz{number}",
                    now_ms=time.time_ns() // 1_000_000,
                )
            seen[str(result.outcome)] += 1
            # The lag is counted when the loop next comes round to it.
            await asyncio.sleep(0.006)
            _check(result, subject, f"{protocol} seed {seed} number {number}", lag.total - lag_before)

        with _no_complaints() as complaints:
            async with asyncio.TaskGroup() as group:
                for number in range(count):
                    group.create_task(one(number))
        watch.cancel()
        assert not complaints, complaints[:3]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < _MEMORY_MIB, f"{protocol}: memory grew by {grown:.0f} MiB"
    return seen


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if unknown := set(options.protocols) - set(SUBJECTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for protocol in options.protocols or SUBJECTS:
        began = time.monotonic()
        seen = asyncio.run(campaign(protocol, options.count, options.seed))
        took = time.monotonic() - began
        outcomes = ", ".join(f"{name} {number}" for name, number in seen.most_common())
        print(f"{protocol}: {options.count} in {took:.0f} s: {outcomes}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
