"""Calendars: when a support desk's time runs (arithmetic §7). Pure interval arithmetic in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from monitor.sla.contract import ALWAYS, Calendar, Window
from monitor.sla.instants import DAY_MS, local_date, local_instant
from monitor.sla.intervals import Interval, clip, subtract, total, union

if TYPE_CHECKING:
    from holidays import HolidayBase

_HORIZON_DAYS = 80 * 366
"""How far a calendar is searched before it is taken never to open again."""

ALWAYS_CALENDAR = Calendar(name=ALWAYS, windows=(Window(),))


@lru_cache(maxsize=64)
def holidays_of(place: str) -> HolidayBase:
    """Give the public holidays of a country or a part of one: ``DE``, ``DE-BY``.

    Raises ValueError with a sentence where the holidays package does not know the place.
    """
    import holidays

    country, _, part = place.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        raise ValueError(
            f"'{place}' is no place whose holidays are known: write a country like DE, or a part of one like DE-BY"
        ) from None


def holidays_version() -> str:
    """Give the version of the holidays package: its dates change with it."""
    from importlib.metadata import version

    return version("holidays")


@lru_cache(maxsize=65_536)
def _begins(window: Window, day: date) -> bool:
    """Tell whether a window begins on a date: on its weekday, and not on a holiday."""
    if day.weekday() not in window.days:
        return False
    return window.holidays is None or day not in holidays_of(window.holidays)


def _span(window: Window, day: date) -> Interval:
    """Give the window that begins on a date; one whose end is not after its begin ends on the next day."""
    end_day = day if window.end_ms > window.start_ms else day + timedelta(days=1)
    start = local_instant(window.timezone, day, window.start_ms)
    return start, local_instant(window.timezone, end_day, window.end_ms)


def begins_on(calendar: Calendar, day: date) -> bool:
    """Tell whether some window begins on a date, each window's date taken in its own timezone."""
    return any(_begins(window, day) for window in calendar.windows)


def open_spans(calendar: Calendar, start: int, end: int) -> list[Interval]:
    """Give when a calendar is open within [start, end)."""
    spans = []
    for window in calendar.windows:
        day = local_date(window.timezone, start) - timedelta(days=2)
        last = local_date(window.timezone, end) + timedelta(days=1)
        while day <= last:
            if _begins(window, day):
                spans.append(_span(window, day))
            day += timedelta(days=1)
    return clip(union(spans), start, end)


def _onward(calendar: Calendar, start: int) -> Iterator[Interval]:
    """Give the open spans from ``start`` on, up to the horizon; a long one may come in several pieces."""
    limit = start + _HORIZON_DAYS * DAY_MS
    length = 8 * DAY_MS
    while start < limit:
        yield from open_spans(calendar, start, start + length)
        start += length
        length = min(2 * length, 256 * DAY_MS)


def next_open(calendar: Calendar, at: int) -> int | None:
    """Give ``at`` where the calendar is open then, else when it next opens; None where it never does."""
    for start, _ in _onward(calendar, at):
        return start
    return None


def after_open_time(calendar: Calendar, start: int, amount_ms: int, waiting: Sequence[Interval] = ()) -> int | None:
    """Give the first instant by which ``amount_ms`` of the calendar's time has passed since ``start``.

    Time in ``waiting`` (a union) does not pass. None where the calendar never gives so much.
    """
    if amount_ms <= 0:
        return start
    left = amount_ms
    for span in _onward(calendar, start):
        for begin, end in subtract([span], waiting):
            if end - begin >= left:
                return begin + left
            left -= end - begin
    return None


def open_time(calendar: Calendar, spans: Sequence[Interval]) -> int:
    """Give how much of the calendar's time lies in ``spans`` (a union)."""
    return sum(total(open_spans(calendar, start, end)) for start, end in spans)
