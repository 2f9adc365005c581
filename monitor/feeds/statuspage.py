"""Reads what a status page of the kind Atlassian Statuspage publishes (API v2, JSON). Pure.

https://status.atlassian.com/api/v2: ``scheduled-maintenances.json`` and ``incidents.json``, the newest fifty of each.
A maintenance is announced when it was created there (``created_at``). One that was completed before it began was
cancelled; one that is deleted is no longer listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from monitor.feeds.settings import Feed
from monitor.feeds.windows import BadPage, Content, Incident, Window, kind_of, wanted
from monitor.sla.instants import parse_instant

LISTED = 50
"""How many entries a page lists at the most."""
_OVER = ("completed", "cancelled", "canceled", "resolved", "postmortem")


def addresses(base: str) -> tuple[str, str]:
    """Where the maintenances and the incidents of a page are; ``base`` is the page's address or that of its API."""
    root = base.rstrip("/")
    if not root.endswith("/api/v2"):
        root += "/api/v2"
    return f"{root}/scheduled-maintenances.json", f"{root}/incidents.json"


def read(feed: Feed, maintenances: bytes, incidents: bytes) -> Content:
    """What both pages say. Raises BadPage."""
    listed = _entries(maintenances, "scheduled_maintenances")
    windows = [window for entry in listed if (window := _window(feed, entry)) is not None]
    # A window is not taken for cancelled because its times are written otherwise than they were.
    unread = frozenset(uid for entry in listed if (uid := _text(entry, "id")) and _span(entry) is None)
    if listed and all(_span(entry) is None for entry in listed):
        raise BadPage("none of the page's maintenances says from when to when (scheduled_for, scheduled_until)")
    starts = [_instant(entry, "scheduled_for") for entry in listed]
    complete_from = 0 if len(listed) < LISTED else min((at for at in starts if at is not None), default=None)
    found = [one for entry in _entries(incidents, "incidents") if (one := _incident(feed, entry)) is not None]
    return Content(windows=tuple(windows), incidents=tuple(found), complete_from=complete_from, unread=unread)


def _entries(body: bytes, key: str) -> list[Mapping[str, Any]]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPage(f"the page is not JSON ({error})") from error
    entries = data.get(key) if isinstance(data, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadPage(f"the page has no list '{key}': it is not the API v2 of a Statuspage")
    return entries


def _window(feed: Feed, entry: Mapping[str, Any]) -> Window | None:
    uid, title = _text(entry, "id"), _text(entry, "name")
    span, services = _span(entry), _services(feed, entry)
    if not uid or span is None or services is None or not wanted(feed, title):
        return None
    start, end = span
    over = _instant(entry, "resolved_at")
    if over is None and entry.get("status") in _OVER:
        over = _instant(entry, "updated_at")
    cancelled = entry.get("status") in ("cancelled", "canceled") or (
        entry.get("status") in _OVER and over is not None and over <= start
    )
    return Window(
        uid=uid,
        title=title,
        start=start,
        end=end,
        announced=_instant(entry, "created_at"),
        services=services,
        kind=kind_of(feed, title),
        cancelled=cancelled,
        url=_text(entry, "shortlink") or None,
    )


def _span(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """From when to when; None where that cannot be read."""
    start, end = _instant(entry, "scheduled_for"), _instant(entry, "scheduled_until")
    return None if start is None or end is None or end <= start else (start, end)


def _incident(feed: Feed, entry: Mapping[str, Any]) -> Incident | None:
    uid = _text(entry, "id")
    published = _instant(entry, "created_at")
    services = _services(feed, entry)
    if not uid or published is None or services is None:
        return None
    updates = entry.get("incident_updates")
    newest = updates[0] if isinstance(updates, list) and updates and isinstance(updates[0], dict) else {}
    start = _instant(entry, "started_at")
    return Incident(
        uid=uid,
        title=_text(entry, "name"),
        status=_text(entry, "status"),
        impact=_text(entry, "impact"),
        start=published if start is None else start,
        end=_instant(entry, "resolved_at"),
        published=published,
        services=services,
        url=_text(entry, "shortlink") or None,
        body=_text(newest, "body"),
    )


def _services(feed: Feed, entry: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The services that an entry touches (none: all); None where it touches none that is followed."""
    components = entry.get("components")
    named = [one for one in components if isinstance(one, dict)] if isinstance(components, list) else []
    if not feed.components or not named:
        return ()
    found: dict[str, None] = {}
    for one in named:
        for key in (_text(one, "name"), _text(one, "id")):
            found.update(dict.fromkeys(feed.components.get(key, ())))
    return tuple(found) or None


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _instant(entry: Mapping[str, Any], key: str) -> int | None:
    try:
        return parse_instant(_text(entry, key))
    except ValueError:
        return None
