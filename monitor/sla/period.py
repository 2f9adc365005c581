"""Periods: calendar months and billing months of a timezone (arithmetic §3). Pure."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from monitor.sla.instants import local_date, local_instant

_NAME = re.compile(r"(\d{4})-(\d\d)", re.ASCII)


class PeriodError(ValueError):
    """A period that does not exist, or that has not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period, and up to where it is evaluated."""

    name: str
    """``2026-10``: the month, or the month in which it begins."""
    start: int
    end: int
    """Its real end."""
    to: int
    """What is evaluated ends here: at ``end``, or now."""

    @property
    def complete(self) -> bool:
        """Tell whether it is over."""
        return self.to >= self.end


def parse_name(name: str) -> tuple[int, int]:
    """Give year and month of a period's name. Raises PeriodError."""
    match = _NAME.fullmatch(name)
    if match is None or not 1 <= int(match[2]) <= 12 or not 1970 <= int(match[1]) <= 9000:
        raise PeriodError(f"'{name}' is not a period: write a year and a month like 2026-10")
    return int(match[1]), int(match[2])


def following(year: int, month: int, count: int = 1) -> tuple[int, int]:
    """Give the month ``count`` months later."""
    index = year * 12 + month - 1 + count
    return index // 12, index % 12 + 1


def month_start(zone: str, year: int, month: int, day: int = 1) -> int:
    """Give 00:00 of a day of a month, or of the month's last day where it has no such day."""
    return local_instant(zone, date(year, month, min(day, monthrange(year, month)[1])), 0)


def bounds(kind: str, zone: str, billing_day: int, name: str) -> tuple[int, int]:
    """Give start and real end of the period called ``name``. Raises PeriodError."""
    year, month = parse_name(name)
    day = billing_day if kind == "billing_month" else 1
    return month_start(zone, year, month, day), month_start(zone, *following(year, month), day)


def resolve(kind: str, zone: str, billing_day: int, name: str, now: int | None) -> Period:
    """Give the period as evaluated at ``now``; None: as if it were over. Raises PeriodError if it has not begun."""
    start, end = bounds(kind, zone, billing_day, name)
    if now is not None and now < start:
        raise PeriodError(f"the period {name} has not begun")
    return Period(name=name, start=start, end=end, to=end if now is None else min(now, end))


def containing(kind: str, zone: str, billing_day: int, at: int) -> str:
    """Give the name of the period in which an instant falls."""
    today = local_date(zone, at)
    for count in (1, 0, -1, -2):
        year, month = following(today.year, today.month, count)
        name = f"{year:04d}-{month:02d}"
        start, end = bounds(kind, zone, billing_day, name)
        if start <= at < end:
            return name
    raise PeriodError(f"no period holds {at}")


def next_month_end(zone: str, last_ms: int) -> int:
    """Give the end (exclusive) of the calendar month after the one in which an instant falls (arithmetic §6)."""
    day = local_date(zone, last_ms)
    return month_start(zone, *following(day.year, day.month, 2))
