"""What happens by itself: each day is sealed, each month proved, kept and mailed once; rows may go."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.config.load import load
from monitor.keys import rotate_key
from monitor.proof.verify import Known, verify
from monitor.proving.prover import Made, Prover, Wanted
from monitor.proving.recount import recount
from monitor.proving.service import Rounds
from monitor.sandbox.history import DAY
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock
from tests.proving.month import CONTRACT, END, START, fill, mail_targets, new_store, settings
from tests.servers import eventually
from tests.servers.postfix import Postfix

TARGETS = mail_targets(900_000)
CONFIG = f"""{settings(900_000)}\
proof:
  name: example.org/slaproof
  customer: Example GmbH
  languages: [en, de]
"""


class World:
    """A daemon's context as far as proving looks at it."""

    def __init__(self, folder: Path, more: str = "") -> None:
        (folder / "monitor.yaml").write_text(CONFIG + more)
        (folder / "example.yaml").write_text(CONTRACT)
        self.clock = FakeClock(START - DAY)
        self.store: SqliteStore = new_store(folder, self.clock)
        config = load(folder / "monitor.yaml", environment={})
        self.context: Any = SimpleNamespace(config=config, clock=self.clock, store=self.store, on_reload=[])
        self.folder = folder

    def rounds(self) -> Rounds:
        return Rounds(self.context)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


async def test_a_month_is_proved_once_when_it_has_settled(world: World) -> None:
    """Not before its time; then in each language; a restart makes none again; the key is there from the start."""
    await fill(world.store, world.clock, start=START - DAY, end=END + 2 * DAY, targets=TARGETS)
    world.clock.set_ms(END + DAY)
    rounds = world.rounds()
    await rounds.once()
    assert (world.folder / "slaproof.key").stat().st_mode & 0o777 == 0o600
    assert world.store.ledger.size() == 32, "the day before, October, and not yet the day that has just ended"
    assert world.store.proofs.all() == []
    world.clock.set_ms(END + DAY + 2 * 3_600_000 + 600_000)
    await rounds.once()
    made = world.store.proofs.all()
    assert [(one.contract, one.period, one.revision, one.language) for one in made] == [
        ("example", "2026-10", 1, "de"),
        ("example", "2026-10", 1, "en"),
    ]
    for one in made:
        data = await asyncio.to_thread(Path(one.path).read_bytes)
        key = rounds.workshop.keys().signer.key
        assert verify(data, Known(keys=(key,)), recount).status == "VALID BUT"
    await world.rounds().once()
    assert len(world.store.proofs.all()) == 2
    kinds = [event.kind for event in world.store.reader.events(kinds=["proof", "key"])]
    assert kinds.count("proof") == 2
    assert kinds.count("key") == 1


async def test_a_rotation_is_recorded(world: World) -> None:
    """The daemon notices that the key is another one, and says so in an event that is sealed."""
    rounds = world.rounds()
    await rounds.once()
    rotate_key(world.folder / "slaproof.key", world.clock.now_ms())
    await rounds.once()
    events = world.store.reader.events(kinds=["key"])
    assert [event.data["keys"] for event in events] == [1, 2]
    assert events[0].data["key"] != events[1].data["key"]


async def test_a_statement_is_mailed_once(tmp_path: Path, mail: Postfix) -> None:
    """Through a real relay, one for each language, the file attached; a second round and a restart send nothing."""
    relay = f"{{host: 127.0.0.1, port: {mail.plain_port}, tls: none, from: slaproof@mail.example, to: sink@example}}"
    world = World(tmp_path, f"  mail: {relay}\n")
    before = len(mail.dovecot.mailbox("sink"))
    await fill(world.store, world.clock, start=START - DAY, end=END + 2 * DAY, targets=TARGETS)
    world.clock.set_ms(END + 2 * DAY)
    await world.rounds().once()
    await world.rounds().once()
    world.store.close()

    def both() -> list[bytes]:
        found = mail.dovecot.mailbox("sink")[before:]
        return found if len(found) == 2 else []

    arrived = await asyncio.to_thread(eventually, both)
    assert all(b"example-2026-10" in one and b"application/pdf" in one for one in arrived)
    assert len(mail.dovecot.mailbox("sink")) == before + 2


async def test_rows_go_only_when_sealed_and_exported(tmp_path: Path) -> None:
    """After `keep_rows`, days that stand in a kept statement; the month can be proved from the ledger all the same."""
    world = World(tmp_path, "  keep_rows: 20d\n")
    await fill(world.store, world.clock, start=START - DAY, end=END + 2 * DAY, targets=TARGETS)
    world.clock.set_ms(END + 2 * DAY)
    rounds = world.rounds()
    await rounds.once()
    await rounds.once()
    left = world.store.reader.counts(START, END)
    assert 0 < sum(left.values()) < 2 * 31 * 96
    assert world.store.reader.counts(START, START + 5 * DAY) == {}
    keys = rounds.workshop.keys()
    prover = Prover(world.store, keys, rounds.workshop.identity(keys), await world.store.ledger.secret(b"n" * 32))
    world.clock.set_ms(END + 2 * DAY + 1000)
    made = await world.store.run(
        prover.prove, Wanted(contract="example", period="2026-10", language="en"), world.clock.now_ms()
    )
    data = made.pdf if isinstance(made, Made) else await asyncio.to_thread(Path(made.path).read_bytes)
    assert verify(data, Known(keys=(keys.signer.key,)), recount).status == "VALID BUT"
    world.store.close()
