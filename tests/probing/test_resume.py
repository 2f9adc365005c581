"""After a start: every slot since the last configuration is an observation or a gap."""

from __future__ import annotations

from types import SimpleNamespace

from monitor.probing.resume import missed_while_away
from monitor.sla.values import Observation
from monitor.store import Event, Gap

T0 = 1_790_812_800_000
SECOND = 1000


class Kept:
    """A reader over lists."""

    def __init__(self, rows: list[int], gaps: list[tuple[int, int, int]]) -> None:
        known = {"a": {"interval_ms": SECOND, "offset_ms": 0, "timeout_ms": 500}}
        self.data = {"targets": known}
        self._rows = [Observation(T0 + at, "a", "main", True, "ok", 1) for at in rows]
        self._gaps = [
            Gap(target="a", location="main", start=T0 + start, end=T0 + end, slots=slots, reason="overrun")
            for start, end, slots in gaps
        ]

    def events(self, *, kinds):
        return [Event(kind="config", at=T0, data=self.data)]

    def observations(self, start, end, *, targets, location):
        return [row for row in self._rows if start <= row.at < end]

    def gaps(self, start, end, *, targets, location):
        return [gap for gap in self._gaps if gap.start < end and gap.end > start]


def missed(rows, gaps, now):
    """Start, slots and reason of each gap that is found."""
    kept = Kept(rows, gaps)
    found, _, changed = missed_while_away(kept, SimpleNamespace(location="main"), kept.data, T0 + now)
    assert not changed
    return sorted((gap.start - T0, gap.slots, gap.reason) for gap in found)


def test_slots_since_the_last_one_accounted_for_are_missed():
    """What passed since the last observation or gap was missed because nothing ran."""
    assert missed([3, 1002], [], 5500) == [(2000, 4, "not_running")]
    assert missed([3], [(1000, 3000, 2)], 3000) == []
    assert missed([], [], 2000) == [(0, 2, "not_running")]


def test_a_probe_that_was_under_way_while_later_slots_were_accounted_for_is_a_gap():
    """A daemon that died with a probe under way, after the slots behind it had become gaps, leaves no hole."""
    assert missed([3], [(2000, 4000, 2)], 4000) == [(1000, 1, "shutdown")]
    assert missed([3, 3001], [(2000, 3000, 1)], 5000) == [(1000, 1, "shutdown"), (4000, 1, "not_running")]


def test_a_target_that_comes_back_fills_no_slot_twice():
    """Taken out, and put back at a later start: a slot that had been filled is not probed for as a new target's is."""
    new = {"targets": {"b": {"interval_ms": 60 * SECOND, "offset_ms": 0}}}
    config = SimpleNamespace(location="main")
    for filled, gone, cursor in ((50, None, T0 + 100_000), (70, None, None), (0, (50_000, 70_000), None)):
        kept = Kept([], [])
        if filled:
            kept._rows = [Observation(T0 + 10_000 + filled * SECOND, "b", "main", filled == 50, "ok", 1)]
        if gone:
            kept._gaps = [Gap(target="b", location="main", start=T0 + gone[0], end=T0 + gone[1], slots=1, reason="x")]
            cursor = T0 + 100_000
        _, cursors, _ = missed_while_away(kept, config, new, T0 + 100_000)
        assert cursors.get("b") == cursor, (filled, gone)
