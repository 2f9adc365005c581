"""``make bench ARGS=proof``: what the proof of a month costs: bytes, seconds and memory, for 1, 20 and 200 targets.

python -m tests.bench.proof [TARGETS ...] [--outages 12] [--services each|one] [--heartbeats HOURS]

Each target is asked once a minute through all of October. The history is generated and entered into a store, then
sealed day by day, proved and verified, each in a process of its own whose peak memory is told. With ``--services one``
all targets belong to one service that is down when all of them are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from monitor.keys import load_keys
from monitor.probing.rows import pack
from monitor.proof.container import read_container
from monitor.proof.pdf import bundle_of
from monitor.proof.verify import Known, verify
from monitor.proving.prover import Made, Prover, Wanted
from monitor.proving.recount import recount
from monitor.sandbox.history import DAY, HOUR, MINUTE, Story, Trouble, Watched, gaps, rows
from monitor.statement.sign import own_identity
from monitor.store import Event, Row
from tests.fakes import FakeClock
from tests.proving.month import END, START, config_data, new_keys, new_store, sealer

PHASES = ("enter", "seal", "prove", "verify")
WANTED = Wanted(contract="example", period="2026-10", customer="Example GmbH")


def targets(count: int) -> list[Watched]:
    """The targets: http, once a minute."""
    return [Watched(f"target-{n:03d}", "http", MINUTE, "example", f"service-{n:03d}") for n in range(count)]


def contract(count: int, services: str) -> str:
    """The contract's file."""
    if services == "one":
        own = "  mail: {target: 99.9%, down_when: all}\n"
    else:
        own = "".join(f"  service-{n:03d}: {{target: 99.9%}}\n" for n in range(count))
    return (
        f"name: example\ntitle: Example service level agreement\nservices:\n{own}"
        "availability: {confirm: 2}\nmaintenance: {scheduled: excluded, notice: 7d}\n"
        "credit: {blocks: {each: 30m, credit: 5%, after: 0.01%}}\nclaim: {after_outage: 30d}\n"
    )


