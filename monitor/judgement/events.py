"""Events: what people and the monitor state, how it is checked, and what stands after all corrections. Pure.

1. An event is never changed. A correction is a new event that names an old one and replaces or withdraws it; of several
   corrections the one entered last stands. The old ones stay visible, with the time of entry beside the time spoken of.
2. The data of an event that people enter is what an events file says of it (arithmetic §9), and `contract`.
3. `about` holds whatever else is known of where it comes from; it is kept and sealed, and counts for nothing.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.sla.fields import Faulty, Path, Reading
from monitor.sla.instants import parse_instant, write_instant
from monitor.sla.reading_events import read_exclusion, read_maintenance, read_report, read_ticket
from monitor.sla.values import MILESTONES, Events, Exclusion, Maintenance, Report, Ticket
from monitor.store import Event

PEOPLE: Mapping[str, str] = {
    "maintenance": "a maintenance window that the provider announced",
    "exclusion": "a span that should not count, and the reason",
    "report": "an outage was reported to the provider",
    "ticket": "a ticket was opened",
    "ticket_reached": "a ticket reached a milestone",
    "ticket_waiting": "the provider waits for the customer's answer to a ticket",
    "correction": "replaces or withdraws an earlier event",
}
"""The kinds that people enter, by command, API, file or feed."""

MONITOR: Mapping[str, str] = {
    "start": "the daemon started",
    "stop": "the daemon stopped",
    "reload": "the configuration was reloaded",
    "reload_failed": "a reload was refused, the old configuration stays",
    "config": "the configuration in force changed",
    "clock_step": "the wall clock was set",
    "clock_offset": "how far the wall clock is off",
    "suspend": "the machine was suspended",
    "stall": "the daemon's loop stood still",
    "offline": "this location lost its reference hosts",
    "online": "a reference host answers again",
    "gap_note": "a note about a gap",
    "feed_page": "a provider's status page changed",
    "feed_incident": "a provider's status page spoke of an incident",
    "feed_failed": "a provider's status page could not be read",
    "feed_again": "a provider's status page can be read again",
    "outage_report_mail": "an outage was reported by mail",
    "seal": "a day was sealed",
    "seal_refused": "sealing was refused",
    "key": "a signing key was made, rotated or revoked",
    "proof": "a statement was made",
    "retention": "sealed and exported observations were removed",
    "spend": "what a probe that costs money has used of its day's budget",
    "import": "measurements made elsewhere were taken over",
    "demo": "a generated history was entered",
}
"""The kinds that the monitor enters itself."""

KINDS: Mapping[str, str] = {**PEOPLE, **MONITOR}

_TIMES = {
    "maintenance": "start", "exclusion": "start", "report": "at", "ticket": "opened", "ticket_reached": "at",
    "ticket_waiting": "start",
}  # fmt: skip
_OWN = ("contract", "about")


class BadEvent(ValueError):
    """The data of an event cannot be used; the text is a sentence."""


def make(
    kind: str, data: Mapping[str, Any], *, source: str, at: int | None = None, corrects: str | None = None
) -> Event:
    """An event that may be entered, its data checked; `at` is taken from the data where that says it.

    Instants in the data may be integers (ms) or RFC 3339 text and are kept as text. Raises BadEvent.
    """
    if kind not in KINDS:
        raise BadEvent(f"there is no kind of event '{kind}'; there are {', '.join(KINDS)}")
    plain: dict[str, Any] = {key: value for key, value in data.items() if value is not None}
    if kind in PEOPLE and kind != "correction":
        plain = {key: _texts(value) if key != "about" else value for key, value in plain.items()}
        read(kind, plain)
        at = parse_instant(plain[_TIMES[kind]]) if at is None else at
    if kind == "correction":
        if corrects is None:
            raise BadEvent("a correction names the event that it corrects")
        if ("replace" in plain) == (plain.get("withdraw") is True):
            raise BadEvent("a correction either replaces the event's data (replace) or withdraws it (withdraw: true)")
    elif corrects is not None:
        raise BadEvent("only a correction names an event that it corrects")
    if at is None:
        raise BadEvent(f"the event '{kind}' needs the time that it speaks of")
    try:
        json.dumps(plain, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadEvent("its text holds half a character, which nothing can keep: write it again") from None
    return Event(kind=kind, at=at, data=plain, source=source, corrects=corrects)


def correction(old: Event, *, source: str, why: str, data: Mapping[str, Any] | None = None) -> Event:
    """The event that replaces the data of `old`, or withdraws it where there is none. Raises BadEvent."""
    if old.kind not in PEOPLE or old.kind == "correction":
        raise BadEvent(f"an event of the kind '{old.kind}' cannot be corrected")
    if data is None:
        return make("correction", {"withdraw": True, "why": why}, source=source, at=old.at, corrects=old.id)
    if data.get("contract", old.data["contract"]) != old.data["contract"]:
        raise BadEvent("a correction leaves an event with its contract: withdraw it, and enter another")
    new = make(old.kind, {"contract": old.data["contract"], **data}, source=source)
    return make("correction", {"replace": new.data, "why": why}, source=source, at=new.at, corrects=old.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of what an event says."""

    data: Mapping[str, Any] | None
    """None: withdrawn."""
    entered_at: int
    source: str
    event_id: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An event with all its corrections."""

    event: Event
    versions: tuple[Version, ...]
    """The first is the event's own, the last stands."""
    value: Maintenance | Exclusion | Report | Ticket | None = None
    """What stands, as the arithmetic takes it; None where it was withdrawn, or speaks of a ticket."""

    @property
    def data(self) -> Mapping[str, Any] | None:
        """What stands; None: withdrawn."""
        return self.versions[-1].data

    @property
    def withdrawn(self) -> bool:
        """Whether it says nothing any more."""
        return self.data is None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the other side may ask about a window: announced late, moved, declared when it had begun."""
        found = []
        spans = [(v.data.get("start"), v.data.get("end"), v) for v in self.versions if v.data is not None]
        for (start, end, _), (new_start, new_end, after) in itertools.pairwise(spans):
            if (start, end) != (new_start, new_end):
                found.append(f"moved from {start} - {end} at {write_instant(after.entered_at)}")
        if isinstance(self.value, Maintenance):
            if self.value.announced is None:
                found.append("no announcement is known")
            elif self.value.announced >= self.value.start:
                found.append("declared only when it had begun")
        if self.withdrawn:
            found.append("withdrawn")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """All that was stated of one contract."""

    events: Events
    """What stands, for the arithmetic."""
    statements: tuple[Statement, ...]
    """Each event with its corrections, in the order of entry."""
    ignored: tuple[tuple[Event, str], ...] = field(default=())
    """Events that could not be used, and why: a milestone of a ticket that nobody opened, data of a newer version."""


def fold(events: Iterable[Event], contract: str, *, known_at: int | None = None) -> Stated:
    """What stands of a contract's events, in the order of entry; with `known_at` as it was known then."""
    roots: dict[str, Event] = {}
    root_of: dict[str, str] = {}
    versions: dict[str, list[Version]] = {}
    ignored: list[tuple[Event, str]] = []
    for event in events:
        if known_at is not None and event.entered_at > known_at:
            continue
        if event.kind == "correction":
            root = root_of.get(event.corrects or "")
            if root is None:  # of another contract, or of nothing
                continue
            root_of[event.id] = root
            data = event.data.get("replace")
            versions[root].append(_version(event, data, str(event.data.get("why", ""))))
        elif event.kind in PEOPLE and event.data.get("contract") == contract:
            roots[event.id] = event
            root_of[event.id] = event.id
            versions[event.id] = [_version(event, event.data, "")]
    statements = []
    for id, event in roots.items():
        data = versions[id][-1].data
        value = None
        if data is not None:
            try:
                value = read(event.kind, data, id)
            except BadEvent as error:
                ignored.append((event, str(error)))
                continue
        statements.append(Statement(event=event, versions=tuple(versions[id]), value=value))
    tickets = _tickets(statements, ignored)
    return Stated(
        events=Events(
            maintenance=_values(statements, Maintenance),
            exclusions=_values(statements, Exclusion),
            reports=_values(statements, Report),
            tickets=tuple(tickets),
        ),
        statements=tuple(statements),
        ignored=tuple(ignored),
    )


