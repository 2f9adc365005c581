"""What an SMTP probe costs in CPU, beside aiosmtplib alone: ``python -m tests.bench.smtp [--count 500]``.

Both connect, say EHLO and QUIT to the same server in another process, on uvloop, a fresh connection each time. The
probe also times its phases, keeps the transcript and holds the deadline. The best of several rounds is shown, since the
two share the machine with whatever else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
from collections.abc import Awaitable, Callable

import aiosmtplib
import uvloop

import probes
from probes._run import run
from tests.servers import answers, eventually, free_port

_ROUNDS = 8


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"220 mail.example ESMTP\r\n")
        while line := await reader.readline():
            if line.startswith(b"EHLO"):
                writer.write(b"250-mail.example\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n")
            else:
                writer.write(b"221 2.0.0 Bye\r\n")
                break
    except OSError:
        pass
    finally:
        writer.close()


def _server(port: int) -> None:
    async def forever() -> None:
        async with await asyncio.start_server(_serve, "127.0.0.1", port) as server:
            await server.serve_forever()

    uvloop.run(forever())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(port: int, count: int) -> dict[str, float]:
    """CPU in µs of one session, by name."""
    target = probes.load("smtp").Target.model_validate({"host": "127.0.0.1", "port": port, "tls": "none"})

    async def probe() -> None:
        result = await run(
            "smtp", target, timeout_s=10, probe_id="0123456789abcdef", now_ms=0, transcripts=False
        )  # fmt: skip
        assert result.outcome == "ok", result

    async def library() -> None:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, local_hostname="x.example", timeout=10, use_tls=False, start_tls=False
        )
        await client.connect()
        await client.ehlo()
        await client.quit()

    subjects: dict[str, Callable[[], Awaitable[None]]] = {"aiosmtplib": library, "probe": probe}
    best = dict.fromkeys(subjects, float("inf"))
    for _ in range(_ROUNDS):
        for name, session in subjects.items():
            for _ in range(20):
                await session()
            before = _cpu()
            for _ in range(count):
                await session()
            best[name] = min(best[name], (_cpu() - before) / count * 1e6)
    return best


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=_server, args=(port,), daemon=True)
    server.start()
    try:
        eventually(lambda: answers(port), within=30)
        figures = uvloop.run(measure(port, options.count))
    finally:
        server.terminate()
        server.join()
    for name, micros in figures.items():
        print(f"{name:<12} {micros:6.0f} µs of CPU a session")
    print(f"ratio        {figures['probe'] / figures['aiosmtplib']:6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
