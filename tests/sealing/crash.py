"""Sealing, proving and rotating while being killed: ``python -m tests.sealing.crash [KILLS]`` (make crash-seal).

The child seals day after day, proves now and then, rotates the key now and then, and says what it begins and what it
was told is done. The parent kills it in the middle of each of these, starts it again, and at the end compares what was
said with what stands.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitor.config.load import load
from monitor.keys import interrupted, new_key, rotate_key
from monitor.proof.note import open_note
from monitor.proof.verify import Known, verify
from monitor.proving import workshop
from monitor.proving.prover import Wanted
from monitor.proving.recount import recount
from monitor.proving.workshop import Workshop
from monitor.sandbox.history import DAY
from monitor.sealing.sealer import Sealer
from monitor.store.ledger import LedgerEntry
from tests.fakes import FakeClock
from tests.proving.month import CONTRACT, START, fill, mail_targets, new_store, settings

ROOT = Path(__file__).parents[2]
HOUR = 3_600_000
DAYS = 28
WANTED = Wanted(contract="example", period="2026-10")
AIMS = {"sealing": 0.3, "rotating": 0.03, "proving": 2.0, "writing": 0.3}
"""What a kill may be aimed at, by the child's word for it, and the most seconds from that word to the kill."""


@dataclass
class Outcome:
    """What a campaign found."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what they were aimed at."""
    done: Counter[str] = field(default_factory=Counter)
    """What was said to be done: seal, proof, key."""
    wrong: list[str] = field(default_factory=list)


async def prepare(folder: Path) -> None:
    """Four weeks of history, nothing sealed."""
    (folder / "monitor.yaml").write_text(settings(HOUR))
    (folder / "example.yaml").write_text(CONTRACT)
    clock = FakeClock(START)
    store = new_store(folder, clock)
    await fill(store, clock, start=START, end=START + DAYS * DAY, targets=mail_targets(HOUR))
    store.close()
    new_key(folder / "slaproof.key", "example.org/slaproof")


async def child(folder: Path, aim: str, run: int) -> None:
    """Seals what is left, one day at a time, and does first what it will be killed in."""
    dice = random.Random(run)
    path = folder / "slaproof.key"
    clock = FakeClock(START + DAYS * DAY)
    store = new_store(folder, clock)
    clock.set_ms(START)
    works = Workshop.of(load(folder / "monitor.yaml", environment={}))
    sealer = Sealer(store, clock, works.keys, seal_after_ms=0, heartbeat_ms=0)
    workshop.write_whole = _telling(workshop.write_whole)
    while True:
        last = store.ledger.last()
        done = 0 if last is None else last.index + 1
        if done >= DAYS:
            _say("over")
            return
        clock.set_ms(START + done * DAY + 300_000 + run * 1_000)  # time goes on from run to run
        if done and (aim in ("proving", "writing") or dice.random() < 0.1):
            _say("proving")
            record, made = await works.prove(store, clock, WANTED)
            if made is not None:
                _say("proof", record.revision, record.sha256)
        if aim == "rotating" or dice.random() < 0.2 or interrupted(path) is not None:
            _say("rotating")
            _say("key", rotate_key(path, clock.now_ms()).signer.key.id.hex())
        aim = ""
        clock.set_ms(START + (done + 1) * DAY + 300_000)
        _say("sealing")
        for one in await sealer.step():
            if isinstance(one, LedgerEntry):
                _say("seal", one.index, _digest(one))


def _say(*words: object) -> None:
    print(*words, flush=True)


def _digest(entry: LedgerEntry) -> str:
    return hashlib.sha256(entry.note.encode()).hexdigest()


def _telling(write: Callable[[Path, bytes], None]) -> Callable[[Path, bytes], None]:
    def told(path: Path, data: bytes) -> None:
        _say("writing")
        write(path, data)

    return told


