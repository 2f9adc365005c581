"""The daemon: slot, probe, commit, publish.

1. Each slot ends as an observation or as an accounted gap; `monitor.probing.schedule` says which slots there are.
2. The clocks are looked at before every batch: no probe starts on a clock that was set without our noticing.
3. A probe's fault is judged with the reference hosts before it is recorded; what is ours is never the provider's.
4. Nothing is shown before it is durable: gauges and pages hear of a row from the store's commit.
5. Whatever a probe, a listener or a reload does, the beat goes on; the service manager's watchdog hears the beat alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from monitor.clock import Clock
from monitor.config.in_force import config_data, dated
from monitor.config.load import Config
from monitor.probing import adjtime, descriptors
from monitor.probing.clock_record import ClockRecord
from monitor.probing.foreign_clocks import ForeignClocks
from monitor.probing.purse import Purse
from monitor.probing.reference import Reference
from monitor.probing.resume import missed_while_away
from monitor.probing.rows import as_offline, row_of
from monitor.probing.schedule import Due, Entry, Guard, Ledger
from monitor.probing.timer import Timer
from monitor.sdnotify import Supervisor
from monitor.store import Event, Gap, Reader, StoreError, Writer, derive_probe_id
from monitor.version import version
from probes._outcome import Fault, Outcome, Result
from probes._run import run as run_probe

log = logging.getLogger(__name__)

BEAT_S = 0.5
CLOCK_READ_S = 30.0
ABANDON_S = 2.0
"""How long after its deadline a probe that does not come back is given up."""

Run = Callable[..., Awaitable[Result]]


class Observer(Protocol):
    """Hears what no row tells: how late a probe started, what was missed. `monitor.metrics.page` is one."""

    def started(self, late_s: float) -> None:
        """A scheduled probe started so many seconds after its slot."""

    def missed(self, gap: Gap) -> None:
        """Slots were missed."""


class Daemon:
    """Probes the targets of one configuration until it is stopped. Everything happens in one event loop."""

    def __init__(
        self,
        config: Config,
        *,
        reader: Reader,
        writer: Writer,
        clock: Clock,
        timer: Timer,
        reference: Reference,
        observer: Observer,
        supervisor: Supervisor | None = None,
        run: Run = run_probe,
        read_clock: Callable[[], adjtime.ClockState | None] = adjtime.read,
        first_look: bool = True,
    ) -> None:
        """With ``first_look`` every target is probed within 20 s of a start, if need be before its first slot."""
        self._config = config
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._timer = timer
        self.reference = reference
        self._observer = observer
        self._supervisor = supervisor
        self._run = run
        self._read_clock = read_clock
        self._first_look = first_look
        self.ledger = Ledger(config.location)
        self._purse = Purse(reader, writer)
        self._guard = Guard(clock.now_ms(), clock.monotonic(), clock.boottime(), BEAT_S)
        self._tasks: dict[asyncio.Task[None], tuple[Entry, int | None, float]] = {}
        self._beat_task: asyncio.Task[None] | None = None
        self._stopping = False
        self._online: bool | None = None
        self._others: set[asyncio.Task[Any]] = set()
        self.clock_state: adjtime.ClockState | None = None
        self.foreign_clocks = ForeignClocks()
        self._clock_suspect = False
        """What the foreign clocks said at the last beat: too much to ask for each probe."""
        self._clock_read_at = float("-inf")
        self._clock_record = ClockRecord()
        self.started_at = 0
        """When probing began, ms; 0 before."""
        self.beaten_at = clock.monotonic()
        """When the loop last beat, monotonic."""
        self.offline_since: int | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Account for the time since the last daemon, record that we are there, and begin."""
        loop = asyncio.get_running_loop()
        now = self._clock.now_ms()
        data = config_data(self._config)
        away, cursors, changed = await loop.run_in_executor(
            None, missed_while_away, self._reader, self._config, data, now
        )
        self._gaps(away)
        self._event("start", now, {"version": version(), "pid": os.getpid(), "config": self._config.hash})
        since: dict[str, int] = {}
        for target in self._config.targets:
            if target.name in cursors or not self._first_look:
                entry = self.ledger.add(target, max(now, cursors.get(target.name, now)))
            else:
                entry, since[target.name] = self.ledger.begin(target, now)
            if self._first_look and not entry.fresh:
                self.ledger.first_look(entry, now)
        if changed:
            self._event("config", now, dated(data, since))
        self._guard.look(self._clock.now_ms(), self._clock.monotonic(), self._clock.boottime())
        self._guard.beat(self._clock.boottime())
        self._beat_task = loop.create_task(self._beats())
        self._timer.start(self.tick, self.ledger.next_due)
        self.started_at = now
        log.info("started", extra={"targets": len(self._config.targets), "location": self._config.location})

    async def stop(self, reason: str, grace_s: float = 3.0) -> None:
        """Start nothing more, let running probes end for a moment, and account for those that do not."""
        self._stopping = True
        self._timer.stop()
        self._observe_clocks()
        self._account(self.ledger.collect(self._clock.now_ms()), start=False)
        waiting = [task for task, (_, slot, _) in self._tasks.items() if slot is not None]
        if waiting:
            await asyncio.wait(waiting, timeout=grace_s)
        for task, (entry, slot, _) in list(self._tasks.items()):
            task.cancel()
            if slot is not None:
                self._gap(entry.gap(slot, slot + entry.interval, "shutdown", "the probe was broken off by the end"))
        for other in (*self._tasks, *self._others, *([self._beat_task] if self._beat_task else [])):
            other.cancel()
        await asyncio.gather(
            *self._tasks, *self._others, *([self._beat_task] if self._beat_task else []), return_exceptions=True
        )
        self._clock_events(self._clock_record.rest())
        now = self._clock.now_ms()
        self._account(self.ledger.collect(now), start=False)  # what came while the running probes were waited for
        stopped = self._writer.put_event(Event(kind="stop", at=now, data={"reason": reason}))
        try:
            async with asyncio.timeout(grace_s):
                await stopped
        except (TimeoutError, StoreError) as error:
            log.warning("the end could not be recorded", extra={"why": str(error) or "the store does not answer"})
        log.info("stopped", extra={"reason": reason})

    def apply(self, config: Config) -> None:
        """Go over to another configuration: targets come, go and change; those that stay keep their slots."""
        self.tick()  # what was due under the old one is accounted for by the old one
        now = self._clock.now_ms()
        old = self._config
        self._config = config
        data = config_data(config)
        self._event("reload", now, {"config": config.hash})
        changed = data != config_data(old)
        since: dict[str, int] = {}
        wanted = {target.name: target for target in config.targets}
        for name in [name for name in self.ledger.entries if name not in wanted]:
            self._account_for(self.ledger.remove(name, now), now)
        for name, target in wanted.items():
            entry = self.ledger.entries.get(name)
            if entry is None:
                if self._first_look:
                    _, since[name] = self.ledger.begin(target, now)
                else:
                    self.ledger.add(target, now)
            elif entry.interval == target.interval_ms:
                entry.target = target
            else:
                self._account_for(self.ledger.remove(name, now), now)
                self.ledger.add(target, max(now, entry.last_at + 1))
        if changed:
            self._event("config", now, dated(data, since))
        if (config.reference_hosts, config.reference) != (old.reference_hosts, old.reference):
            self.reference = Reference(config.reference_hosts, config.reference, self._clock)
        self._timer.poke()
        log.info("reloaded", extra={"targets": len(wanted)})

    def _account_for(self, entry: Entry, now: int) -> None:
        """Slots of an entry that ends now and that nobody will fill any more."""
        if entry.next_slot < now:
            self._gap(entry.gap(entry.next_slot, now, "reload", "the target was changed before its slot was filled"))

    # -- the beat ----------------------------------------------------------------------------------------------------

    async def _beats(self) -> None:
        while True:
            await self._clock.sleep(BEAT_S)
            try:
                self._beat()
            except Exception:
                log.exception("the beat stumbled")

    def _beat(self) -> None:
        self._observe_clocks()
        self._guard.beat(self._clock.boottime())
        now = self.beaten_at = self._clock.monotonic()
        if self._supervisor is not None and self._supervisor.watchdog_seconds is not None:
            self._supervisor.alive()
        if self.reference.configured and self.reference.due_in_s <= 0:
            self._aside(self.reference.check())
        self._note_online()
        self._clock_suspect = self.foreign_clocks.suspect(now)
        if now - self._clock_read_at >= CLOCK_READ_S:
            self._clock_read_at = now
            self._note_clock(now)
        for task, (entry, slot, started) in list(self._tasks.items()):
            if now - started > entry.target.timeout_ms / 1000 + self._config.reference.timeout / 1000 + ABANDON_S:
                self._abandon(task, entry, slot)

    def _observe_clocks(self) -> None:
        """Look at the clocks; what happened to them is recorded, and the timer told."""
        found = self._guard.look(self._clock.now_ms(), self._clock.monotonic(), self._clock.boottime())
        for disturbance in found:
            log.warning(
                disturbance.reason,
                extra={"seconds": round(disturbance.seconds, 3), "targets": len(self.ledger.entries)},
            )
            self._gaps(self.ledger.disturb(disturbance))
            kind = {"loop_stalled": "stall", "suspended": "suspend"}.get(disturbance.reason, "clock_step")
            data = {"reason": disturbance.reason, "ms": round(disturbance.seconds * 1000)}
            data |= {"from": disturbance.start, "to": disturbance.end}
            self._event(kind, self._clock.now_ms(), data)
        if found and not self._stopping:
            self._timer.poke()

    def _note_online(self) -> None:
        """Record when this location goes offline and comes back."""
        online = self.reference.online
        if online == self._online or online is None:
            return
        before, self._online = self._online, online
        now = self._clock.now_ms()
        self.offline_since = None if online else now
        if before is None and online:
            return
        answer = self.reference.last
        hosts = answer.as_evidence() if answer is not None else {}
        log.log(logging.INFO if online else logging.ERROR, "online" if online else "offline", extra={"hosts": hosts})
        self._event("online" if online else "offline", now, {"hosts": hosts})

    def _note_clock(self, now: float) -> None:
        """Read the kernel's opinion of its clock."""
        self.clock_state = state = self._read_clock()
        if state is not None:
            self._clock_events(self._clock_record.read(state, now))

    def _clock_events(self, due: Sequence[dict[str, Any]]) -> None:
        for data in due:
            self._event("clock_offset", self._clock.now_ms(), data)

    # -- slots and probes ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Start everything that is due, and account for what was missed."""
        if self._stopping:
            return
        self._observe_clocks()
        self._account(self.ledger.collect(self._clock.now_ms()), start=True)

    def _account(self, due: Due, *, start: bool) -> None:
        if due.gaps:
            self._gaps(due.gaps)
        for entry, slot in due.slots:
            if start:
                self._begin(entry, slot)
            else:
                entry.running_slot = None
                self._gap(entry.gap(slot, slot + entry.interval, "shutdown", "the slot came as the end began"))
        if start:
            for entry in due.extras:
                self._begin(entry, None)

    def _begin(self, entry: Entry, slot: int | None) -> None:
        task = asyncio.get_running_loop().create_task(self._probe(entry, slot))
        started = self._clock.monotonic()
        self._tasks[task] = (entry, slot, started)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        entry, slot, _ = self._tasks.pop(task, (None, None, 0.0))
        if entry is not None:
            self._free(entry, slot)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a probe could not be recorded", exc_info=error)
            if entry is not None and slot is not None:
                self._gap(entry.gap(slot, slot + entry.interval, "internal", type(error).__name__))

    @staticmethod
    def _free(entry: Entry, slot: int | None) -> None:
        if slot is None:
            entry.running_extra = False
        elif entry.running_slot == slot:
            entry.running_slot = None

    def _abandon(self, task: asyncio.Task[None], entry: Entry, slot: int | None) -> None:
        """Give up a probe that does not come back, so that its target's next slot is not missed as well."""
        del self._tasks[task]
        self._free(entry, slot)
        task.cancel()
        log.error("a probe did not end at its deadline", extra={"target": entry.name})
        if slot is not None:
            self._gap(entry.gap(slot, slot + entry.interval, "overrun", "the probe did not end at its deadline"))

    def _lost_s(self) -> float:
        return self._guard.lost_s(self._clock.boottime())

    async def _probe(self, entry: Entry, slot: int | None) -> None:
        """One probe from its start to the store."""
        target, clock = entry.target, self._clock
        started = clock.monotonic()
        at = clock.now_ms()
        if at <= entry.last_at:  # an extra probe in the same millisecond: no two observations share an instant
            at = entry.last_at + 1
        if slot is not None and not slot <= at < slot + entry.interval:
            # The clock was set since the slot was handed out: an observation of now would fill another one.
            self._observe_clocks()
            reason = "clock_stepped_back" if at < slot else "clock_stepped_forward"
            self._gap(entry.gap(slot, slot + entry.interval, reason, "the clock was set as the probe began"))
            return
        entry.last_at = at
        if slot is not None and at - slot <= entry.grace:
            # The first probe of a new target fills a slot that had begun before it came: that is not lateness.
            self._observer.started((at - slot) / 1000)
        if target.probe.costs_money and not await self._purse.spend(entry.name, at, target.probe.daily_budget or 0):
            if slot is not None:
                self._gap(entry.gap(slot, slot + entry.interval, "budget", "the day's budget of this target is spent"))
            return
        if descriptors.exhausted():
            result = Result(
                outcome=Outcome.LOCAL,
                detail="this process has no file descriptors left: nothing was asked",
                advice="raise LimitNOFILE, or watch fewer targets at a time",
            )
        else:
            result = await self._run(
                target.kind,
                target.probe,
                timeout_s=target.timeout_ms / 1000,
                probe_id=derive_probe_id(entry.name, entry.location, at),
                now_ms=at,
                redactor=self._config.redactor,
                nameservers=self._config.nameservers,
                clock_suspect=self._clock_suspect,
                stalled_s=self._lost_s,
                transcripts=False,
            )
        if isinstance(offset := result.facts.get("clock_offset_ms"), int):
            self.foreign_clocks.told(target.provider, offset, started)
        hosts = None
        if result.outcome is not Outcome.OK and self.reference.configured:
            result, hosts = await self._with_reference(result, started)
        row = row_of(
            result, at=at, target=entry.name, location=entry.location, scheduled=slot is not None, online=hosts
        )
        # A death from here to the commit leaves the slot to the gap that the next start finds.
        self._keep(self._writer.put_row(row))
        if not entry.gone:
            self._follow(entry, result)

    async def _with_reference(self, result: Result, started: float) -> tuple[Result, dict[str, str]]:
        """The result as it reads with what the reference hosts say, and what they said."""
        offline = await self.reference.offline_during(started)
        self._note_online()
        if offline is not None and result.outcome is not Outcome.LOCAL:
            return as_offline(result, offline.as_evidence()), offline.as_evidence()
        last = self.reference.last
        return result, last.as_evidence() if last is not None else {}

    def _follow(self, entry: Entry, result: Result) -> None:
        """Whether a failure is followed by extra probes: not where asking more often would make it worse."""
        fault = result.outcome.fault
        if fault in (Fault.NONE, Fault.CUSTOMER) or entry.target.probe.costs_money:
            self.ledger.good(entry)
            return
        self.ledger.failed(entry, self._clock.now_ms())
        if entry.next_extra is not None:
            self._timer.poke()

    # -- records -------------------------------------------------------------------------------------------------------

    def _gap(self, gap: Gap) -> None:
        self._gaps([gap])

    def _gaps(self, gaps: Sequence[Gap]) -> None:
        """Account for missed slots; the log has one line for each reason."""
        told: dict[str, list[Gap]] = {}
        for gap in gaps:
            self._observer.missed(gap)
            self._keep(self._writer.put_gap(gap))
            if gap.slots:
                told.setdefault(gap.reason, []).append(gap)
        for reason, those in told.items():
            whom = those[0].target if len(those) == 1 else f"{len(those)} targets"
            slots = sum(gap.slots for gap in those)
            log.warning("missed", extra={"target": whom, "slots": slots, "reason": reason, "why": those[0].detail})

    def _event(self, kind: str, at: int, data: dict[str, Any]) -> None:
        self._keep(self._writer.put_event(Event(kind=kind, at=at, data=data)))

    def _keep(self, future: asyncio.Future[Any]) -> None:
        future.add_done_callback(_heed)

    def _aside(self, work: Awaitable[Any]) -> None:
        """Do something beside the probing."""
        task = asyncio.ensure_future(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    @property
    def running(self) -> int:
        """How many probes are under way."""
        return len(self._tasks)


def _heed(future: asyncio.Future[Any]) -> None:
    """A write that was given up: the store has said so in its state and accounts for it."""
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("a record was not kept", extra={"why": str(error)})
