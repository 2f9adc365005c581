"""Which probe is due, which slot was missed and why, and when a failing target is asked again. Reads no clock.

1. A target's slots stand on the grid of `monitor.probing.slots`; each is handed out once, or becomes an accounted gap.
   The cursor only moves forward: whatever the wall clock does, no slot is filled twice, none passed over in silence.
2. A slot may be filled late, by half an interval or five seconds at the most. Later than that it was missed.
3. A slot that comes while the probe of the one before still runs was missed, by ``overrun``; or by what took the time
   between the two away, since a clock that was set forward leaves a good probe no time to end.
4. When the wall clock is set back, the slots of the repeated time are accounted for already: nothing is due until the
   clock has passed the last one, and the break is recorded as a gap of no slots.
5. Extra probes follow a failure; they give way to the slot, and a provider gets no more of them than its share.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from monitor.config.load import TargetConfig
from monitor.probing.slots import count_slots, first_slot, offset_ms
from monitor.store import Gap

MAX_LATE_MS = 5_000
GATHER = 8
"""So many slots are gathered for one start where there are many: more would be measured slower than they are."""
STEPS_MS = (200, 100, 40, 20)
"""What slots may be gathered into: to wake a process for one probe costs more than the probe. They divide a second, so
that a target's probes stay exactly one interval apart, and are multiples of the timer's width."""
FIRST_LOOK_MS = 20_000
"""Within so long of a start every target is probed, if need be by an extra probe before its first slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """Time that this process was not master of: between two looks at the clocks, in wall time."""

    start: int
    end: int
    """Half-open in wall time; for a clock set back, ``start`` is what it was set to and ``end`` what it had been."""
    reason: str
    """``loop_stalled``, ``suspended``, ``clock_stepped_forward`` or ``clock_stepped_back``."""
    seconds: float
    """How much was lost or stepped."""


