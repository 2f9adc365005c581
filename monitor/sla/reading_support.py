"""The ``support`` part of a contract's file: calendars and rules (arithmetic §7 and §8). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor.sla.calendars import holidays_of
from monitor.sla.contract import ALWAYS, Calendar, Rule, Window
from monitor.sla.fields import Path, Reading, listing, nearest
from monitor.sla.instants import DAY_MS, zone
from monitor.sla.values import MILESTONES

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)", re.ASCII)
_WORKDAYS = re.compile(r"(\d{1,4})\s*(?:workdays|workday)", re.ASCII)
_RULE_KEYS = (
    "name", "severity", "milestone", "within", "clock", "accepts", "plan", "channels", "otherwise",
)  # fmt: skip


def read_support(reading: Reading, data: Any, path: Path) -> tuple[tuple[Calendar, ...], tuple[Rule, ...]]:
    """Give the calendars and the rules."""
    values = reading.mapping(data, path, ("calendars", "rules"), what="support")
    given = reading.open_mapping(values.get("calendars"), (*path, "calendars"), what="calendars")
    calendars = []
    for name, value in given.items():
        here: Path = (*path, "calendars", name)
        if name == ALWAYS:
            reading.fault(here, "'always' is the calendar without end and is there already: name yours otherwise")
        windows = _windows(reading, value, here)
        if windows:
            calendars.append(Calendar(name=name, windows=windows))
    names = (*given, ALWAYS)
    rules_path: Path = (*path, "rules")
    rows = reading.items(values.get("rules"), rules_path, what="rules")
    rules = []
    for index, row in enumerate(rows):
        rule = _rule(reading, row, (*rules_path, index), names)
        if rule is not None:
            rules.append(rule)
    return tuple(calendars), tuple(rules)


def _windows(reading: Reading, data: Any, path: Path) -> tuple[Window, ...]:
    if isinstance(data, list):
        if not data:
            reading.fault(path, 'a calendar needs a window: write {days: mon-fri, hours: "09:00-17:00"}')
        found = (_window(reading, item, (*path, index)) for index, item in enumerate(data))
        return tuple(window for window in found if window is not None)
    window = _window(reading, data, path)
    return () if window is None else (window,)


def _window(reading: Reading, data: Any, path: Path) -> Window | None:
    values = reading.mapping(data, path, ("timezone", "days", "hours", "holidays"), what="a calendar's window")
    if data is not None and not isinstance(data, Mapping):
        return None
    start, end = _hours(reading, values.get("hours"), (*path, "hours"))
    timezone = reading.text(values.get("timezone"), (*path, "timezone"), what="timezone") or "UTC"
    try:
        zone(timezone)
    except ValueError as error:
        reading.fault((*path, "timezone"), str(error))
        timezone = "UTC"
    place = reading.text(values.get("holidays"), (*path, "holidays"), what="holidays")
    if place is not None:
        try:
            holidays_of(place)
        except ValueError as error:
            reading.fault((*path, "holidays"), str(error))
            place = None
    return Window(
        timezone=timezone,
        days=_days(reading, values.get("days"), (*path, "days")),
        start_ms=start,
        end_ms=end,
        holidays=place,
    )


def _days(reading: Reading, data: Any, path: Path) -> tuple[int, ...]:
    """Read ``mon-fri``, ``sat``, ``mon-thu, sat`` or a list of such."""
    if data is None:
        return tuple(range(7))
    parts = data.split(",") if isinstance(data, str) else reading.items(data, path, what="days")
    found: set[int] = set()
    for part in parts:
        first, dash, last = str(part).strip().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            reading.fault(path, f"'{str(part).strip()}' names no days: write mon-fri, or days like mon, wed, sat")
            return tuple(range(7))
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        found.update((begin + step) % 7 for step in range(length + 1))
    if not found:
        reading.fault(path, "days are empty: write mon-fri, or take the line away for all days")
        return tuple(range(7))
    return tuple(sorted(found))


def _hours(reading: Reading, data: Any, path: Path) -> tuple[int, int]:
    """Read ``09:00-17:00``; ``21:00-17:00`` ends on the next day."""
    text = reading.text(data, path, what="hours")
    if text is None:
        return 0, DAY_MS
    match = _HOURS.fullmatch(text)
    wrong = f'hours \'{text}\' are not two times of day: write them like "09:00-17:00" or "00:00-24:00"'
    if match is None:
        reading.fault(path, wrong)
        return 0, DAY_MS
    h1, m1, h2, m2 = (int(group) for group in match.groups())
    start, end = (h1 * 60 + m1) * 60_000, (h2 * 60 + m2) * 60_000
    if m1 > 59 or m2 > 59 or start >= DAY_MS or end > DAY_MS:
        reading.fault(path, wrong)
        return 0, DAY_MS
    if start == end:
        reading.fault(path, f"hours '{text}' begin and end at the same time: write \"00:00-24:00\" for a whole day")
        return 0, DAY_MS
    return start, end


def _rule(reading: Reading, data: Any, path: Path, calendars: tuple[str, ...]) -> Rule | None:
    if not isinstance(data, Mapping):
        reading.fault(path, "a rule must be a mapping: write {name: ..., severity: ..., milestone: ..., within: ...}")
        return None
    values = reading.mapping(data, path, _RULE_KEYS, what="a rule")
    complete = [
        reading.needed(values, key, path, what="a rule") for key in ("severity", "milestone", "within", "clock")
    ]
    severity = reading.name(values.get("severity"), (*path, "severity"), what="severity")
    name = reading.text(values.get("name"), (*path, "name"), what="name") or severity
    milestone = reading.choice(values.get("milestone"), (*path, "milestone"), MILESTONES, None, what="milestone")
    within_ms, workdays = _within(reading, values.get("within"), (*path, "within"))
    clock = _calendar(reading, values.get("clock"), (*path, "clock"), calendars, what="clock")
    accepts = _calendar(reading, values.get("accepts"), (*path, "accepts"), calendars, what="accepts")
    channels = reading.names(values.get("channels"), (*path, "channels"), what="channels", single=True)
    otherwise = reading.name(values.get("otherwise"), (*path, "otherwise"), what="otherwise")
    if otherwise is not None and values.get("channels") is None:
        reading.fault((*path, "otherwise"), "'otherwise' means nothing without 'channels'")
    if not all(complete) or severity is None or name is None or milestone is None or clock is None:
        return None
    return Rule(
        name=name,
        severity=severity,
        milestone=milestone,
        clock=clock,
        within_ms=within_ms,
        within_workdays=workdays,
        within_text=str(values["within"]),
        accepts=accepts,
        plan=reading.name(values.get("plan"), (*path, "plan"), what="plan"),
        channels=channels,
        otherwise=otherwise,
    )


def _within(reading: Reading, data: Any, path: Path) -> tuple[int | None, int | None]:
    text = reading.text(data, path, what="within")
    if text is None:
        return None, None
    match = _WORKDAYS.fullmatch(text)
    if match is None:
        return reading.duration(text, path, what="within", positive=True), None
    if int(match[1]) < 1:
        reading.fault(path, "within must be at least 1 workday")
        return None, None
    return None, int(match[1])


def _calendar(reading: Reading, data: Any, path: Path, known: tuple[str, ...], *, what: str) -> str | None:
    name = reading.name(data, path, what=what)
    if name is not None and name not in known:
        near = nearest(name, known)
        hint = f"did you mean '{near}'?" if near else f"write {listing(known)}"
        reading.fault(path, f"{what} names no calendar '{name}': {hint}")
        return None
    return name
