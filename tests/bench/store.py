"""What the store costs: rows a second, CPU and bytes for a row, how long a row waits until it is durable.

python -m tests.bench.store [--rows 300000] [--targets 100]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from monitor.clock import SystemClock
from monitor.store import Row, derive_probe_id
from monitor.store.sqlite import SqliteStore, integrity

START = 1_790_812_800_000


def rows(count: int, targets: int) -> list[Row]:
    """Good probes of an HTTPS service with five phases, a target after another, each once a minute."""
    dice = random.Random(1)
    made = []
    for n in range(count):
        target = f"target-{n % targets}"
        at = START + n // targets * 60_000 + n % targets * (60_000 // targets) + dice.randrange(4)
        phases = {"resolve": 0.2, "connect": 9.0, "tls": 21.0, "first_byte": 30.0, "transfer": 0.4}
        made.append(
            Row(
                at=at,
                target=target,
                location="main",
                scheduled=True,
                outcome="ok",
                duration_ms=dice.randrange(20, 200),
                code=200,
                detail="200 OK",
                phases={name: ms * dice.uniform(0.5, 2) for name, ms in phases.items()},
                facts={"peer": "192.0.2.1:443", "tls_version": "TLSv1.3", "cert_not_after": 1_800_000_000},
                probe_id=derive_probe_id(target, "main", at),
            )
        )
    return made


async def measure(folder: Path, count: int, targets: int) -> None:
    """Print the figures."""
    store = SqliteStore.open(folder / "bench.db", "main", SystemClock(), daemon=True)
    made = rows(count, targets)
    started, cpu = time.perf_counter(), time.process_time()
    for n in range(0, count, 5_000):
        await asyncio.gather(*[store.writer.put_row(row) for row in made[n : n + 5_000]])
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"rows a second, in groups             {count / took:,.0f}")
    print(f"CPU for a row, all of it             {cpu / count * 1e6:.0f} µs")
    waits = []
    base = made[-1].at
    begin = time.perf_counter()
    cpu = time.process_time()
    pending: list[asyncio.Task[None]] = []

    async def one(row: Row) -> None:
        put = time.perf_counter()
        await store.writer.put_row(row)
        waits.append(time.perf_counter() - put)

    for n in range(1_000):
        delay = begin + n / 100 - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        row = Row(
            at=base + 100 + n,
            target=f"target-{n % targets}",
            location="main",
            scheduled=True,
            outcome="ok",
            duration_ms=9,
        )
        pending.append(asyncio.create_task(one(row)))
    await asyncio.gather(*pending)
    cpu = time.process_time() - cpu
    waits.sort()
    p50, p99, longest = (round(wait * 1e3) for wait in (statistics.median(waits), waits[989], waits[-1]))
    print(f"durable after, at 100 rows/s         p50 {p50} ms, p99 {p99} ms, longest {longest} ms")
    print(f"a commit at 100 rows/s               {store.writer.state.last_commit_s * 1e3:.1f} ms")
    started = time.perf_counter()
    seen = await store.run(store.reader.columns, 0, 1 << 62, targets=["target-1"])
    took = time.perf_counter() - started
    print(
        f"read one target as columns           {len(seen.series['target-1', 'main'].at):,} rows in {took * 1e3:.1f} ms"
    )
    started = time.perf_counter()
    store.backup(folder / "copy.db")
    print(f"backup                               {time.perf_counter() - started:.2f} s")
    store.close()
    assert integrity(folder / "copy.db") == []
    print(f"bytes on disk for a row              {(folder / 'bench.db').stat().st_size / count:.1f}")


def main() -> int:
    """Measure in a folder of its own."""
    parser = argparse.ArgumentParser(description="what the store costs")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--targets", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slaproof-bench-") as folder:
        asyncio.run(measure(Path(folder), options.rows, options.targets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
