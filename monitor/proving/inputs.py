"""The events that an evaluation was given, folded from the ledger's by whoever proves and whoever verifies. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from monitor.judgement.events import fold
from monitor.proof.canonical import JSON, parse_canonical
from monitor.sla.values import TargetSpec
from monitor.store import Event
from monitor.times import iso


def events_of(contents: Iterable[bytes]) -> list[Event]:
    """Sealed events as the store had them, in the order of entry."""
    found = []
    for content in contents:
        one = parse_canonical(content)
        found.append(
            Event(
                kind=one["event"],
                at=one["at"],
                data={key: value for key, value in one["data"].items() if key != "source"},
                corrects=one["corrects"],
                entered_at=one["entered_at"],
                source=one["data"].get("source", ""),
                id=one["id"],
            )
        )
    return sorted(found, key=lambda event: event.id)


def inputs_of(events: Sequence[Event], contract: str) -> JSON:
    """What stands of the events after all corrections, in the form of an events file (arithmetic §9)."""
    stated = fold(events, contract).events
    return {
        "maintenance": [
            {**_span(one), "kind": one.kind, **_some(announced=None if one.announced is None else iso(one.announced))}
            for one in stated.maintenance
        ],
        "exclusions": [{**_span(one), "reason": one.reason} for one in stated.exclusions],
        "reports": [
            {"at": iso(one.at), "services": list(one.services), **_some(id=one.id, note=one.note)}
            for one in stated.reports
        ],
        "tickets": [
            {
                "id": one.id,
                "opened": iso(one.opened),
                "severity": one.severity,
                "reached": {milestone: iso(at) for milestone, at in one.reached.items()},
                "waiting": [[iso(begin), None if end is None else iso(end)] for begin, end in one.waiting],
                **_some(channel=one.channel, plan=one.plan),
            }
            for one in stated.tickets
        ],
    }


def _span(one: Any) -> dict[str, JSON]:
    found: dict[str, JSON] = {"start": iso(one.start), "end": iso(one.end), "services": list(one.services)}
    return {**found, **_some(id=one.id, note=one.note)}


def _some(**values: JSON) -> dict[str, JSON]:
    return {key: value for key, value in values.items() if value is not None}


def targets_of(config: Any) -> list[TargetSpec]:
    """The targets of a sealed configuration, as the arithmetic takes them."""
    return [
        TargetSpec(
            name=one["name"],
            service=one["service"],
            interval_ms=one["interval_ms"],
            stale_after_ms=one["stale_after_ms"],
        )
        for one in config["targets"]
    ]
