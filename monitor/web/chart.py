"""Geometry of the drawings: shares of a range, lanes, ticks, stacked phases, the budget's line. Pure.

Lanes and ticks are given in per cent of the width, so that text in a drawing keeps its size on every screen; curves
are given in a box of 1000 by 100 that is stretched, with lines that are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from monitor.sla.evaluation import Interval
from monitor.sla.instants import DAY_MS, local_date, local_datetime, local_instant
from monitor.store import Row

MINUTE, HOUR = 60_000, 3_600_000
STEPS = (1_000, 5_000, 15_000, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)
TICKS = 8
LEAST = 0.3
"""No segment is drawn narrower, in per cent: a short outage stays visible."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a lane, in per cent of the width."""

    x: str
    width: str
    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis."""

    x: str
    label: str
    strong: bool

    @property
    def late(self) -> bool:
        """Whether it stands so far to the right that its label must end there."""
        return float(self.x.removesuffix("%")) > 93


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of a timeline."""

    label: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a timeline shows of its period."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """In ms."""
        return self.end - self.start

    def share(self, at: int) -> float:
        """Where an instant stands, in per cent."""
        return max(0.0, min(100.0, (at - self.start) * 100 / self.length))

    def segments(self, spans: Iterable[tuple[int, int, str, str]]) -> tuple[Segment, ...]:
        """Spans (start, end, kind, text) as segments; those outside are left away."""
        found = []
        for start, end, kind, text in spans:
            if end <= self.start or start >= self.end:
                continue
            x, right = self.share(start), self.share(end)
            width = max(right - x, LEAST)
            found.append(Segment(f"{min(x, 100 - width):.3f}%", f"{width:.3f}%", kind, text))
        return tuple(found)

    def ticks(self, zone: str) -> list[Tick]:
        """Round times of the zone, eight at the most."""
        step = next((step for step in STEPS if self.length <= TICKS * step), None)
        if step is None:
            return self._days(zone)
        found = []
        day = local_date(zone, self.start)
        at = local_instant(zone, day, 0)
        at += max(0, (self.start - at) // step) * step
        while at <= self.end:
            if at >= self.start:
                local = local_datetime(zone, at)
                midnight = (local.hour, local.minute, local.second) == (0, 0, 0)
                form = "%m-%d" if midnight else "%H:%M:%S" if step < MINUTE else "%H:%M"
                found.append(Tick(f"{self.share(at):.3f}%", local.strftime(form), midnight))
            at += step
        return found

    def _days(self, zone: str) -> list[Tick]:
        days = -(-self.length // (TICKS * DAY_MS))
        day = local_date(zone, self.start)
        found = []
        while (at := local_instant(zone, day, 0)) <= self.end:
            if at >= self.start:
                found.append(Tick(f"{self.share(at):.3f}%", f"{day.month:02d}-{day.day:02d}", day.day == 1))
            day += timedelta(days=days)
        return found


WORST = {"up": 1, "unknown": 2, "down": 3}


def probe_lane(
    shown: Range, probes: Sequence[tuple[int, str]], hold_ms: int, cells: int = 500
) -> list[tuple[int, int, str, str]]:
    """Probes (at, kind) as spans (start, end, kind, text): each holds until the next one or for `hold_ms`.

    The range is cut into cells; the worst of a cell stands for all in it.
    """
    worst: list[str | None] = [None] * cells
    for index, (at, kind) in enumerate(probes):
        until = min(at + hold_ms, probes[index + 1][0]) if index + 1 < len(probes) else at + hold_ms
        first = max(0, (at - shown.start) * cells // shown.length)
        last = min(cells - 1, max(first, (until - 1 - shown.start) * cells // shown.length))
        for cell in range(first, last + 1):
            before = worst[cell]
            if before is None or WORST[kind] > WORST[before]:
                worst[cell] = kind
    spans: list[tuple[int, int, str, str]] = []
    for cell, kind_or_none in enumerate(worst):
        if kind_or_none is None:
            continue
        start = shown.start + shown.length * cell // cells
        end = shown.start + shown.length * (cell + 1) // cells
        if spans and spans[-1][2] == kind_or_none and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end, kind_or_none, "")
        else:
            spans.append((start, end, kind_or_none, ""))
    return spans


@dataclass(frozen=True, slots=True)
class Layer:
    """One phase of the stack."""

    name: str
    index: int
    paths: tuple[str, ...]
    """Points of polygons in the box of 1000 by 100; a hole in the data parts them."""
    median_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Latency by phase over time."""

    layers: tuple[Layer, ...]
    top_ms: float
    """What the height of the box is."""
    lines: tuple[tuple[str, str], ...]
    """Heights (per cent from above) and what stands there, in ms."""
    probes: int


