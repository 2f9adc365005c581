"""An events file, already plain data with every scalar as text, to Events (arithmetic §9). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.sla.fields import Path, Reading
from monitor.sla.values import MAINTENANCE_KINDS, MILESTONES, Events, Exclusion, Maintenance, Report, Ticket

KEYS = ("maintenance", "exclusions", "reports", "tickets")
"""The keys of an events file."""


def read_events(data: Any) -> Events:
    """Make Events of a file's content. Raises Faulty with every fault."""
    reading = Reading()
    if data is not None and not isinstance(data, Mapping):
        reading.fault((), "events must be a mapping: begin with maintenance:, exclusions:, reports: or tickets:")
        reading.finish()
    values = reading.mapping(data, (), KEYS, what="an events file")
    maintenance = _each(reading, values, "maintenance", read_maintenance)
    exclusions = _each(reading, values, "exclusions", read_exclusion)
    reports = _each(reading, values, "reports", read_report)
    tickets = _each(reading, values, "tickets", read_ticket)
    seen: set[str] = set()
    for index, row in enumerate(values.get("tickets") or ()):
        ticket = row.get("id") if isinstance(row, Mapping) else None
        if isinstance(ticket, str) and ticket in seen:
            reading.fault(
                ("tickets", index, "id"), f"ticket '{ticket}' stands here a second time: give each its own id"
            )
        elif isinstance(ticket, str):
            seen.add(ticket)
    reading.finish()
    return Events(
        maintenance=tuple(maintenance), exclusions=tuple(exclusions), reports=tuple(reports), tickets=tuple(tickets)
    )


def _each(reading: Reading, values: Mapping[str, Any], key: str, read: Any) -> list[Any]:
    found = (
        read(reading, row, (key, index)) for index, row in enumerate(reading.items(values.get(key), (key,), what=key))
    )
    return [one for one in found if one is not None]


def _row(
    reading: Reading, data: Any, path: Path, keys: tuple[str, ...], needed: tuple[str, ...], *, what: str
) -> dict[str, Any] | None:
    """Give a row's keys, or None where it is unusable."""
    if not isinstance(data, Mapping):
        reading.fault(path, f"{what} must be a mapping: write {{{needed[0]}: ..., ...}}")
        return None
    values = reading.mapping(data, path, (*keys, "id", "note"), what=what)
    for key in needed:
        reading.needed(values, key, path, what=what)
    return values


def _span(reading: Reading, values: Mapping[str, Any], path: Path) -> tuple[int, int] | None:
    start = reading.instant(values.get("start"), (*path, "start"), what="start")
    end = reading.instant(values.get("end"), (*path, "end"), what="end")
    if start is None or end is None:
        return None
    if end <= start:
        reading.fault((*path, "end"), "end is not after start: a span holds its start and not its end")
        return None
    return start, end


def read_maintenance(reading: Reading, data: Any, path: Path) -> Maintenance | None:
    """Read one maintenance window; None where there is a fault."""
    keys = ("start", "end", "announced", "kind", "services")
    values = _row(reading, data, path, keys, ("start", "end"), what="a maintenance window")
    if values is None:
        return None
    span = _span(reading, values, path)
    announced = reading.instant(values.get("announced"), (*path, "announced"), what="announced")
    kind = reading.choice(values.get("kind"), (*path, "kind"), MAINTENANCE_KINDS, "scheduled", what="kind")
    services = reading.names(values.get("services"), (*path, "services"), what="services")
    ident, note = _common(reading, values, path)
    if span is None:
        return None
    return Maintenance(
        start=span[0], end=span[1], announced=announced, kind=kind, services=services, id=ident, note=note
    )


def read_exclusion(reading: Reading, data: Any, path: Path) -> Exclusion | None:
    """Read one exclusion; None where there is a fault."""
    keys = ("start", "end", "reason", "services")
    values = _row(reading, data, path, keys, ("start", "end", "reason"), what="an exclusion")
    if values is None:
        return None
    span = _span(reading, values, path)
    reason = reading.name(values.get("reason"), (*path, "reason"), what="reason")
    services = reading.names(values.get("services"), (*path, "services"), what="services")
    ident, note = _common(reading, values, path)
    if span is None or reason is None:
        return None
    return Exclusion(start=span[0], end=span[1], reason=reason, services=services, id=ident, note=note)


def read_report(reading: Reading, data: Any, path: Path) -> Report | None:
    """Read one report to the provider; None where there is a fault."""
    values = _row(reading, data, path, ("at", "services"), ("at",), what="a report")
    if values is None:
        return None
    at = reading.instant(values.get("at"), (*path, "at"), what="at")
    services = reading.names(values.get("services"), (*path, "services"), what="services")
    ident, note = _common(reading, values, path)
    return None if at is None else Report(at=at, services=services, id=ident, note=note)


def read_ticket(reading: Reading, data: Any, path: Path) -> Ticket | None:
    """Read one ticket; None where there is a fault."""
    keys = ("opened", "severity", "channel", "plan", "reached", "waiting")
    values = _row(reading, data, path, keys, ("id", "opened", "severity"), what="a ticket")
    if values is None:
        return None
    ident, _ = _common(reading, values, path)
    opened = reading.instant(values.get("opened"), (*path, "opened"), what="opened")
    severity = reading.text(values.get("severity"), (*path, "severity"), what="severity")
    reached = {}
    marks = reading.mapping(values.get("reached"), (*path, "reached"), MILESTONES, what="reached")
    for milestone, value in marks.items():
        at = reading.instant(value, (*path, "reached", milestone), what=milestone)
        if at is not None:
            reached[milestone] = at
    waiting = []
    for index, pair in enumerate(reading.items(values.get("waiting"), (*path, "waiting"), what="waiting")):
        span = _waiting(reading, pair, (*path, "waiting", index))
        if span is not None:
            waiting.append(span)
    if ident is None or opened is None or severity is None:
        return None
    return Ticket(
        id=ident,
        opened=opened,
        severity=severity,
        channel=reading.text(values.get("channel"), (*path, "channel"), what="channel"),
        plan=reading.text(values.get("plan"), (*path, "plan"), what="plan"),
        reached=reached,
        waiting=tuple(waiting),
    )


def _waiting(reading: Reading, data: Any, path: Path) -> tuple[int, int | None] | None:
    if not isinstance(data, list) or len(data) != 2:
        reading.fault(path, "a span of waiting must be a pair: write [start, end], with null for an end not yet known")
        return None
    start = reading.instant(data[0], (*path, 0), what="start")
    end = reading.instant(data[1], (*path, 1), what="end")
    if data[0] is None:
        reading.fault(path, "a span of waiting needs its start")
    if start is None or (end is None and data[1] is not None):
        return None
    if end is not None and end < start:
        reading.fault((*path, 1), "a span of waiting ends before it starts")
        return None
    return start, end


def _common(reading: Reading, values: Mapping[str, Any], path: Path) -> tuple[str | None, str | None]:
    ident = reading.text(values.get("id"), (*path, "id"), what="id")
    return ident, reading.text(values.get("note"), (*path, "note"), what="note")