def read(kind: str, data: Mapping[str, Any], id: str | None = None) -> Maintenance | Exclusion | Report | Ticket | None:
    """The value of an event's data, `id` in it; None for what a ticket reached or waited for. Raises BadEvent."""
    contract = data.get("contract")
    if not isinstance(contract, str) or not contract:
        raise BadEvent("an event names its contract")
    rest = {key: value for key, value in data.items() if key not in _OWN}
    if kind != "ticket" and not kind.startswith("ticket_"):
        rest["id"] = id
    reader: Callable[[Reading, Any, Path], Any] = _READERS[kind]
    reading = Reading()
    value = reader(reading, rest, ())
    try:
        reading.finish()
    except Faulty as faults:
        raise BadEvent(str(faults)) from None
    return value if isinstance(value, Maintenance | Exclusion | Report | Ticket) else None


def _reached(reading: Reading, data: Any, path: Path) -> tuple[str, str, int] | None:
    values = reading.mapping(data, path, ("id", "milestone", "at", "note"), what="a ticket's milestone")
    for key in ("id", "milestone", "at"):
        reading.needed(values, key, path, what="a ticket's milestone")
    at = reading.instant(values.get("at"), (*path, "at"), what="at")
    milestone = values.get("milestone")
    if milestone is not None and milestone not in MILESTONES:
        reading.fault((*path, "milestone"), f"'{milestone}' is no milestone: write {', '.join(MILESTONES)}")
    return None if at is None else (str(values.get("id")), str(milestone), at)