class Entry:
    """A target as the schedule sees it."""

    __slots__ = (
        "failing_since", "fresh", "gone", "interval", "last_at", "location", "looked", "name", "next_extra",
        "next_slot", "offset", "running_extra", "running_slot", "target",
    )  # fmt: skip

    def __init__(self, target: TargetConfig, location: str, next_from: int) -> None:
        self.target = target
        self.name = target.name
        self.location = location
        self.interval = target.interval_ms
        self.offset = offset_ms(target.name, target.interval_ms)
        self.next_slot = first_slot(next_from, self.interval, self.offset)
        """The first slot that is not accounted for."""
        self.fresh = False
        """True until the first probe of a new target, which fills a slot that had begun before the target came."""
        self.running_slot: int | None = None
        """The slot whose probe runs now."""
        self.running_extra = False
        self.looked = True
        """False while a first look is to come, which is not counted against the provider's share."""
        self.failing_since: int | None = None
        """When the first failure of the present run was seen, ms; None while good."""
        self.next_extra: int | None = None
        self.last_at = 0
        """``at`` of the newest observation: no two may bear the same."""
        self.gone = False
        """Taken out of the schedule."""

    @property
    def grace(self) -> int:
        """How late a slot may still be filled, ms."""
        return min(self.interval // 2, MAX_LATE_MS)

    def gap(self, start: int, end: int, reason: str, detail: str = "") -> Gap:
        """The gap of this target's slots in [start, end)."""
        slots = count_slots(start, end, self.interval, self.offset)
        return Gap(
            target=self.name, location=self.location, start=start, end=end, slots=slots, reason=reason, detail=detail
        )


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now."""

    slots: list[tuple[Entry, int]]
    """Scheduled probes to start, with the slot that each fills."""
    extras: list[Entry]
    """Extra probes to start."""
    gaps: list[Gap]
    """Slots that were missed."""


class Ledger:
    """All targets' slots: hands out what is due and accounts for what was missed."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.entries: dict[str, Entry] = {}
        self._slots: list[tuple[int, int, Entry]] = []
        self._extras: list[tuple[int, int, Entry]] = []
        self._order = 0
        self._disturbances: deque[Disturbance] = deque(maxlen=64)
        self._shares: dict[str, deque[int]] = {}
        self._rate = Fraction(0)  # slots a ms
        self._accounted: dict[str, int] = {}  # of those that went: until when their slots are

    @property
    def width_ms(self) -> int:
        """Slots within so long of each other are started together; 1 where they are too few to meet."""
        if self._rate * STEPS_MS[0] <= 1:
            return 1
        return next((step for step in STEPS_MS if step * self._rate <= GATHER), STEPS_MS[-1])

    def add(self, target: TargetConfig, next_from: int) -> Entry:
        """Begin a target whose slots before ``next_from`` are accounted for, or were before its time."""
        entry = Entry(target, self.location, next_from)
        self.entries[target.name] = entry
        self._rate += Fraction(1, entry.interval)
        self._push(self._slots, entry.next_slot, entry)
        return entry

    def begin(self, target: TargetConfig, now: int) -> tuple[Entry, int]:
        """Begin a target that is new; returns the slot from which on it is expected to be probed as well.

        Where its next slot is far, that is the slot that has begun already: it is filled soon, so that nothing is
        unknown for long.
        """
        entry = self.add(target, now)
        if entry.next_slot <= now + FIRST_LOOK_MS or target.probe.costs_money:
            return entry, now
        if entry.next_slot - entry.interval < self._accounted.get(target.name, 0):  # it went a moment ago
            self.first_look(entry, now)
            return entry, now
        entry.fresh = True
        entry.next_slot -= entry.interval
        self._push(self._slots, now + entry.offset % FIRST_LOOK_MS, entry)
        return entry, entry.next_slot

    def first_look(self, entry: Entry, now: int) -> None:
        """Probe soon what would else be unknown until its next slot. Not what costs money."""
        if entry.next_slot > now + FIRST_LOOK_MS and not entry.target.probe.costs_money:
            entry.looked = False
            entry.next_extra = now + entry.offset % FIRST_LOOK_MS
            self._push(self._extras, entry.next_extra, entry)

    def remove(self, name: str, now: int) -> Entry:
        """End a target; its running probe, and its slots until ``now``, are the caller's affair."""
        entry = self.entries.pop(name)
        self._accounted[name] = max(entry.next_slot, now)
        self._rate -= Fraction(1, entry.interval)
        entry.gone = True
        entry.next_extra = None
        return entry

    def disturb(self, disturbance: Disturbance) -> list[Gap]:
        """Remember a disturbance, so that slots missed by it can say so; what it left behind at once is returned."""
        self._disturbances.append(disturbance)
        if disturbance.reason != "clock_stepped_back":
            return []
        for entry in self.entries.values():
            entry.next_extra = None
        detail = (
            f"the clock was set back by {disturbance.seconds:.3f} s; these slots were accounted for before, "
            "and nothing is recorded until the clock has passed them"
        )
        return [
            Gap(target=e.name, location=e.location, start=disturbance.start, end=disturbance.end, slots=0,
                reason="clock_stepped_back", detail=detail)
            for e in self.entries.values()
        ]  # fmt: skip

    def next_due(self) -> int | None:
        """The earliest instant at which something is to be started; None where nothing is watched.

        Slots are gathered into steps of ``width_ms``, counted from the epoch.
        """
        slots = self._next(self._slots, lambda e, when: not e.gone and (e.fresh or e.next_slot == when))
        if slots is not None:
            width = self.width_ms
            slots = -(-slots // width) * width
        extras = self._next(self._extras, lambda e, when: e.next_extra == when)
        found = [when for when in (slots, extras) if when is not None]
        return min(found) if found else None

    def collect(self, now: int) -> Due:
        """Everything due at ``now``; called again at any later time, it never gives the same slot twice."""
        due = Due([], [], [])
        while self._slots and self._slots[0][0] <= now:
            slot, _, entry = heapq.heappop(self._slots)
            if entry.gone or (entry.next_slot != slot and not entry.fresh):
                continue
            if entry.fresh:
                slot, entry.fresh = entry.next_slot, False
                if now < slot + entry.interval:
                    entry.running_slot, entry.next_slot = slot, slot + entry.interval
                    due.slots.append((entry, slot))
                    self._push(self._slots, entry.next_slot, entry)
                    continue
            latest = now - (now - entry.offset) % entry.interval
            if now - latest > entry.grace:
                latest += entry.interval  # too late for the last one as well: the next is the first to be kept
            if latest > slot:
                due.gaps.extend(self._missed(entry, slot, latest))
            if latest <= now:
                if entry.running_slot is not None:
                    due.gaps.append(
                        entry.gap(latest, latest + entry.interval, *self._held_up(entry.running_slot, latest))
                    )
                else:
                    entry.running_slot = latest
                    entry.looked = True
                    due.slots.append((entry, latest))
                latest += entry.interval
            entry.next_slot = latest
            self._push(self._slots, latest, entry)
        while self._extras and self._extras[0][0] <= now:
            when, _, entry = heapq.heappop(self._extras)
            if entry.next_extra != when:
                continue
            entry.next_extra = None
            if entry.running_slot is not None or entry.running_extra:
                continue  # the scheduled probe says as much, and its result asks for the next
            if entry.looked and not self._may(entry, now):
                self._ask_again(entry, now, entry.target.reprobe.then)
                continue
            entry.running_extra = entry.looked = True
            due.extras.append(entry)
        return due

    def _missed(self, entry: Entry, start: int, end: int) -> Iterable[Gap]:
        """The gaps for the slots in [start, end), one for each run of slots with the same reason."""
        run_start, reason, detail = start, *self._why(start)
        # Of a long span only the edges of disturbances can change the reason: look there, not at every slot.
        edges = sorted(
            {first_slot(edge, entry.interval, entry.offset) for d in self._disturbances for edge in (d.start, d.end)}
        )
        for slot in edges:
            if start < slot < end:
                here = self._why(slot)
                if here[0] != reason:
                    yield entry.gap(run_start, slot, reason, detail)
                    run_start, (reason, detail) = slot, here
        yield entry.gap(run_start, end, reason, detail)

    def _why(self, slot: int) -> tuple[str, str]:
        """Why the slot was missed: the disturbance that it falls into, or the loop, which is late without one."""
        for found in reversed(self._disturbances):
            if found.start - MAX_LATE_MS <= slot < found.end and found.reason != "clock_stepped_back":
                return found.reason, _DETAILS[found.reason].format(seconds=found.seconds)
        return "loop_stalled", "the slot came too late to be filled"

    def _held_up(self, running: int, slot: int) -> tuple[str, str]:
        """Why the probe of an earlier slot still runs at this one: it had no time to end, or it took too long."""
        for found in reversed(self._disturbances):
            if found.end > running and found.start <= slot and found.reason != "clock_stepped_back":
                said = _DETAILS[found.reason].format(seconds=found.seconds)
                return found.reason, f"{said}, and the probe of the slot before still ran"
        return "overrun", "the probe of the slot before still ran"

    def failed(self, entry: Entry, now: int) -> None:
        """A probe of this target failed in a way worth following: ask again soon."""
        settings = entry.target.reprobe
        if entry.failing_since is None:
            entry.failing_since = now
            self._ask_again(entry, now, settings.first)
        else:
            soon = now - entry.failing_since < settings.fast_for
            self._ask_again(entry, now, settings.every if soon else settings.then)

    def good(self, entry: Entry) -> None:
        """A probe of this target found it good, or failed in a way that asking again makes no better."""
        entry.failing_since = None
        entry.next_extra = None

    def _ask_again(self, entry: Entry, now: int, after: int) -> None:
        when = now + after
        if entry.gone or not entry.target.reprobe.enabled or entry.next_slot - when < 500 or now < entry.last_at:
            entry.next_extra = None  # the slot comes as soon, or the clock stands in time that was recorded before
            return
        entry.next_extra = when
        self._push(self._extras, when, entry)

    def _may(self, entry: Entry, now: int) -> bool:
        """Whether the provider's share of extra probes allows one more; if so it is taken."""
        share = self._shares.setdefault(entry.target.provider, deque())
        while share and not now - 60_000 < share[0] <= now:
            share.popleft()
        if len(share) >= entry.target.reprobe.per_minute:
            return False
        share.append(now)
        return True

    def _push(self, heap: list[tuple[int, int, Entry]], when: int, entry: Entry) -> None:
        self._order += 1
        heapq.heappush(heap, (when, self._order, entry))

    @staticmethod
    def _next(heap: list[tuple[int, int, Entry]], valid: Callable[[Entry, int], bool]) -> int | None:
        while heap:
            when, _, entry = heap[0]
            if valid(entry, when):
                return when
            heapq.heappop(heap)
        return None


_DETAILS = {
    "loop_stalled": "this process stood still for {seconds:.1f} s",
    "suspended": "this machine was suspended for {seconds:.1f} s",
    "clock_stepped_forward": "the clock was set forward by {seconds:.3f} s, over these slots",
}


class Guard:
    """Looks at the three clocks together and says what happened between two looks.

    1. Boot time runs on while monotonic time stands: the machine was suspended.
    2. More monotonic time passed than was slept: the loop, or the whole process, stood still.
    3. The wall clock went another way than boot time: it was set.
    """

    STEP_MS = 200
    """Less than this between two looks is slewing, not a step."""
    STALL_S = 0.75
    """Beyond the time between two looks; a loop under load may be late by less."""

    def __init__(self, now_ms: int, monotonic: float, boottime: float, beat_s: float) -> None:
        self._wall, self._mono, self._boot = now_ms, monotonic, boottime
        self._beat_s = beat_s
        self._beat_boot = boottime
        self._lost_s = 0.0

    def look(self, now_ms: int, monotonic: float, boottime: float) -> list[Disturbance]:
        """What happened since the last look."""
        wall, mono, boot = self._wall, self._mono, self._boot
        self._wall, self._mono, self._boot = now_ms, monotonic, boottime
        found = []
        slept = (boottime - boot) - (monotonic - mono)
        # Where the clock was also set, the time that really passed is told from boot time.
        passed_ms = round((boottime - boot) * 1000)
        stepped = now_ms - wall - passed_ms
        real_end = wall + passed_ms
        if slept > self.STALL_S:
            found.append(Disturbance(start=wall, end=real_end, reason="suspended", seconds=slept))
        elif monotonic - mono > self._beat_s + self.STALL_S:
            found.append(Disturbance(start=wall, end=real_end, reason="loop_stalled", seconds=monotonic - mono))
        if stepped >= self.STEP_MS:
            found.append(
                Disturbance(start=real_end, end=now_ms, reason="clock_stepped_forward", seconds=stepped / 1000)
            )
        elif stepped <= -self.STEP_MS:
            found.append(Disturbance(start=now_ms, end=real_end, reason="clock_stepped_back", seconds=-stepped / 1000))
        return found

    def beat(self, boottime: float) -> None:
        """The loop's regular beat: what it came late is time lost."""
        self._lost_s += self._late(boottime)
        self._beat_boot = boottime

    def lost_s(self, boottime: float) -> float:
        """Seconds that this process lost so far to stalls and suspends, up to this moment."""
        return self._lost_s + self._late(boottime)

    def _late(self, boottime: float) -> float:
        late = boottime - self._beat_boot - self._beat_s
        return late if late > 0.05 else 0.0
