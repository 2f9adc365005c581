"""``make crash``: a daemon under a hundred probes a second is killed with -9 at random instants, again and again.

python -m tests.store.crash [--rounds 200] [--seed 1] [--longest 2.0]

Afterwards: every observation whose write was acknowledged before a kill is there, as it was acknowledged; the database
is sound; and for each target the slots that were due are the observations made and the slots of accounted gaps. The
daemon is the real one; its probes are answered from memory. Each round forks from one process that has loaded
everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import select
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.clock import SystemClock
from monitor.config.load import Config, load
from monitor.judgement.balance import Balance, balance, plan
from monitor.probing.daemon import Daemon
from monitor.probing.reference import Reference
from monitor.probing.timer import SchedulerTimer
from monitor.store import Gap, Row
from monitor.store.sqlite import SqliteStore, copy, integrity
from probes._outcome import Line, Outcome, Result

TARGETS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a campaign found."""

    rounds: int
    acknowledged: int
    lost: list[str]
    damaged: list[str]
    unbalanced: list[Balance]
    expected: int
    observed: int
    missed: int

    @property
    def good(self) -> bool:
        """Nothing lost, nothing damaged, every hole accounted for."""
        return not self.lost and not self.damaged and not self.unbalanced


def configuration(folder: Path) -> Config:
    """A hundred targets, each once a second."""
    lines = ["location: main", "storage: crash.db", "reference_hosts: []", "targets:"]
    lines += [
        f"  - {{name: t{n:03d}, interval: 1s, timeout: 500ms, tcp: {{host: 127.0.0.1, port: 9}}}}"
        for n in range(TARGETS)
    ]
    path = folder / "monitor.yaml"
    path.write_text("\n".join(lines) + "\n")
    return load(path)


class Silent:
    """Hears and keeps nothing."""

    def started(self, late_s: float) -> None:
        """Nothing."""

    def missed(self, gap: Gap) -> None:
        """Nothing."""