def _waiting(reading: Reading, data: Any, path: Path) -> tuple[str, int, int | None] | None:
    values = reading.mapping(data, path, ("id", "start", "end", "note"), what="a ticket's waiting")
    for key in ("id", "start"):
        reading.needed(values, key, path, what="a ticket's waiting")
    start = reading.instant(values.get("start"), (*path, "start"), what="start")
    end = reading.instant(values.get("end"), (*path, "end"), what="end")
    if start is not None and end is not None and end < start:
        reading.fault((*path, "end"), "a span of waiting ends before it starts")
    return None if start is None else (str(values.get("id")), start, end)


_READERS: Mapping[str, Callable[[Reading, Any, Path], Any]] = {
    "maintenance": read_maintenance, "exclusion": read_exclusion, "report": read_report, "ticket": read_ticket,
    "ticket_reached": _reached, "ticket_waiting": _waiting,
}  # fmt: skip


def _tickets(statements: list[Statement], ignored: list[tuple[Event, str]]) -> list[Ticket]:
    """The tickets with what they reached and when they waited, in the order in which they were entered."""
    tickets: dict[str, Ticket] = {}
    for one in statements:
        if isinstance(one.value, Ticket):
            if one.value.id in tickets:
                ignored.append((one.event, f"ticket '{one.value.id}' was opened before"))
            else:
                tickets[one.value.id] = one.value
    for one in statements:
        if one.data is None or one.event.kind not in ("ticket_reached", "ticket_waiting"):
            continue
        ticket = tickets.get(one.data["id"])
        if ticket is None:
            ignored.append((one.event, f"nobody opened a ticket '{one.data['id']}'"))
        elif one.event.kind == "ticket_reached":
            at = parse_instant(one.data["at"])
            known = ticket.reached.get(one.data["milestone"])
            reached = {**ticket.reached, one.data["milestone"]: at if known is None else min(at, known)}
            tickets[ticket.id] = replace(ticket, reached=reached)
        else:
            start = parse_instant(one.data["start"])
            end = parse_instant(one.data["end"]) if one.data.get("end") else None
            others = tuple(span for span in ticket.waiting if span[0] != start)
            tickets[ticket.id] = replace(ticket, waiting=(*others, (start, end)))
    return list(tickets.values())


def _values(statements: list[Statement], kind: type[Any]) -> tuple[Any, ...]:
    return tuple(one.value for one in statements if isinstance(one.value, kind))


def _version(event: Event, data: Mapping[str, Any] | None, why: str) -> Version:
    return Version(data=data, entered_at=event.entered_at, source=event.source, event_id=event.id, why=why)


def _texts(value: Any) -> Any:
    """Every scalar as text, instants in ms as RFC 3339: the form that is kept and sealed."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        try:
            return write_instant(value)
        except (ValueError, OverflowError):
            near = "2026-10-01T00:00:00Z"
            raise BadEvent(f"{str(value)[:24]} is no instant in ms since 1970; write it like {near}") from None
    if isinstance(value, Mapping):
        return {key: _texts(one) for key, one in value.items()}
    return [_texts(one) for one in value] if isinstance(value, list | tuple) else str(value)