def story(watched: list[Watched], outages: int, services: str, seed: int) -> Story:
    """Outages of half a minute to three, spread over the month; the monitor stands still once for a quarter hour."""
    dice = random.Random(seed)

    def troubles() -> tuple[Trouble, ...]:
        step = (END - START) // max(outages, 1)
        begun = [START + n * step + dice.randrange(step - 10 * MINUTE) for n in range(outages)]
        return tuple(
            Trouble(
                at, at + dice.randrange(MINUTE // 2, 3 * MINUTE), "server_error", 503, "HTTP 503 Service Unavailable"
            )
            for at in begun
        )

    shared = troubles()
    pause = (START + 12 * DAY + 7 * HOUR, START + 12 * DAY + 7 * HOUR + 15 * MINUTE, "not_running")
    own = {one.name: shared if services == "one" else troubles() for one in watched}
    return Story(troubles=own, pauses=(pause,))


def with_evidence(made: Iterator[Row]) -> Iterator[Row]:
    """A failed probe keeps its transcript, of which the ledger has the digest."""
    for row in made:
        if row.outcome == "ok":
            yield row
        else:
            yield replace(row, evidence=pack({"at": row.at, "target": row.target, "detail": row.detail}))


async def enter(folder: Path, options: Any) -> dict[str, Any]:
    """The month's history into a new store."""
    clock = FakeClock(START - DAY)
    store = new_store(folder, clock)
    watched = targets(options.count)
    if options.services == "one":
        watched = [one._replace(service="mail") for one in watched]
    data = config_data(watched)
    data["contracts"]["example"]["text"] = contract(options.count, options.services)
    await store.writer.put_event(Event(kind="config", at=START - DAY, data=data))
    told = story(watched, options.outages, options.services, 1)
    clock.set_ms(END + DAY)
    count = 0
    for one in watched:
        for row in with_evidence(rows(one, told, START - DAY, END + DAY, location="main", seed=1)):
            waiting = store.writer.put_row(row)
            count += 1
            if count % 5_000 == 0:
                await waiting
        await waiting
        for gap in gaps(one, told, START - DAY, END + DAY, location="main"):
            await store.writer.put_gap(gap)
    store.close()
    new_keys(folder)
    return {"observations": count}


async def seal(folder: Path, options: Any) -> dict[str, Any]:
    """The 31 days of the month and one on each side, with the heartbeats before each seal."""
    clock = FakeClock(START)
    store = new_store(folder, clock)
    keys = load_keys(folder / "slaproof.key")
    one = sealer(store, clock, keys)
    one = type(one)(store, clock, lambda: keys, seal_after_ms=180_000, heartbeat_ms=options.heartbeats * HOUR)
    step = min(options.heartbeats or 24, 24) * HOUR
    sealed = 0
    for at in range(START, END + DAY + 1, step):
        clock.set_ms(at + 300_000)
        sealed += len(await one.step())
    store.close()
    return {"sealed": sealed}


async def prove(folder: Path, _options: Any) -> dict[str, Any]:
    """The statement with its bundle."""
    clock = FakeClock(END + 2 * DAY)
    store = new_store(folder, clock)
    secret = await store.ledger.secret(b"n" * 32)
    identity = own_identity(b"s" * 32, "Example GmbH", START)
    prover = Prover(store, load_keys(folder / "slaproof.key"), identity, secret)
    made = await asyncio.to_thread(prover.prove, WANTED, clock.now_ms())
    assert isinstance(made, Made)
    store.close()
    (folder / "proof.pdf").write_bytes(made.pdf)
    return {"pdf": len(made.pdf), "bundle": len(made.bundle)}


async def check(folder: Path, _options: Any) -> dict[str, Any]:
    """The verdict of ``slaproof verify`` over the PDF."""
    keys = load_keys(folder / "slaproof.key")
    data = (folder / "proof.pdf").read_bytes()
    verdict = verify(data, Known(keys=(keys.signer.key,)), recount)
    assert not verdict.places(), verdict.places()
    return {"verdict": verdict.status}


WORK = {"enter": enter, "seal": seal, "prove": prove, "verify": check}


def work(phase: str, folder: Path, options: Any) -> None:
    """Does one phase in this process and prints what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = asyncio.run(WORK[phase](folder, options))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({**found, "s": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "mib": memory}))


def measure(count: int, options: Any) -> dict[str, Any]:
    """Every phase, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="slaproof-bench-") as name:
        found: dict[str, Any] = {"targets": count}
        for phase in PHASES:
            command = [
                sys.executable, "-m", "tests.bench.proof", str(count), "--phase", phase, "--folder", name,
                "--outages", str(options.outages), "--services", options.services,
                "--heartbeats", str(options.heartbeats),
            ]  # fmt: skip
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[phase] = json.loads(done.stdout)
        found["members"] = {
            member: len(data)
            for member, data in read_container(bundle_of((Path(name) / "proof.pdf").read_bytes())).members.items()
        }
        return found


def main() -> int:
    """Measure and print; the exit code says whether 20 targets are proved within 10 s and verified within 5."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.proof", description=__doc__)
    parser.add_argument("count", nargs="*", type=int, default=[1, 20, 200], metavar="TARGETS")
    parser.add_argument("--outages", type=int, default=12, help="of each service in the month (default 12)")
    parser.add_argument("--services", choices=["each", "one"], default="each")
    parser.add_argument("--heartbeats", type=int, default=0, metavar="HOURS", help="how often; 0: none (default)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    counts = options.count
    if options.phase:
        options.count = counts[0]
        work(options.phase, options.folder, options)
        return 0
    found = [measure(count, options) for count in counts]
    table = Table(title=f"A month, once a minute, {options.outages} outages of each service", title_justify="left")
    for name in ("", *(f"{one['targets']} targets" for one in found)):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("observations", *(f"{one['enter']['observations']:,}" for one in found))
    for phase in PHASES:
        table.add_row(f"{phase}, s (CPU)", *(f"{one[phase]['s']:.1f} ({one[phase]['cpu']:.1f})" for one in found))
        table.add_row(f"{phase}, peak MiB", *(f"{one[phase]['mib']:,}" for one in found))
    table.add_row("bundle, bytes", *(f"{one['prove']['bundle']:,}" for one in found))
    table.add_row("  a target", *(f"{one['prove']['bundle'] // one['targets']:,}" for one in found))
    rest = ("about.json", "inputs.json", "keys.json")
    for member in sorted({m for one in found for m in one["members"] if m[:5] != "rows/" and m not in rest}):
        table.add_row(f"  {member}", *(f"{one['members'].get(member, 0):,}" for one in found))
    table.add_row("PDF, bytes", *(f"{one['prove']['pdf']:,}" for one in found))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))
    # Seconds of the processor: what else the machine does says nothing of us.
    slow = [one for one in found if one["targets"] <= 20 and (one["prove"]["cpu"] >= 10 or one["verify"]["cpu"] >= 5)]
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