def campaign(kills: int, *, seed: int = 1) -> Outcome:
    """Kills so often, on fresh folders as they get full."""
    found, dice = Outcome(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="slaproof-crash-") as name:
        fresh = Path(name) / "fresh"
        fresh.mkdir()
        asyncio.run(prepare(fresh))
        number = 0
        while found.kills.total() < kills:
            number += 1
            folder = Path(name) / str(number)
            shutil.copytree(fresh, folder)
            said: dict[tuple[str, int], str] = {}
            for run, aim in enumerate(itertools.cycle(AIMS), 1):
                if not _run(folder, aim if found.kills.total() < kills else "", run, dice, said, found):
                    break
            _judge(folder, said, found)
    return found


def _run(
    folder: Path, aim: str, run: int, dice: random.Random, said: dict[tuple[str, int], str], found: Outcome
) -> bool:
    """One child, killed in what is aimed at, or not; False when everything is sealed."""
    command = [sys.executable, "-m", "tests.sealing.crash", "--child", str(folder), aim, str(run)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        waits, end, text = bool(aim), time.monotonic() + 120, b""
        while process.poll() is None and (left := end - time.monotonic()) > 0:
            if waiting.select(timeout=left):
                chunk = os.read(process.stdout.fileno(), 65_536)
                if not chunk:
                    break
                text += chunk
                if waits and f"{aim}\n".encode() in text:
                    waits, end = False, time.monotonic() + dice.random() * AIMS[aim]
    if not waits and aim and process.poll() is None:
        process.send_signal(signal.SIGKILL)
        found.kills[aim] += 1
    text += process.stdout.read() or b""
    process.stdout.close()
    code = process.wait()
    if code not in (0, -signal.SIGKILL):
        found.wrong.append(f"the child ended with {code}")
        return False
    lines = text.decode().split("\n")[:-1]
    for what, *rest in (line.split() for line in lines):
        if what in ("seal", "proof", "key"):
            found.done[what] += 1
        if what in ("seal", "proof"):
            number, digest = int(rest[0]), rest[1]
            if said.setdefault((what, number), digest) != digest:
                found.wrong.append(f"{what} {number} was made twice, differently")
    return "over" not in lines


def _judge(folder: Path, said: dict[tuple[str, int], str], found: Outcome) -> None:
    """What was said stands, the chain has no hole, and every statement verifies: those made between deaths, one now."""
    clock = FakeClock(START + DAYS * DAY + HOUR)
    store = new_store(folder, clock)
    works = Workshop.of(load(folder / "monitor.yaml", environment={}))
    keys = works.keys()
    entries = store.ledger.entries()
    if [one.index for one in entries] != list(range(DAYS)):
        found.wrong.append("the ledger has a hole")
    for one in entries:
        open_note(one.note, keys.ring.keys)
    asyncio.run(works.prove(store, clock, WANTED))
    records = store.proofs.all()
    if [one.revision for one in records] != list(range(len(records), 0, -1)):
        found.wrong.append("a revision is missing")
    stands = {("seal", one.index): _digest(one) for one in entries}
    stands |= {("proof", one.revision): one.sha256 for one in records}
    found.wrong += [
        f"{key[0]} {key[1]} is not what was said" for key, digest in said.items() if stands.get(key) != digest
    ]
    for record in records:
        data = Path(record.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != record.sha256:
            found.wrong.append(f"the file of revision {record.revision} is not the one recorded")
        verdict = verify(data, Known(keys=keys.ring.keys), recount)
        if verdict.status != "VALID BUT":  # the days after the period's 28th are not sealed, and nothing is timestamped
            found.wrong += [f"revision {record.revision}: {step.text}" for step in verdict.steps if step.state == "bad"]
    store.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(child(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
    else:
        began = time.monotonic()
        result = campaign(int(sys.argv[1]) if sys.argv[1:] else 100)
        print(
            f"{result.kills.total()} kills:", ", ".join(f"{count} while {aim}" for aim, count in result.kills.items())
        )
        print("said to be done:", ", ".join(f"{count} {what}s" for what, count in sorted(result.done.items())))
        print(f"{len(result.wrong)} things wrong; {time.monotonic() - began:.0f} s")
        for line in result.wrong:
            print("  wrong:", line)
        sys.exit(1 if result.wrong else 0)
