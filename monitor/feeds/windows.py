"""What was read on a provider's page, and what it changes: events and corrections, never the same twice. Pure.

1. A window that is new becomes an event; one that changed, a correction; one that was cancelled or taken off the page
   before its end, a withdrawal. What did not change since it was last read makes nothing, also after a restart.
2. What a person corrected stays as the person has it until the page itself changes.
3. The announcement is the page's own time; a page that says none announced a window no later than it was first seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.feeds.settings import Feed
from monitor.judgement.events import Statement, Version, correction, make
from monitor.sla.instants import DAY_MS, write_instant
from monitor.store import Event

OLD_MS = 62 * DAY_MS
"""Windows and incidents that ended longer ago are not entered when a page is first read."""
_COMPARED = ("start", "end", "announced", "kind", "services")


class BadPage(ValueError):
    """The page is not what it should be; the text is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A maintenance window as a page has it."""

    uid: str
    title: str
    start: int
    end: int
    announced: int | None
    services: tuple[str, ...] = ()
    """None named: all."""
    kind: str = "scheduled"
    cancelled: bool = False
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as a page has it."""

    uid: str
    title: str
    status: str
    impact: str
    start: int
    end: int | None
    published: int
    services: tuple[str, ...] = ()
    url: str | None = None
    body: str = ""
    """What the page said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that a page says."""

    windows: tuple[Window, ...]
    incidents: tuple[Incident, ...] = ()
    complete_from: int | None = None
    """A window that starts from then on and is not among these is not on the page; None: it may be all the same."""
    unread: frozenset[str] = frozenset()
    """Windows that are on the page, though what it says of them cannot be read."""


def kind_of(feed: Feed, title: str) -> str:
    """Whether a window of that title is scheduled or emergency maintenance."""
    return "emergency" if feed.emergency is not None and re.search(feed.emergency, title) else "scheduled"


def wanted(feed: Feed, title: str) -> bool:
    """Whether a window of that title is taken."""
    return feed.only is None or re.search(feed.only, title) is not None


def source_of(feed: Feed) -> str:
    """Who entered what was read there."""
    return f"feed:{feed.name}"


def window_events(feed: Feed, content: Content, known: Iterable[Statement], now: int) -> list[Event]:
    """The events that a page's windows make, given all statements of its contract. Raises BadEvent."""
    source = source_of(feed)
    ours: dict[str, Statement] = {}
    for statement in known:
        uid = (statement.event.data.get("about") or {}).get("uid")
        if statement.event.kind == "maintenance" and statement.event.source == source and uid is not None:
            ours[uid] = statement
    events = []
    for window in content.windows:
        before = ours.get(window.uid)
        event = _new(feed, window, now) if before is None else _changed(feed, window, before)
        if event is not None:
            events.append(event)
    there = {window.uid for window in content.windows} | content.unread
    for uid, statement in ours.items():
        last = _last(statement, source)
        if uid in there or last.data is None or content.complete_from is None:
            continue
        if str(last.data["end"]) > write_instant(now) and str(last.data["start"]) >= write_instant(
            content.complete_from
        ):
            events.append(correction(statement.event, source=source, why="it is no longer on the page"))
    return events


def _data(feed: Feed, window: Window, announced: int | None) -> dict[str, Any]:
    about = {"uid": window.uid, "feed": feed.name, "url": window.url}
    data: dict[str, Any] = {
        "contract": feed.contract,
        "start": write_instant(window.start),
        "end": write_instant(window.end),
        "announced": None if announced is None else write_instant(announced),
        "kind": window.kind,
        "services": list(window.services) or None,
        "note": window.title[:300] or None,
        "about": {key: value for key, value in about.items() if value is not None},
    }
    return {key: value for key, value in data.items() if value is not None}


def _new(feed: Feed, window: Window, now: int) -> Event | None:
    if window.cancelled or window.end < now - OLD_MS:
        return None
    announced = window.announced
    if announced is None and now < window.start:
        announced = now
    return make("maintenance", _data(feed, window, announced), source=source_of(feed))


def _changed(feed: Feed, window: Window, statement: Statement) -> Event | None:
    source = source_of(feed)
    last = _last(statement, source)
    if window.cancelled:
        if last.data is None:
            return None
        return correction(statement.event, source=source, why="it was cancelled on the page")
    said: Mapping[str, Any] = next(v.data for v in reversed(statement.versions) if v.source == source and v.data)
    data = _data(feed, window, window.announced)
    if window.announced is None and said.get("announced"):
        data["announced"] = said["announced"]
    if last.data is not None and all((data.get(key) or None) == (said.get(key) or None) for key in _COMPARED):
        return None
    if last.data is None:
        why = "it stands on the page again"
    elif (data["start"], data["end"]) != (said["start"], said["end"]):
        why = "it was moved on the page"
    else:
        why = "it was changed on the page"
    return correction(statement.event, source=source, why=why, data=data)


def _last(statement: Statement, source: str) -> Version:
    """What the page said last, whatever people made of it."""
    return next(version for version in reversed(statement.versions) if version.source == source)


def incident_events(feed: Feed, content: Content, known: Sequence[Event], now: int) -> list[Event]:
    """The events that a page's incidents make, given all events of the kind ``feed_incident``."""
    last = {
        event.data["incident"]: event.data
        for event in known
        if (event.data.get("feed"), event.data.get("contract")) == (feed.name, feed.contract)
    }
    events = []
    for one in content.incidents:
        if one.uid not in last and (one.end or now) < now - OLD_MS:
            continue
        data: dict[str, Any] = {
            "contract": feed.contract,
            "feed": feed.name,
            "incident": one.uid,
            "name": one.title[:300],
            "status": one.status,
            "impact": one.impact,
            "start": write_instant(one.start),
            "end": None if one.end is None else write_instant(one.end),
            "published": write_instant(one.published),
            "services": list(one.services) or None,
            "url": one.url,
            "body": one.body[:2000] or None,
        }
        data = {key: value for key, value in data.items() if value is not None}
        if dict(last.get(one.uid, {})) != data:
            events.append(make("feed_incident", data, source=source_of(feed), at=one.start))
    return events
