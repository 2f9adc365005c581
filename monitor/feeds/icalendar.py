"""Reads maintenance windows from a calendar (RFC 5545): single events, recurring ones, those changed or cancelled.

An event is announced when it was made (CREATED). Times without a zone, and whole days, are the contract's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any

from dateutil.rrule import rrulestr
from icalendar import Calendar

from monitor.feeds.settings import Feed
from monitor.feeds.windows import OLD_MS, BadPage, Content, Window, kind_of, wanted
from monitor.sla.instants import DAY_MS, write_instant

AHEAD_MS = 120 * DAY_MS
"""How far ahead recurring events are spelt out."""
_MOST = 2_000
"""More occurrences of one event are not looked at."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(feed: Feed, body: bytes, zone: tzinfo, now: int) -> Content:
    """What the calendar says. Raises BadPage."""
    try:
        calendars = Calendar.from_ical(body.decode("utf-8-sig"), multiple=True)
        found: dict[str, Window] = {}
        for calendar in calendars:
            events = list(calendar.walk("VEVENT"))
            recurring = {str(one.get("UID", "")) for one in events if "RRULE" in one or "RDATE" in one}
            # Changed occurrences come last: each replaces the one of its rule.
            for event in sorted(events, key=lambda one: "RECURRENCE-ID" in one):
                for window in _windows(feed, event, zone, now, recurring):
                    found[window.uid] = window
    except BadPage:
        raise
    except (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError) as error:
        raise BadPage(f"the page is no calendar that can be read ({error})") from error
    if not calendars:
        raise BadPage("the page is no calendar")
    return Content(windows=tuple(found.values()), complete_from=0)


def _windows(feed: Feed, event: Any, zone: tzinfo, now: int, recurring: set[str]) -> Iterator[Window]:
    uid, title = str(event.get("UID", "")), str(event.get("SUMMARY", "")).strip()
    services = _services(feed, event, title)
    if not uid or "DTSTART" not in event or services is None or not wanted(feed, title):
        return
    first = _aware(event["DTSTART"].dt, zone)
    if "DTEND" in event:
        length = _ms(_aware(event["DTEND"].dt, zone)) - _ms(first)
    elif "DURATION" in event:
        length = event["DURATION"].dt // timedelta(milliseconds=1)
    else:
        length = 0 if isinstance(event["DTSTART"].dt, datetime) else DAY_MS
    if length <= 0:
        return
    created = event["CREATED"].dt if "CREATED" in event else None
    for at, name in _starts(event, uid, first, zone, (now - OLD_MS - length, now + AHEAD_MS), recurring):
        yield Window(
            uid=name,
            title=title,
            start=at,
            end=at + length,
            announced=None if created is None else _ms(_aware(created, zone)),
            services=services,
            kind=kind_of(feed, title),
            cancelled=str(event.get("STATUS", "")).upper() == "CANCELLED",
            url=str(event["URL"]) if "URL" in event else None,
        )


def _starts(
    event: Any, uid: str, first: datetime, zone: tzinfo, within: tuple[int, int], recurring: set[str]
) -> Iterator[tuple[int, str]]:
    """When it begins, each time with the name by which that occurrence is known."""
    if "RECURRENCE-ID" in event:
        yield _ms(first), f"{uid}/{write_instant(_ms(_aware(event['RECURRENCE-ID'].dt, zone)))}"
        return
    if uid not in recurring:
        yield _ms(first), uid
        return
    without = {_ms(one) for one in _dates(event, "EXDATE", zone)}
    starts = {_ms(first), *(_ms(one) for one in _dates(event, "RDATE", zone))}
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        parts = {**rule}
        if "UNTIL" in parts:
            until = parts["UNTIL"][0] if isinstance(parts["UNTIL"], list) else parts["UNTIL"]
            last = until if isinstance(until, datetime) else datetime.combine(until, time.max)
            parts["UNTIL"] = [_aware(last, zone).astimezone(UTC)]
        text = type(rule)(parts).to_ical().decode()
        low, high = (_EPOCH + timedelta(milliseconds=at) for at in within)
        starts.update(_ms(at) for at in islice(rrulestr(text, dtstart=first).xafter(low), _MOST) if at < high)
    for at in sorted(starts):
        if within[0] <= at < within[1] and at not in without:
            yield at, f"{uid}/{write_instant(at)}"


def _dates(event: Any, key: str, zone: tzinfo) -> Iterator[datetime]:
    values = event.get(key, [])
    for value in values if isinstance(values, list) else [values]:
        for one in value.dts:
            found = one.dt[0] if isinstance(one.dt, tuple) else one.dt
            yield _aware(found, zone)


def _aware(value: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo is not None else value.replace(tzinfo=zone)


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _services(feed: Feed, event: Any, title: str) -> tuple[str, ...] | None:
    if not feed.components:
        return ()
    categories = event.get("CATEGORIES", [])
    words = [title, str(event.get("LOCATION", ""))]
    for one in categories if isinstance(categories, list) else [categories]:
        words += [str(name) for name in getattr(one, "cats", [one])]
    text = "\n".join(words).lower()
    found: dict[str, None] = {}
    for name, services in feed.components.items():
        if name.lower() in text:
            found.update(dict.fromkeys(services))
    return tuple(found) or None