def stack(range_: Range, rows: Sequence[Row], buckets: int = 96) -> Stack | None:
    """The mean of each phase in each bucket, one on the other; None without a good probe."""
    good = [row for row in rows if row.outcome == "ok" and row.phases and range_.start <= row.at < range_.end]
    if not good:
        return None
    names: list[str] = []
    for row in good:
        names += [name for name in row.phases if name not in names]
        if len(names) >= 12:
            break
    sums: list[dict[str, float]] = [{} for _ in range(buckets)]
    counts = [0] * buckets
    for row in good:
        place = (row.at - range_.start) * buckets // range_.length
        counts[place] += 1
        for name, value in row.phases.items():
            sums[place][name] = sums[place].get(name, 0.0) + value
    tops = [sum(found.values()) / count for found, count in zip(sums, counts, strict=True) if count]
    top = _nice(max(tops))
    step = 1000 / buckets
    floor = [0.0] * buckets
    layers = []
    for index, name in enumerate(names):
        ceiling = [
            base + (found.get(name, 0.0) / count if count else 0.0)
            for base, found, count in zip(floor, sums, counts, strict=True)
        ]
        paths = []
        for first, last in _filled(counts):
            places = range(first, last + 1)
            ends = [(i, (i + 0.5) * step) for i in places]
            if first == last:  # a single bucket is drawn as wide as it is
                ends = [(first, first * step), (first, (first + 1) * step)]
            upper = [f"{x:.1f},{100 - ceiling[i] * 100 / top:.2f}" for i, x in ends]
            lower = [f"{x:.1f},{100 - floor[i] * 100 / top:.2f}" for i, x in reversed(ends)]
            paths.append(" ".join(upper + lower))
        values = sorted(row.phases[name] for row in good if name in row.phases)
        layers.append(Layer(name, index % 7 + 1, tuple(paths), values[len(values) // 2]))
        floor = ceiling
    marks = tuple((f"{100 - part * 100:.0f}%", f"{top * part:g}") for part in (1.0, 0.5))
    return Stack(layers=tuple(layers), top_ms=top, lines=marks, probes=len(good))


def _filled(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of buckets with something in them; a single empty one is bridged."""
    found: list[tuple[int, int]] = []
    for index, count in enumerate(counts):
        if not count:
            continue
        if found and index - found[-1][1] <= 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found


def _nice(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    size = 1.0
    while size * 10 < value:
        size *= 10
    while size > value:
        size /= 10
    return next(size * factor for factor in (1, 2, 3, 4, 5, 8, 10, 20) if size * factor >= value)


def percentile(values: Sequence[int], share: int) -> int | None:
    """The value below which `share` of a hundred lie; `values` in order."""
    return values[min(len(values) - 1, len(values) * share // 100)] if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """The budget's line through the period, in the box of 1000 by 100."""

    line: str
    now_x: str
    zero_y: str
    """Where nothing is left, in per cent from above."""
    marks: tuple[tuple[str, Fraction, int], ...]
    """What stands beside the line: height in per cent from above, what is left there, and px below that height."""


def burn_down(start: int, end: int, to: int, pieces: Sequence[Interval], allowed: Fraction, used: int) -> Burn:
    """The line from all of the budget to what is left of it now. It falls where there was counted downtime; its end is
    the judged figure, whatever the unit counts in."""
    spent = sum(stop - begin for begin, stop in pieces)
    scale = Fraction(used, spent) if spent else Fraction(0)
    low = min(Fraction(0), allowed - used)
    height = allowed - low or Fraction(1)

    def point(at: int, left: Fraction) -> str:
        return f"{(at - start) * 1000 / (end - start):.1f},{float((allowed - left) * 100 / height):.2f}"

    points = [point(start, allowed)]
    left = allowed
    for begin, stop in pieces:
        points.append(point(begin, left))
        left -= (stop - begin) * scale
        points.append(point(stop, left))
    left = allowed - used
    points.append(point(to, left))
    zero = allowed * 100 / height
    marks = [(zero, Fraction(0), -5 if zero > 50 else 14)]
    if allowed > 0 and (zero > 50 or zero < 25):
        marks.append((Fraction(0), allowed, 14 if zero > 50 else -4))
    if low < 0 and zero < 75:
        marks.append((Fraction(100), low, -5))
    return Burn(
        line=" ".join(points),
        now_x=f"{(to - start) * 100 / (end - start):.2f}%",
        zero_y=f"{float(zero):.2f}%",
        marks=tuple((f"{float(y):.2f}%", left, below) for y, left, below in marks),
    )
