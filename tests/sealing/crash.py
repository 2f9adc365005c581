"""Sealing, proving and rotating while being killed: ``python -m tests.sealing.crash [KILLS]`` (make crash-seal).

The child seals day after day, proves now and then, rotates the key now and then, and says what it was told is done.
The parent kills it at random instants, starts it again, and at the end compares what was said with what stands.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from monitor.keys import interrupted, load_keys, new_key, rotate_key
from monitor.proof.note import open_note
from monitor.proof.verify import Known, verify
from monitor.proving.prover import CannotProve, Made, Prover, Wanted
from monitor.proving.recount import recount
from monitor.proving.workshop import write_whole
from monitor.sandbox.history import DAY, Watched
from monitor.sealing.sealer import Sealer
from monitor.statement.sign import own_identity
from monitor.store.ledger import LedgerEntry
from tests.fakes import FakeClock
from tests.proving.month import START, fill, new_store

ROOT = Path(__file__).parents[2]
TARGETS = (
    Watched("mail-api", "http", 3_600_000, "example", "api"),
    Watched("relay", "smtp", 3_600_000, "example", "smtp"),
)
DAYS = 28
WANTED = Wanted(contract="example", period="2026-10")


@dataclass
class Outcome:
    """What a campaign found."""

    kills: int = 0
    seals: int = 0
    proofs: int = 0
    rotations: int = 0
    wrong: list[str] = field(default_factory=list)


async def prepare(folder: Path) -> None:
    """Four weeks of history, nothing sealed."""
    clock = FakeClock(START)
    store = new_store(folder, clock)
    await fill(store, clock, start=START, end=START + DAYS * DAY, targets=TARGETS)
    store.close()
    new_key(folder / "slaproof.key", "example.org/slaproof")


async def child(folder: Path, seed: int) -> None:
    """Seals what is left, one day at a time; says each thing when it is done."""
    dice = random.Random(seed)
    path = folder / "slaproof.key"
    clock = FakeClock(START + DAYS * DAY)
    store = new_store(folder, clock)
    clock.set_ms(START)
    sealer = Sealer(store, clock, lambda: load_keys(path), seal_after_ms=0, heartbeat_ms=0)
    while True:
        last = store.ledger.last()
        done = 0 if last is None else last.index + 1
        if done >= DAYS:
            print("over", flush=True)
            return
        clock.set_ms(START + (done + 1) * DAY + 300_000)
        for one in await sealer.step():
            if isinstance(one, LedgerEntry):
                print("seal", one.index, hashlib.sha256(one.note.encode()).hexdigest(), flush=True)
        if dice.random() < 0.2 or interrupted(path) is not None:
            keys = rotate_key(path, clock.now_ms())
            print("key", keys.signer.key.id.hex(), flush=True)
        if dice.random() < 0.2:
            keys = load_keys(path)
            prover = Prover(store, keys, own_identity(b"s" * 32, "E", START), await store.ledger.secret(b"n" * 32))
            made = await asyncio.to_thread(prover.prove, WANTED, clock.now_ms())
            if isinstance(made, Made):
                write_whole(folder / "proof.pdf", made.pdf)
                print("proof", done, flush=True)


def campaign(kills: int, *, seed: int = 1) -> Outcome:
    """Kills so often, on fresh folders as they get full."""
    found, dice = Outcome(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="slaproof-crash-") as name:
        fresh = Path(name) / "fresh"
        fresh.mkdir()
        asyncio.run(prepare(fresh))
        number = 0
        while found.kills < kills:
            number += 1
            folder = Path(name) / str(number)
            shutil.copytree(fresh, folder)
            said: dict[int, str] = {}
            while _run(folder, dice, said, found, kills):
                pass
            _judge(folder, said, found)
    return found


def _run(folder: Path, dice: random.Random, said: dict[int, str], found: Outcome, kills: int) -> bool:
    """One child, killed or not; False when everything is sealed, or enough were killed."""
    command = [sys.executable, "-m", "tests.sealing.crash", "--child", str(folder), str(dice.randrange(1 << 30))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    lines: list[str] = []
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        first = True
        end = time.monotonic() + 60
        text = b""
        while process.poll() is None and time.monotonic() < end:
            if waiting.select(timeout=max(0.0, min(1.0, end - time.monotonic()))):
                chunk = os.read(process.stdout.fileno(), 65_536)
                if not chunk:
                    break
                text += chunk
                if first and found.kills < kills:
                    # From its first word on it is at work: now it may die at any instant.
                    first, end = False, time.monotonic() + dice.random() * 0.4
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        found.kills += 1
    text += process.stdout.read() or b""
    process.stdout.close()
    code = process.wait()
    lines = [line for line in text.decode().split("\n")[:-1] if line]
    if code not in (0, -signal.SIGKILL):
        found.wrong.append(f"the child ended with {code}")
        return False
    for line in lines:
        what, *rest = line.split()
        found.seals += what == "seal"
        found.proofs += what == "proof"
        found.rotations += what == "key"
        if what == "seal":
            index, digest = int(rest[0]), rest[1]
            if said.setdefault(index, digest) != digest:
                found.wrong.append(f"entry {index} was sealed twice, differently")
    return "over" not in lines


def _judge(folder: Path, said: dict[int, str], found: Outcome) -> None:
    """What was said stands, the chain has no hole, its proof verifies."""
    clock = FakeClock(START + DAYS * DAY + 400_000)
    store = new_store(folder, clock)
    keys = load_keys(folder / "slaproof.key")
    entries = store.ledger.entries()
    if [one.index for one in entries] != list(range(len(entries))):
        found.wrong.append("the ledger has a hole")
    stands = {one.index: hashlib.sha256(one.note.encode()).hexdigest() for one in entries}
    found.wrong += [
        f"entry {index} is not what was said" for index, digest in said.items() if stands.get(index) != digest
    ]
    for one in entries:
        open_note(one.note, keys.ring.keys)
    prover = Prover(store, keys, own_identity(b"s" * 32, "E", START), asyncio.run(store.ledger.secret(b"n" * 32)))
    try:
        made = prover.prove(WANTED, clock.now_ms())
        data = made.pdf if isinstance(made, Made) else b""
        verdict = verify(data, Known(keys=(keys.signer.key,)), recount)
        if verdict.status != "VALID BUT":
            found.wrong += [f"{step.name}: {step.text}" for step in verdict.steps if step.state == "bad"]
    except CannotProve as error:
        found.wrong.append(str(error))
    if (folder / "proof.pdf").exists():
        verdict = verify((folder / "proof.pdf").read_bytes(), Known(keys=keys.ring.keys), recount)
        if verdict.status == "INVALID":
            found.wrong.append("a proof made between two deaths does not hold")
    store.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(child(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        began = time.monotonic()
        result = campaign(int(sys.argv[1]) if sys.argv[1:] else 100)
        print(
            f"{result.kills} kills: {result.seals} seals, {result.proofs} proofs, {result.rotations} rotations said "
            f"to be done; {len(result.wrong)} things wrong; {time.monotonic() - began:.0f} s"
        )
        for line in result.wrong:
            print("  wrong:", line)
        sys.exit(1 if result.wrong else 0)
