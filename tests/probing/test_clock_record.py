"""Few events for many readings of the clock, none of them left out."""

from typing import Any

from monitor.probing.adjtime import ClockState
from monitor.probing.clock_record import ClockRecord


def state(offset_ms: float, *, synchronised: bool = True) -> ClockState:
    return ClockState(
        offset_s=offset_ms / 1000,
        estimated_error_s=abs(offset_ms) / 500,
        max_error_s=abs(offset_ms) / 100,
        synchronised=synchronised,
    )


def told(events: list[dict[str, Any]]) -> list[tuple[int, int, bool]]:
    return [(one["readings"], one["offset_us"], one["synchronised"]) for one in events]


def test_an_event_stands_for_all_readings_since_the_one_before() -> None:
    """The first reading at once; then every six hours how many there were, and the largest of each error."""
    record = ClockRecord()
    assert told(record.read(state(3), 0)) == [(1, 3_000, True)]
    events = [one for now in range(30, 21_601, 30) for one in record.read(state(-9 if now == 6_000 else 1), now)]
    assert told(events) == [(720, -9_000, True)]
    assert (events[0]["estimated_error_us"], events[0]["max_error_us"]) == (18_000, 90_000)
    assert record.rest() == []
    assert record.read(state(2), 21_630) == []
    assert told(record.rest()) == [(1, 2_000, True)], "at the end nothing is lost"


def test_a_change_of_mind_is_told_at_once() -> None:
    """What was read before it stands by itself, and so does what comes after it."""
    record = ClockRecord()
    record.read(state(1), 0)
    record.read(state(1), 30)
    assert told(record.read(state(40, synchronised=False), 60)) == [(1, 1_000, True), (1, 40_000, False)]
    assert told(record.read(state(1), 90)) == [(1, 1_000, True)]
