"""What each day of a service looked like: for the bar of ninety days and the month's calendar. Pure.

A day is one of the contract's timezone. The worst thing that it saw names it: downtime that nothing excuses, then time
in which nothing is known (from a hundredth of the day on), then maintenance or an exclusion, then nothing but up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from monitor.sla.evaluation import Evaluation, Interval, ServiceResult
from monitor.sla.instants import local_date, local_instant

KINDS = ("up", "down", "unknown", "excused", "before", "ahead")
"""``before``: nobody watched yet. ``ahead``: the day has not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of one service."""

    date: date
    start: int
    end: int
    """Of the whole day, though the period or now may end before."""
    kind: str
    down_ms: int = 0
    """Down and not left out."""
    unknown_ms: int = 0
    excused_ms: int = 0
    """Left out by maintenance and exclusions, whether down or up."""
    counted_ms: int = 0


def overlap(intervals: Iterable[Interval], start: int, end: int) -> int:
    """How much of [start, end) the intervals cover; they do not overlap one another."""
    return sum(max(0, min(stop, end) - max(begin, start)) for begin, stop in intervals)


def minus(intervals: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """The intervals without what is taken; both ordered and each without overlaps of its own."""
    found: list[Interval] = []
    for begin, stop in intervals:
        at = begin
        for out_from, out_to in taken:
            if out_to <= at or out_from >= stop:
                continue
            if out_from > at:
                found.append((at, out_from))
            at = max(at, out_to)
        if at < stop:
            found.append((at, stop))
    return found


class _Cover:
    """Asks ordered intervals, day after day, without starting over."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self._intervals = intervals
        self._next = 0

    def __call__(self, start: int, end: int) -> int:
        if self._next == len(self._intervals):
            return 0
        while self._next < len(self._intervals) and self._intervals[self._next][1] <= start:
            self._next += 1
        total = 0
        for index in range(self._next, len(self._intervals)):
            begin, stop = self._intervals[index]
            if begin >= end:
                break
            total += min(stop, end) - max(begin, start)
        return total


def days_between(zone: str, start: int, end: int) -> list[tuple[date, int, int]]:
    """The days of a zone that touch [start, end), with their real bounds."""
    found = _days(zone, local_date(zone, start), local_date(zone, max(start, end - 1)))
    return [day for day in found if day[1] < end]


@lru_cache(maxsize=256)
def _days(zone: str, first: date, last: date) -> tuple[tuple[date, int, int], ...]:
    days = [first + timedelta(days=number) for number in range((last - first).days + 2)]
    begins = [local_instant(zone, day, 0) for day in days]
    return tuple(zip(days[:-1], begins[:-1], begins[1:], strict=True))


def service_days(
    results: Sequence[tuple[Evaluation, ServiceResult]], zone: str, start: int, end: int, *, watched_from: int | None
) -> list[Day]:
    """The days of [start, end) from the evaluations of the periods that lie in it, in order of time.

    `watched_from` is the first observation of all: nothing is said of the days before it.
    """
    down: list[Interval] = []
    unknown: list[Interval] = []
    excused: list[Interval] = []
    counted: list[Interval] = []
    to = start
    for evaluation, result in results:
        lost = [(a, b) for a, b, state in result.states if state == "down"]
        down += minus(lost, result.left_out)
        unknown += result.unknown_spans
        excused += result.left_out
        counted += result.pieces
        to = max(to, evaluation.period.to)
    covers = _Cover(down), _Cover(unknown), _Cover(excused), _Cover(counted)
    found = []
    for day, begin, stop in days_between(zone, start, end):
        if begin >= to:
            found.append(Day(date=day, start=begin, end=stop, kind="ahead"))
            continue
        if watched_from is None or stop <= watched_from:
            found.append(Day(date=day, start=begin, end=stop, kind="before"))
            continue
        begin_seen = max(begin, watched_from, start)
        down_ms, unknown_ms = covers[0](begin_seen, stop), covers[1](begin_seen, stop)
        excused_ms, counted_ms = covers[2](begin_seen, stop), covers[3](begin_seen, stop)
        seen = min(stop, to, end) - begin_seen
        kind = "up"
        if down_ms:
            kind = "down"
        elif unknown_ms * 100 >= seen:
            kind = "unknown"
        elif excused_ms:
            kind = "excused"
        found.append(
            Day(
                date=day,
                start=begin,
                end=stop,
                kind=kind,
                down_ms=down_ms,
                unknown_ms=unknown_ms,
                excused_ms=excused_ms,
                counted_ms=counted_ms,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring days of one kind: what the bar draws as one shape."""

    kind: str
    first: int
    count: int


def runs(days: Sequence[Day]) -> list[Run]:
    """The days of a bar, neighbours of one kind together."""
    found: list[Run] = []
    for index, day in enumerate(days):
        if found and found[-1].kind == day.kind:
            found[-1] = Run(day.kind, found[-1].first, found[-1].count + 1)
        else:
            found.append(Run(day.kind, index, 1))
    return found