class Acknowledging:
    """A writer that tells the other end of a pipe which rows it acknowledged, at the moment it does."""

    def __init__(self, writer: Any, pipe: int) -> None:
        self._writer = writer
        self._pipe = pipe

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def put_row(self, row: Row) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._writer.put_row(row)

        def tell(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and done.exception() is None:
                line = json.dumps([row.target, row.at, row.outcome, row.duration_ms, row.detail])
                os.write(self._pipe, line.encode() + b"\n")

        future.add_done_callback(tell)
        return future


async def answered(*_: Any, **__: Any) -> Result:
    """A probe answered from memory, now and then badly."""
    await asyncio.sleep(random.random() * 0.02)
    number = random.randrange(1000)
    if number < 30:
        said = tuple(Line(at_ms=n, mark="<", text=f"line {n} " + "x" * 40) for n in range(20))
        return Result(outcome=Outcome.SERVER_ERROR, detail=f"failed with {number}", duration_ms=number, transcript=said)
    return Result(outcome=Outcome.OK, detail="200 OK", duration_ms=number)


async def child(config: Config, pipe: int, stop_after: float | None) -> None:
    """One daemon; it runs until it is killed, or stops in good order after so many seconds."""
    random.seed(os.getpid())
    clock = SystemClock()
    store = SqliteStore.open(Path(config.storage), config.location, clock, daemon=True)
    daemon = Daemon(
        config,
        reader=store.reader,
        writer=Acknowledging(store.writer, pipe),  # type: ignore[arg-type]
        clock=clock,
        timer=SchedulerTimer(),
        reference=Reference((), config.reference, clock),
        observer=Silent(),
        run=answered,
    )
    await daemon.start()
    await asyncio.sleep(3600 if stop_after is None else stop_after)
    await daemon.stop("end of the campaign")
    store.close()


def one_round(config: Config, kill_after: float | None, *, running: bool = False) -> list[str]:
    """Fork a daemon and kill it after so long; the lines that it acknowledged.

    None: let it stop in good order after a moment. `running`: count from its first acknowledged observation.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            asyncio.run(child(config, writing, None if kill_after is not None else 1.5))
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    received = bytearray()
    end = time.monotonic() + (kill_after if kill_after is not None and not running else 60)
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([reading], [], [], left)
        if ready:
            data = os.read(reading, 1 << 16)
            if not data:
                break
            if running and not received and kill_after is not None:
                end = time.monotonic() + kill_after
            received += data
    if kill_after is not None:
        os.kill(pid, signal.SIGKILL)
    while data := os.read(reading, 1 << 16):
        received += data
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    expected = signal.SIGKILL if kill_after is not None else 0
    if (os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)) != expected:
        raise SystemExit(f"the daemon ended by itself: {status}")
    return received.decode().split("\n")[:-1]


def campaign(folder: Path, rounds: int, longest: float, seed: int, tell: Any = None) -> Verdict:
    """Kill `rounds` daemons, then let two stop in good order, and look at what is there."""
    dice = random.Random(seed)
    config = configuration(folder)
    acknowledged: dict[tuple[str, int], str] = {}
    for number in range(rounds):
        # a third of the kills fall into the start, where the store is made, migrated, opened and caught up
        running = dice.random() > 1 / 3
        for line in one_round(config, dice.random() * (longest if running else 0.3), running=running):
            target, at, *_ = json.loads(line)
            acknowledged[target, at] = line
        if tell is not None:
            tell(number + 1, len(acknowledged))
    for _ in range(2):  # the second accounts for what passed while the first stopped
        for line in one_round(config, None):
            target, at, *_ = json.loads(line)
            acknowledged[target, at] = line
    return judge(config, acknowledged, rounds)


def judge(config: Config, acknowledged: dict[tuple[str, int], str], rounds: int) -> Verdict:
    """The oracle."""
    path = Path(config.storage)
    with SqliteStore.open(path, config.location, SystemClock(), daemon=True) as store:
        kept = {
            (row.target, row.at): json.dumps([row.target, row.at, row.outcome, row.duration_ms, row.detail])
            for row in store.reader.rows(0, 1 << 62)
        }
        lost = [line for key, line in acknowledged.items() if kept.get(key) != line]
        configs = store.reader.events(kinds=["config"])
        started = store.reader.events(kinds=["start"])[-1].at  # all before the last start is accounted for
        balances = []
        for target in config.targets:
            seen = store.reader.observations(0, 1 << 62, targets=[target.name])
            balances.append(
                balance(
                    plan(configs, target.name, 0, started),
                    [one.at for one in seen if one.scheduled],
                    store.reader.gaps(0, 1 << 62, targets=[target.name]),
                    target=target.name,
                    location=config.location,
                )
            )
    return Verdict(
        rounds=rounds,
        acknowledged=len(acknowledged),
        lost=lost,
        damaged=integrity(path),
        unbalanced=[one for one in balances if one.difference],
        expected=sum(one.expected for one in balances),
        observed=sum(one.observed for one in balances),
        missed=sum(one.missed for one in balances),
    )


def main() -> int:
    """Run a campaign and print what it found."""
    parser = argparse.ArgumentParser(description="kill -9 at random instants, and nothing acknowledged may be lost")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--longest", type=float, default=2.0, help="seconds that a daemon may live")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep a copy of the database when something is wrong")
    options = parser.parse_args()
    logging.disable()  # what a daemon logs of its missed slots is no part of the answer

    def tell(number: int, acknowledged: int) -> None:
        if number % 20 == 0 or number == options.rounds:
            print(f"{number} kills, {acknowledged:,} observations acknowledged", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="slaproof-crash-") as folder:
        found = campaign(Path(folder), options.rounds, options.longest, options.seed, tell)
        if options.keep is not None and not found.good:
            copy(Path(folder) / "crash.db", options.keep)
    print(f"killed with -9                   {found.rounds}")
    print(f"observations acknowledged        {found.acknowledged:,}")
    print(f"of them lost or changed          {len(found.lost)}")
    print(f"PRAGMA integrity_check           {'; '.join(found.damaged) or 'ok'}")
    print(f"slots due                        {found.expected:,}")
    print(f"observations + slots in gaps     {found.observed:,} + {found.missed:,} = {found.observed + found.missed:,}")
    for one in found.unbalanced[:10]:
        print(f"does not balance: {one.target}: {one.sentence()}")
    for line in found.lost[:10]:
        print(f"lost: {line}")
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main())
