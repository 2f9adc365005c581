"""Sets of time as sorted lists of disjoint, non-touching, half-open intervals. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Interval = tuple[int, int]


def union(spans: Iterable[Interval]) -> list[Interval]:
    """Put any intervals together; empty ones vanish, touching ones become one."""
    merged: list[Interval] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def intersect(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Give what lies in both."""
    common: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start = max(left[i][0], right[j][0])
        end = min(left[i][1], right[j][1])
        if start < end:
            common.append((start, end))
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return common


def subtract(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Give what lies in ``left`` and not in ``right``."""
    rest: list[Interval] = []
    j = 0
    for start, end in left:
        at = start
        while j < len(right) and right[j][1] <= at:
            j += 1
        k = j
        while k < len(right) and right[k][0] < end:
            if right[k][0] > at:
                rest.append((at, right[k][0]))
            at = max(at, right[k][1])
            k += 1
        if at < end:
            rest.append((at, end))
    return rest


def clip(spans: Sequence[Interval], start: int, end: int) -> list[Interval]:
    """Give what lies within [start, end)."""
    return intersect(spans, [(start, end)]) if start < end else []


def total(spans: Iterable[Interval]) -> int:
    """Give the length of it all."""
    return sum(end - start for start, end in spans)


def holds(spans: Sequence[Interval], at: int) -> bool:
    """Tell whether an instant lies within."""
    index = bisect_right(spans, (at, 1 << 62)) - 1
    return index >= 0 and at < spans[index][1]
