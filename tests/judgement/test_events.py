"""What is stated, corrected, and what stands."""

from __future__ import annotations

import dataclasses

import pytest

from monitor.judgement.events import KINDS, MONITOR, PEOPLE, BadEvent, correction, fold, make
from monitor.sla.instants import parse_instant
from monitor.sla.values import Exclusion, Maintenance, Report, Ticket
from monitor.store import Event

WINDOW = {"contract": "c", "start": "2026-10-05T01:00:00Z", "end": "2026-10-05T02:00:00Z"}
AT = parse_instant("2026-10-05T01:00:00Z")
LATER = "2026-10-05T03:00:00Z"
EMERGENCY = {"announced": AT - 1000, "services": ["api"], "kind": "emergency"}
HOUR = 3_600_000
_count = iter(range(1000))


def entered(event: Event, after: int = 0) -> Event:
    """As the store keeps it."""
    number = next(_count)
    return dataclasses.replace(event, id=f"E{number}", entered_at=event.entered_at or 1000 + after + number)


def test_what_people_state_becomes_the_arithmetics_values():
    """Each kind that people enter is read as an events file is, and carries the event's id."""
    events = [
        entered(make("maintenance", {**WINDOW, **EMERGENCY}, source="cli")),
        entered(make("exclusion", {**WINDOW, "reason": "ddos", "note": "n", "about": {"by": 1}}, source="cli")),
        entered(make("report", {"contract": "c", "at": AT}, source="api:x")),
        entered(make("ticket", {"contract": "c", "id": "T1", "opened": AT, "severity": "high"}, source="cli")),
        entered(make("report", {"contract": "other", "at": AT}, source="cli")),
        entered(make("start", {}, source="monitor", at=AT)),
    ]  # fmt: skip
    stated = fold(events, "c")
    assert stated.events.maintenance == (
        Maintenance(start=AT, end=AT + HOUR, announced=AT - 1000, kind="emergency", services=("api",), id=events[0].id),
    )  # fmt: skip
    assert stated.events.exclusions == (Exclusion(start=AT, end=AT + HOUR, reason="ddos", id=events[1].id, note="n"),)
    assert stated.events.reports == (Report(at=AT, id=events[2].id),)
    assert stated.events.tickets == (Ticket(id="T1", opened=AT, severity="high"),)
    assert [one.event for one in stated.statements] == events[:4]
    assert events[0].at == AT
    assert events[0].data["announced"] == "2026-10-05T00:59:59.000Z"
    assert stated.ignored == ()


def test_a_ticket_gathers_what_it_reached_and_when_it_waited():
    """The first time a milestone was reached stands; waiting that began is closed by the same start with an end."""
    ticket = {"contract": "c", "id": "T1"}
    events = [
        entered(make("ticket", {**ticket, "opened": AT, "severity": "high"}, source="cli")),
        entered(make("ticket_reached", {**ticket, "milestone": "responded", "at": AT + 20}, source="cli")),
        entered(make("ticket_reached", {**ticket, "milestone": "responded", "at": AT + 10}, source="cli")),
        entered(make("ticket_waiting", {**ticket, "start": AT + 30}, source="cli")),
        entered(make("ticket_waiting", {**ticket, "start": AT + 30, "end": AT + 40}, source="cli")),
        entered(make("ticket_waiting", {**ticket, "start": AT + 50}, source="cli")),
        entered(make("ticket_reached", {**ticket, "id": "T9", "milestone": "acted", "at": AT}, source="cli")),
        entered(make("ticket", {**ticket, "opened": AT + 1, "severity": "low"}, source="cli")),
    ]
    stated = fold(events, "c")
    (found,) = stated.events.tickets
    assert (found.opened, found.reached, found.waiting) == (
        AT, {"responded": AT + 10}, ((AT + 30, AT + 40), (AT + 50, None)))  # fmt: skip
    assert [why for _, why in stated.ignored] == ["ticket 'T1' was opened before", "nobody opened a ticket 'T9'"]


