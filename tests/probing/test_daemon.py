"""The daemon: each slot an observation or a gap, each fault where it belongs, every record kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from monitor.config.load import Config, TargetConfig, load
from monitor.config.models import ReferenceSettings
from monitor.judgement.balance import balance, plan
from monitor.judgement.events import KINDS
from monitor.probing.adjtime import ClockState
from monitor.probing.daemon import Daemon
from monitor.probing.reference import Reference
from monitor.probing.slots import count_slots, offset_ms, slot_of
from monitor.store import Event, Gap, Row, open_store
from probes._outcome import Outcome, Result
from tests.fakes import FakeClock, settle

MINUTE = 60_000
SYNCHRONISED = ClockState(offset_s=0.0, estimated_error_s=0.0, max_error_s=0.1, synchronised=True)


class ClockTimer:
    """Wakes the daemon by the fake clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._poked = asyncio.Event()

    def start(self, tick: Callable[[], None], next_due: Callable[[], int | None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._turn(tick, next_due))

    async def _turn(self, tick: Callable[[], None], next_due: Callable[[], int | None]) -> None:
        while True:
            due = next_due()
            wait = 3600.0 if due is None else max(0.0, (due - self._clock.now_ms()) / 1000)
            self._poked.clear()
            sleeping = asyncio.ensure_future(self._clock.sleep(wait))
            poked = asyncio.ensure_future(self._poked.wait())
            await asyncio.wait({sleeping, poked}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            poked.cancel()
            tick()

    def poke(self) -> None:
        self._poked.set()

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class MemoryStore:
    """A writer and a reader over lists."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.gap_list: list[Gap] = []
        self.event_list: list[Event] = []

    def _done(self, value: Any = None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(value)
        return future

    def put_row(self, row: Row) -> asyncio.Future[None]:
        self.rows.append(row)
        return self._done()

    def put_gap(self, gap: Gap) -> asyncio.Future[None]:
        self.gap_list.append(gap)
        return self._done()

    def put_event(self, event: Event) -> asyncio.Future[Event]:
        assert event.kind in KINDS, event.kind
        self.event_list.append(event)
        return self._done(event)

    def events(self, *, kinds: Sequence[str]) -> list[Event]:
        return [event for event in self.event_list if event.kind in kinds]

    def gaps(self, start: int, end: int, *, targets: Sequence[str], location: str) -> list[Gap]:
        return [gap for gap in self.gap_list if gap.target in targets and gap.start < end and gap.end > start]

    def observations(self, start: int, end: int, *, targets: Sequence[str], location: str) -> list[Row]:
        return sorted((r for r in self.rows if r.target in targets and start <= r.at < end), key=lambda r: r.at)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.event_list]


class Silent:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.late: list[float] = []

    def started(self, late_s: float) -> None:
        self.late.append(late_s)

    def missed(self, gap: Gap) -> None:
        pass


class World:
    """A daemon with everything around it faked but the loop."""

    def __init__(self, config: Config, store: MemoryStore | None = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.store = store or MemoryStore()
        self.config = config
        self.outcome: Callable[[str], Outcome] = lambda _: Outcome.OK
        self.takes: Callable[[str], float] = lambda _: 0.01
        self.host_answers = True
        self.synchronised = SYNCHRONISED
        self.observer = Silent()
        self.asked: list[dict[str, Any]] = []
        self.daemon = self.make()

    def make(self, first_look: bool = False) -> Daemon:
        reference = Reference(self.config.reference_hosts, self.config.reference, self.clock, self.ask)
        self.timer = ClockTimer(self.clock)
        return Daemon(
            self.config,
            reader=self.store,  # type: ignore[arg-type]
            writer=self.store,  # type: ignore[arg-type]
            clock=self.clock,
            timer=self.timer,
            reference=reference,
            observer=self.observer,
            run=self.run,
            read_clock=lambda: self.synchronised,
            first_look=first_look,
        )

    async def ask(self, host: str, port: int, timeout_s: float) -> str:
        await self.clock.sleep(0.005 if self.host_answers else timeout_s)
        return "" if self.host_answers else "no answer"

    async def run(self, kind: str, target: Any, **given: Any) -> Result:
        self.asked.append(given)
        name = target.send
        started = self.clock.monotonic()
        await self.clock.sleep(self.takes(name))
        outcome = self.outcome(name)
        took = round((self.clock.monotonic() - started) * 1000)
        detail = "" if outcome is Outcome.OK else "as the test says"
        return Result(outcome=outcome, detail=detail, duration_ms=took, probe_id=given["probe_id"])

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    def balance(self, name: str, start: int, end: int, interval: int = MINUTE) -> tuple[int, int, int]:
        """Slots of the grid in the span, scheduled observations, slots in gaps."""
        offset = offset_ms(name, interval)
        rows = [r for r in self.store.rows if r.target == name and r.scheduled]
        filled = [slot_of(r.at, interval, offset) for r in rows]
        assert len(filled) == len(set(filled)), "a slot was filled twice"
        seen = sum(start <= slot < end for slot in filled)
        missed = 0
        for gap in self.store.gap_list:
            if gap.target == name and gap.slots:
                assert gap.slots == count_slots(gap.start, gap.end, interval, offset)
                missed += count_slots(max(start, gap.start), min(end, gap.end), interval, offset)
        return count_slots(start, end, interval, offset), seen, missed

    def balanced(self, name: str, start: int, end: int, interval: int = MINUTE) -> bool:
        slots, seen, missed = self.balance(name, start, end, interval)
        return slots == seen + missed


def configured(folder: Path, names: Sequence[str] = ("a", "b"), more: str = "", each: str = "interval: 60s") -> Config:
    targets = "".join(
        f"  - {{name: {name}, {each}, tcp: {{host: 127.0.0.1, port: 9, send: {name}}}}}\n" for name in names
    )
    (folder / "m.yaml").write_text(f"{more}\ntargets:\n{targets}")
    return load(folder / "m.yaml", environment={})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(configured(tmp_path))


async def begun(world: World) -> World:
    """Start, with the executor's answer awaited."""
    await world.daemon.start()
    await settle()
    return world


async def test_every_slot_is_an_observation(world: World) -> None:
    """Ten quiet minutes: as many observations as slots, each at its slot, and start recorded."""
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(600)
    for name in ("a", "b"):
        assert world.balance(name, start, world.clock.now_ms()) == (10, 10, 0)
    assert {row.at - slot_of(row.at, MINUTE, offset_ms(row.target, MINUTE)) for row in world.store.rows} == {0}
    assert world.store.kinds()[:2] == ["start", "config"]
    assert {row.outcome for row in world.store.rows} == {"ok"}
    await world.daemon.stop("test")
    assert world.store.kinds()[-1] == "stop"


async def test_the_first_probes_go_out_soon(tmp_path: Path) -> None:
    """Within twenty seconds of a start every new target was asked, in the slot that had begun before it came."""
    world = World(configured(tmp_path, [f"t{n}" for n in range(20)], each="interval: 1h"))
    world.daemon = world.make(first_look=True)
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(20)
    assert {row.target for row in world.store.rows} == {f"t{n}" for n in range(20)}
    assert all(row.scheduled for row in world.store.rows)
    config = world.store.events(kinds=["config"])[-1]
    since = {name: known["since"] for name, known in config.data["targets"].items()}
    assert sum(at < start for at in since.values()) > 15
    await world.pass_time(3_600)
    for name, at in since.items():
        assert world.balanced(name, at, world.clock.now_ms(), 3_600_000)
    await world.daemon.stop("test")


async def test_a_failure_is_followed_until_it_is_good(world: World) -> None:
    """After a failure extra probes follow, marked as such; the outage ends with the first good one."""
    await begun(world)
    world.outcome = lambda name: Outcome.REFUSED if name == "a" and 100 < passed() < 130 else Outcome.OK
    t0 = world.clock.monotonic()

    def passed() -> float:
        return world.clock.monotonic() - t0

    await world.pass_time(300)
    rows = [row for row in world.store.rows if row.target == "a"]
    extra = [row for row in rows if not row.scheduled]
    assert extra
    assert extra[-1].outcome == "ok"
    failing = [row for row in rows if row.outcome == "refused"]
    gaps = [b.at - a.at for a, b in pairwise(rows) if a.outcome == "refused"]
    assert max(gaps) <= 5_100
    assert failing
    assert all(row.evidence for row in failing)
    assert world.balanced("a", rows[0].at, world.clock.now_ms())
    await world.daemon.stop("test")


async def test_failures_that_are_ours_to_mend_are_not_followed(world: World) -> None:
    """A wrong password or a rate limit is not asked about every five seconds."""
    await begun(world)
    world.outcome = lambda name: Outcome.THROTTLED if name == "a" else Outcome.REJECTED
    await world.pass_time(300)
    assert all(row.scheduled for row in world.store.rows)
    await world.daemon.stop("test")


async def test_a_failure_while_the_reference_hosts_fail_is_ours(tmp_path: Path) -> None:
    """Offline is the outcome while no reference host answers, also for a probe whose end sees the line return."""
    world = World(configured(tmp_path, more='reference_hosts: ["192.0.2.1:443"]'))
    await begun(world)
    await world.pass_time(90)
    world.host_answers = False
    world.outcome = lambda _: Outcome.CONNECT_TIMEOUT
    world.takes = lambda _: 9.0
    await world.pass_time(180)
    world.host_answers = True
    world.outcome = lambda _: Outcome.OK
    await world.pass_time(120)
    outcomes = {row.outcome for row in world.store.rows}
    assert outcomes == {"ok", "offline"}
    offline = next(row for row in world.store.rows if row.outcome == "offline")
    assert "none of the 1 reference hosts answered" in offline.detail
    assert "connect_timeout" in offline.detail
    kinds = world.store.kinds()
    assert kinds.index("offline") < kinds.index("online")
    for name in ("a", "b"):
        assert world.balanced(name, world.store.rows[0].at, world.clock.now_ms() - 10_000)
    await world.daemon.stop("test")


async def test_a_reference_host_that_cannot_be_asked_is_silent(tmp_path: Path) -> None:
    """A name that no resolver takes raises no OSError: what fails is judged and recorded all the same."""
    long = "ü" * 60  # which is longer than 63 as a resolver is asked for it
    world = World(configured(tmp_path, more=f'reference_hosts: ["{long}.example:443", "192.0.2.1:443"]'))

    async def ask(host: str, _port: int, _timeout_s: float) -> str:
        return "" if host == "192.0.2.1" else f"{host.encode('idna')!r}"

    world.ask = ask  # type: ignore[method-assign]
    world.daemon = world.make()
    await begun(world)
    world.outcome = lambda _: Outcome.REFUSED
    await world.pass_time(61)
    assert "refused" in {row.outcome for row in world.store.rows}
    assert {gap.reason for gap in world.store.gap_list} == set()
    await world.daemon.stop("test")


async def test_a_failure_while_a_reference_host_answers_is_the_providers(tmp_path: Path) -> None:
    """Online, a refusal is a refusal, and what the hosts said is kept with it."""
    from monitor.probing.rows import unpack

    world = World(configured(tmp_path, more='reference_hosts: ["192.0.2.1:443"]'))
    await begun(world)
    world.outcome = lambda _: Outcome.REFUSED
    await world.pass_time(61)
    refused = [row for row in world.store.rows if row.outcome == "refused"]
    assert refused
    assert refused[0].evidence is not None
    assert unpack(refused[0].evidence)["reference_hosts"] == {"192.0.2.1:443": "answered"}
    await world.daemon.stop("test")


@pytest.mark.parametrize("seconds", [600, -600])
async def test_a_clock_that_is_set_leaves_a_gap(world: World, seconds: int) -> None:
    """Ten minutes forward or back: recorded, accounted for, no slot twice, nothing out of order."""
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(300)
    world.clock.step(seconds)
    await world.pass_time(1_500)
    step = next(event for event in world.store.event_list if event.kind == "clock_step")
    assert step.data["ms"] == 600_000
    reason = "clock_stepped_forward" if seconds > 0 else "clock_stepped_back"
    assert {gap.reason for gap in world.store.gap_list} == {reason}
    assert {gap.target for gap in world.store.gap_list} == {"a", "b"}
    for name in ("a", "b"):
        assert world.balanced(name, start, world.clock.now_ms())
        instants = [row.at for row in world.store.rows if row.target == name]
        assert instants == sorted(set(instants))
    assert {row.outcome for row in world.store.rows} == {"ok"}
    await world.daemon.stop("test")


async def test_a_loop_that_stands_still_leaves_a_gap(world: World) -> None:
    """Five minutes without the loop: the slots are missed by us, not failed by anybody."""
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(130)
    world.clock.tick(300)
    await world.pass_time(120)
    assert {gap.reason for gap in world.store.gap_list} == {"loop_stalled"}
    assert "stall" in world.store.kinds()
    assert {row.outcome for row in world.store.rows} == {"ok"}
    for name in ("a", "b"):
        slots, seen, missed = world.balance(name, start, world.clock.now_ms())
        assert slots == seen + missed
        assert missed in (4, 5)
    await world.daemon.stop("test")


@pytest.mark.parametrize("seconds", [600, -600])
async def test_a_clock_set_as_a_probe_begins_leaves_a_gap(world: World, seconds: int) -> None:
    """Between the slot's turn and the probe's first step: no observation may stand in another slot than its own."""
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(130)
    entry = min(world.daemon.ledger.entries.values(), key=lambda one: one.next_slot)
    await world.pass_time((entry.next_slot - world.clock.now_ms()) / 1000 - 0.1)
    slot = entry.next_slot
    world.clock.tick(0.1)
    world.daemon.tick()
    assert entry.running_slot == slot
    world.clock.step(seconds)
    await world.pass_time(0.01)
    assert (slot, 1) in {(gap.start, gap.slots) for gap in world.store.gap_list if gap.target == entry.name}
    world.clock.step(-seconds if seconds < 0 else 0)
    await world.pass_time(180)
    for name in ("a", "b"):
        assert world.balanced(name, start, world.clock.now_ms()), name
    await world.daemon.stop("test")


async def test_a_suspended_machine_leaves_a_gap(world: World) -> None:
    """A closed lid is told apart from a stalled loop."""
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(130)
    world.clock.suspend(3_600)
    await world.pass_time(120)
    assert {gap.reason for gap in world.store.gap_list} == {"suspended"}
    assert "suspend" in world.store.kinds()
    for name in ("a", "b"):
        assert world.balanced(name, start, world.clock.now_ms())
    await world.daemon.stop("test")


async def test_a_probe_that_does_not_come_back_is_given_up(world: World) -> None:
    """A hanging probe costs its own slot, with the reason, and not those after it."""
    world.takes = lambda name: 10_000.0 if name == "a" and len(world.asked) < 4 else 0.01
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(600)
    assert world.balanced("a", start, world.clock.now_ms())
    gaps = [gap for gap in world.store.gap_list if gap.target == "a"]
    assert gaps
    assert {gap.reason for gap in gaps} == {"overrun"}
    assert not [gap for gap in world.store.gap_list if gap.target == "b"]
    await world.daemon.stop("test")


async def test_an_exception_on_the_way_leaves_a_gap(world: World) -> None:
    """Even a fault between probe and store does not lose the slot in silence."""
    await begun(world)
    start = world.clock.now_ms()
    put_row = world.store.put_row

    def broken(row: Row) -> asyncio.Future[None]:
        if row.target == "a" and len(world.store.rows) < 4:
            raise RuntimeError("broken")
        return put_row(row)

    world.store.put_row = broken  # type: ignore[method-assign]
    await world.pass_time(600)
    assert world.balanced("a", start, world.clock.now_ms())
    assert "internal" in {gap.reason for gap in world.store.gap_list}
    await world.daemon.stop("test")


async def test_slots_that_come_while_the_end_waits_are_accounted_for(tmp_path: Path) -> None:
    """The end lets running probes end for a moment, and other targets' slots come meanwhile."""
    world = World(configured(tmp_path, names=("a", "b", "c", "d"), each="interval: 1s"))
    start = world.clock.now_ms()
    await begun(world)
    world.takes = lambda _: 0.85
    await world.pass_time(5)
    stopping = asyncio.ensure_future(world.daemon.stop("SIGTERM", grace_s=30))
    await asyncio.sleep(0)
    await world.pass_time(0.9)
    await stopping
    (stop,) = [event for event in world.store.event_list if event.kind == "stop"]
    assert stop.at - start > 5_500
    for name in "abcd":
        assert world.balanced(name, start, stop.at, 1_000), name


async def test_the_end_accounts_for_what_it_breaks_off(world: World) -> None:
    """Stopping waits a moment for running probes; one that does not end leaves a gap."""
    world.takes = lambda name: 0.5 if name == "a" else 9.0
    await begun(world)
    start = world.clock.now_ms()
    first = max(entry.next_slot for entry in world.daemon.ledger.entries.values())
    await world.pass_time((first - start) / 1000 + 0.1)
    stopping = asyncio.ensure_future(world.daemon.stop("SIGTERM", grace_s=0.05))
    await asyncio.sleep(0.1)
    await stopping
    for name in ("a", "b"):
        assert world.balanced(name, start, world.clock.now_ms())
    assert {gap.reason for gap in world.store.gap_list} <= {"shutdown"}
    assert world.store.event_list[-1].data == {"reason": "SIGTERM"}


async def test_time_away_is_accounted_for_at_the_next_start(tmp_path: Path) -> None:
    """Killed without a word and started an hour later: one gap for each target, and the balance holds."""
    world = World(configured(tmp_path))
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(200)
    world.timer.stop()  # the process is gone; nothing more is written
    await world.daemon.stop("x", grace_s=0.01)
    world.store.event_list.pop()
    world.clock.tick(3_600)
    after = World(world.config, world.store, world.clock)
    await begun(after)
    await after.pass_time(200)
    for name in ("a", "b"):
        assert after.balanced(name, start, after.clock.now_ms())
    away = [gap for gap in after.store.gap_list if gap.reason == "not_running"]
    assert [gap.target for gap in away] == ["a", "b"]
    assert {gap.slots for gap in away} <= {59, 60, 61}
    assert after.store.kinds().count("config") == 1, "the same configuration is recorded once"
    await after.daemon.stop("test")


async def test_a_new_target_has_no_past(tmp_path: Path) -> None:
    """A target that is seen for the first time has missed nothing; one that went has, until it was taken out."""
    world = World(configured(tmp_path, ("a",)))
    await begun(world)
    await world.pass_time(120)
    await world.daemon.stop("test")
    world.clock.tick(600)
    start = world.clock.now_ms()
    after = World(configured(tmp_path, ("b",)), world.store, world.clock)
    await begun(after)
    await after.pass_time(120)
    assert {gap.target for gap in after.store.gap_list if gap.reason == "not_running"} == {"a"}
    assert after.balance("b", start, after.clock.now_ms()) == (2, 2, 0)
    await after.daemon.stop("test")


async def test_a_reload_keeps_the_slots_of_those_that_stay(tmp_path: Path) -> None:
    """Targets come and go, an interval changes, and each balances on the grid that was in force."""
    world = World(configured(tmp_path, ("a", "b")))
    await begun(world)
    start = world.clock.now_ms()
    await world.pass_time(130)
    changed = configured(tmp_path, ("a", "c"))
    faster = replace(changed.targets[0], interval_ms=10_000, timeout_ms=9_000)
    world.daemon.apply(replace(changed, targets=(faster, changed.targets[1])))
    middle = world.clock.now_ms()
    await world.pass_time(130)
    assert world.store.kinds().count("config") == 2
    assert "reload" in world.store.kinds()
    early = [row for row in world.store.rows if row.at < middle]
    late = [row for row in world.store.rows if row.at >= middle]
    assert {row.target for row in late} == {"a", "c"}
    assert len([row for row in early if row.target == "a"]) == count_slots(
        start, middle, MINUTE, offset_ms("a", MINUTE)
    )
    assert len([row for row in late if row.target == "a"]) == 13
    assert world.balanced("c", middle, world.clock.now_ms())
    await world.daemon.stop("test")


@pytest.mark.parametrize("names", ["a", "abcdefgh"])
async def test_a_target_that_comes_back_fills_no_slot_twice(tmp_path: Path, names: str) -> None:
    """Taken out and put back within one interval: the slot that was filled already is not probed for again."""
    both, alone = configured(tmp_path, (*names, "z")), configured(tmp_path, ("z",))
    world = World(both)
    world.daemon = world.make(first_look=True)
    await begun(world)
    start = world.clock.now_ms()
    for _ in range(3):
        await world.pass_time(135)
        world.daemon.apply(alone)
        await world.pass_time(5)
        world.daemon.apply(both)
    await world.pass_time(135)
    configs = [event for event in world.store.event_list if event.kind == "config"]
    for name in names:
        offset = offset_ms(name, MINUTE)
        end = world.clock.now_ms()
        scheduled = [row.at for row in world.store.rows if row.target == name and row.scheduled]
        slots = [slot_of(at, MINUTE, offset) for at in scheduled]
        assert len(slots) == len(set(slots)), name
        gaps = [gap for gap in world.store.gap_list if gap.target == name]
        stretches = plan(configs, name, start, end)
        book = balance(stretches, scheduled, gaps, target=name, location="main")
        assert book.difference == 0, (name, book.sentence())
    await world.daemon.stop("test")


async def test_the_clocks_offset_is_recorded(world: World) -> None:
    """At the start, when the kernel changes its mind, and at the end for all readings since."""
    await begun(world)
    await world.pass_time(100)
    world.synchronised = replace(SYNCHRONISED, synchronised=False, offset_s=-0.25)
    await world.pass_time(100)
    await world.daemon.stop("test")
    kinds = [kind for kind in world.store.kinds() if kind in ("clock_offset", "stop")]
    assert kinds == ["clock_offset"] * 4 + ["stop"]
    read = [event.data for event in world.store.event_list if event.kind == "clock_offset"]
    assert [(data["synchronised"], data["offset_us"]) for data in read] == [(True, 0)] * 2 + [(False, -250_000)] * 2


async def test_a_clock_that_others_contradict_is_told_to_the_probes(world: World) -> None:
    """What providers say of the time counts more than whether the kernel holds itself to be synchronised."""
    await begun(world)
    world.synchronised = replace(SYNCHRONISED, synchronised=False)
    await world.pass_time(100)
    assert world.asked[-1]["clock_suspect"] is False, "that nobody disciplines it does not make it wrong"
    for provider in ("one", "two"):
        world.daemon.foreign_clocks.told(provider, 600_000, world.clock.monotonic())
    await world.pass_time(100)
    assert world.asked[-1]["clock_suspect"] is True
    await world.daemon.stop("test")


async def test_without_descriptors_nothing_is_asked_and_nobody_blamed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File descriptors used up: the outcome is local."""
    monkeypatch.setattr("monitor.probing.descriptors.exhausted", lambda: True)
    await begun(world)
    await world.pass_time(61)
    assert {row.outcome for row in world.store.rows} == {"local"}
    assert not world.asked
    await world.daemon.stop("test")


async def test_a_real_store_takes_it_all(tmp_path: Path) -> None:
    """The same over SQLite: killed, started again, balanced; the rows come back as they were."""
    clock = FakeClock()
    config = configured(tmp_path)
    store = open_store(tmp_path / "s.db", "main", clock, daemon=True)
    world = World(config, clock=clock)

    def make() -> Daemon:
        return Daemon(
            config,
            reader=store.reader,
            writer=store.writer,
            clock=clock,
            timer=ClockTimer(clock),
            reference=Reference((), ReferenceSettings(), clock),
            observer=world.observer,
            run=world.run,
            read_clock=lambda: SYNCHRONISED,
            first_look=False,
        )

    try:
        start = clock.now_ms()
        for pause in (600, 0):
            daemon = make()
            await daemon.start()
            await world.pass_time(300)
            await daemon.stop("test")
            clock.tick(pause)
        end = clock.now_ms()
        for name in ("a", "b"):
            rows = store.reader.rows(start, end, targets=[name])
            missed = sum(gap.slots for gap in store.reader.gaps(start, end, targets=[name]))
            assert len(rows) + missed == count_slots(start, end, MINUTE, offset_ms(name, MINUTE))
            assert missed in (9, 10, 11)
    finally:
        store.close()


def test_a_target_without_a_service_stands_for_itself() -> None:
    """What is watched for its own sake is its own service and its own provider."""
    from probes.tcp import Target

    alone = TargetConfig(name="a", kind="tcp", probe=Target(host="h", port=1))
    assert alone.provider == "a"
    assert alone.spec.service == "a"
    assert replace(alone, contract="m", service="s").provider == "m"
