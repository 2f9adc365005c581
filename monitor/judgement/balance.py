"""The month balances: scheduled observations and slots of accounted gaps are together the slots that were due. Pure.

Which slots were due follows from the `config` events: from when on which target was to be probed on which grid
(`monitor.probing.slots`). Where none was recorded, as for measurements taken over from elsewhere, nothing is expected.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.probing.slots import count_slots, first_slot
from monitor.store import Event, Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which a target was to be probed on one grid."""

    start: int
    end: int
    interval_ms: int
    offset_ms: int

    @property
    def slots(self) -> int:
        """How many probes were due."""
        return count_slots(self.start, self.end, self.interval_ms, self.offset_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One target and location in a span of time."""

    target: str
    location: str
    expected: int
    """Slots that were due."""
    observed: int
    """Scheduled observations that filled one of them."""
    missed: int
    """Slots in accounted gaps."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """The missed ones by the gap's reason."""
    extra: int = 0
    """Observations beside the schedule: probes that followed a failure, and measurements taken over."""

    @property
    def difference(self) -> int:
        """Slots for which nothing accounts (above 0), or that were filled twice (below)."""
        return self.expected - self.observed - self.missed

    def sentence(self) -> str:
        """The balance in words, its difference named."""
        parts = f"{self.observed:,} observed + {self.missed:,} missed"
        if self.difference == 0:
            return f"{self.expected:,} due = {parts}"
        kind = "unaccounted" if self.difference > 0 else "too many"
        return f"{self.expected:,} due, but {parts}: {abs(self.difference):,} {kind}"


def plan(configs: Iterable[Event], target: str, start: int, end: int) -> list[Stretch]:
    """When a target was to be probed within [start, end), from `config` events in the order of entry."""
    found: list[Stretch] = []
    at, grid = 0, None
    for event in sorted((one for one in configs if one.kind == "config"), key=lambda one: one.at):
        _stretch(found, grid, max(at, start), min(event.at, end))
        known = event.data.get("targets", {}).get(target)
        # A target that is new has its slots from the one that had begun when it came.
        at = event.at if known is None or grid is not None else int(known.get("since", event.at))
        grid = None if known is None else (int(known["interval_ms"]), int(known["offset_ms"]))
    _stretch(found, grid, max(at, start), end)
    return found


def _stretch(found: list[Stretch], grid: tuple[int, int] | None, start: int, end: int) -> None:
    if grid is None or start >= end:
        return
    last = found[-1] if found else None
    if last is not None and last.end == start and (last.interval_ms, last.offset_ms) == grid:
        found[-1] = Stretch(start=last.start, end=end, interval_ms=grid[0], offset_ms=grid[1])
    else:
        found.append(Stretch(start=start, end=end, interval_ms=grid[0], offset_ms=grid[1]))


def balance(
    stretches: Sequence[Stretch],
    scheduled: Sequence[int],
    gaps: Iterable[Gap],
    *,
    target: str,
    location: str,
    extra: int = 0,
) -> Balance:
    """Hold what was due against what was seen and what was missed.

    `scheduled`: when the scheduled probes started, in order; they may reach beyond the stretches on both sides, and
    those that fill slots before or after are not looked at. `extra`: how many others there were.
    """
    observed = 0
    for stretch in stretches:
        # A probe fills the last slot at or before it, so a stretch's probes lie between its first slot and the next
        # stretch's.
        low = first_slot(stretch.start, stretch.interval_ms, stretch.offset_ms)
        high = first_slot(stretch.end, stretch.interval_ms, stretch.offset_ms)
        observed += bisect_left(scheduled, high) - bisect_left(scheduled, low)
    if not stretches:
        extra += len(scheduled)
    reasons: dict[str, int] = {}
    for gap in gaps:
        whole = 0
        for stretch in stretches:
            start, end = max(gap.start, stretch.start), min(gap.end, stretch.end)
            whole += count_slots(start, end, stretch.interval_ms, stretch.offset_ms)
        if slots := min(whole, gap.slots):
            reasons[gap.reason] = reasons.get(gap.reason, 0) + slots
    return Balance(
        target=target,
        location=location,
        expected=sum(stretch.slots for stretch in stretches),
        observed=observed,
        missed=sum(reasons.values()),
        reasons=dict(sorted(reasons.items())),
        extra=extra,
    )