def test_a_correction_replaces_or_withdraws_and_the_old_stays_visible():
    """What was corrected last stands; every version is there with its time of entry."""
    first = entered(make("maintenance", {**WINDOW, "announced": "2026-10-05T01:30:00Z"}, source="feed:s"))
    moved = entered(correction(first, source="feed:s", why="moved", data={**first.data, "end": LATER}), 100)
    gone = entered(correction(first, source="cli", why="cancelled"), 200)
    assert (moved.kind, moved.corrects, moved.at) == ("correction", first.id, AT)
    stated = fold([first, moved], "c")
    assert stated.events.maintenance[0].end == parse_instant(LATER)
    assert stated.statements[0].remarks[0].startswith("moved from 2026-10-05T01:00:00Z - 2026-10-05T02:00:00Z at ")
    assert stated.statements[0].remarks[1] == "declared only when it had begun"
    stated = fold([first, moved, gone], "c")
    assert stated.events.maintenance == ()
    (one,) = stated.statements
    assert one.withdrawn
    assert "withdrawn" in one.remarks
    assert [(v.event_id, v.entered_at, v.why) for v in one.versions] == [
        (first.id, first.entered_at, ""), (moved.id, moved.entered_at, "moved"),
        (gone.id, gone.entered_at, "cancelled"),
    ]  # fmt: skip
    back = entered(
        dataclasses.replace(correction(first, source="cli", why="not after all", data=WINDOW), corrects=gone.id), 300
    )
    assert fold([first, moved, gone, back], "c").events.maintenance[0].end == AT + HOUR
    assert fold([first, moved, gone, back], "c", known_at=first.entered_at).events.maintenance[0].announced is not None
    assert fold([first, moved], "other").statements == ()


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("maintenence", {}, "there is no kind of event 'maintenence'"),
        ("maintenance", {"start": AT, "end": AT + 1}, "an event names its contract"),
        ("maintenance", {**WINDOW, "end": "2026-10-05T01:00:00Z"}, "end is not after start"),
        ("maintenance", {**WINDOW, "kind": "shceduled"}, "did you mean 'scheduled'"),
        ("exclusion", WINDOW, "needs 'reason'"),
        ("exclusion", {**WINDOW, "reson": "x", "reason": "x"}, "did you mean 'reason'"),
        ("report", {"contract": "c", "at": "today"}, "'today' is not an instant"),
        ("report", {"contract": "c", "at": 10**20}, "is no instant in ms since 1970"),
        ("maintenance", {**WINDOW, "note": "a\ud800b"}, "half a character"),
        ("ticket", {"contract": "c", "id": "1", "opened": AT}, "needs 'severity'"),
        ("ticket_reached", {"contract": "c", "id": "1", "milestone": "done", "at": AT}, "'done' is no milestone"),
        ("ticket_waiting", {"contract": "c", "id": "1", "start": AT, "end": AT - 1}, "ends before it starts"),
        ("correction", {"withdraw": True}, "names the event that it corrects"),
        ("start", {}, "needs the time that it speaks of"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused(kind, data, says):
    """What cannot be counted is refused on entry, with a sentence."""
    with pytest.raises(BadEvent, match=says):
        make(kind, data, source="cli")


def test_corrections_are_of_what_people_stated():
    """A correction either replaces or withdraws, and only what people stated can be corrected."""
    with pytest.raises(BadEvent, match="either replaces"):
        make("correction", {"why": "?"}, source="cli", at=AT, corrects="E1")
    with pytest.raises(BadEvent, match="only a correction"):
        make("start", {}, source="cli", at=AT, corrects="E1")
    with pytest.raises(BadEvent, match="kind 'start' cannot be corrected"):
        correction(Event(kind="start", at=AT, id="E1"), source="cli", why="x")


def test_an_event_of_a_newer_version_is_passed_over_and_named():
    """Data that is not understood counts for nothing, and is not lost silently."""
    strange = entered(Event(kind="maintenance", at=AT, data={**WINDOW, "colour": "blue"}))
    stated = fold([strange], "c")
    assert stated.events.maintenance == ()
    assert [(event.id, "colour" in why) for event, why in stated.ignored] == [(strange.id, True)]


def test_kinds_are_told_apart():
    """A kind is entered by people or by the monitor, and says what it means."""
    assert not set(PEOPLE) & set(MONITOR)
    assert all(KINDS.values())
