"""Slots are handed out once each or accounted for, whatever the clocks do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.load import TargetConfig
from monitor.config.models import Reprobe
from monitor.probing.schedule import Disturbance, Due, Guard, Ledger
from monitor.probing.slots import count_slots, first_slot, offset_ms, slot_of
from monitor.store import Gap
from probes.tcp import Target

T0 = 1_790_812_800_000
MINUTE = 60_000


def target(name: str = "a", interval: int = MINUTE, contract: str | None = None, **reprobe: int) -> TargetConfig:
    return TargetConfig(
        name=name,
        kind="tcp",
        probe=Target(host="127.0.0.1", port=9),
        interval_ms=interval,
        timeout_ms=interval * 9 // 10,
        contract=contract,
        reprobe=Reprobe(**reprobe),
    )


def finish(due: Due) -> list[tuple[str, int]]:
    """End every probe that was started; the slots that they fill."""
    for entry, slot in due.slots:
        entry.running_slot = None
        entry.last_at = slot
    for entry in due.extras:
        entry.running_extra = False
    return [(entry.name, slot) for entry, slot in due.slots]


def test_each_target_is_due_on_its_own_slot_of_the_grid() -> None:
    """The slots are those of the grid, for each target its own."""
    ledger = Ledger("main")
    ledger.add(target("a"), T0)
    ledger.add(target("b", 5_000), T0)
    seen: list[tuple[str, int]] = []
    now = T0
    while (when := ledger.next_due()) is not None and when < T0 + 5 * MINUTE:
        now = when
        seen += finish(ledger.collect(now))
    expected = [
        (name, slot)
        for name, interval in (("a", MINUTE), ("b", 5_000))
        for slot in range(first_slot(T0, interval, offset_ms(name, interval)), T0 + 5 * MINUTE, interval)
    ]
    assert sorted(seen) == sorted(expected)


def test_a_slot_is_filled_late_by_five_seconds_at_most() -> None:
    """A little late is late, much later is missed and said so."""
    ledger = Ledger("main")
    entry = ledger.add(target(), T0)
    slot = entry.next_slot
    assert finish(ledger.collect(slot + 4_999)) == [("a", slot)]
    due = ledger.collect(slot + MINUTE + 5_001)
    assert not due.slots
    assert [(g.start, g.end, g.slots, g.reason) for g in due.gaps] == [
        (slot + MINUTE, slot + 2 * MINUTE, 1, "loop_stalled")
    ]


def test_a_probe_that_still_runs_costs_the_next_slot() -> None:
    """Overlong probes leave a gap each, with the reason, and no second probe."""
    ledger = Ledger("main")
    entry = ledger.add(target(), T0)
    slot = entry.next_slot
    assert ledger.collect(slot).slots == [(entry, slot)]
    due = ledger.collect(slot + MINUTE)
    assert not due.slots
    assert [(g.start, g.slots, g.reason) for g in due.gaps] == [(slot + MINUTE, 1, "overrun")]
    entry.running_slot = None
    assert ledger.collect(slot + 2 * MINUTE).slots == [(entry, slot + 2 * MINUTE)]


@pytest.mark.parametrize("reason", ["loop_stalled", "suspended", "clock_stepped_forward"])
def test_lost_time_is_a_gap_with_its_reason(reason: str) -> None:
    """Stall, suspend and a clock set forward are told apart."""
    ledger = Ledger("main")
    entry = ledger.add(target(), T0)
    slot = entry.next_slot
    finish(ledger.collect(slot))
    assert not ledger.disturb(Disturbance(start=slot + 1_000, end=slot + 601_000, reason=reason, seconds=600.0))
    due = ledger.collect(slot + 601_000)
    assert [(g.start, g.end, g.slots, g.reason) for g in due.gaps] == [(slot + MINUTE, slot + 10 * MINUTE, 9, reason)]
    assert finish(due) == [("a", slot + 10 * MINUTE)]
    assert "600" in due.gaps[0].detail


@pytest.mark.parametrize("reason", ["loop_stalled", "suspended", "clock_stepped_forward"])
@pytest.mark.parametrize("after", [0, 400])
def test_a_probe_that_had_no_time_to_end_did_not_overrun(reason: str, after: int) -> None:
    """It ran as the clock jumped over the slots after its own: the jump is the reason, for the next slot as well."""
    ledger = Ledger("main")
    entry = ledger.add(target(interval=1_000), T0)
    slot = entry.next_slot
    assert ledger.collect(slot).slots == [(entry, slot)]
    end = slot + 600_000 - after
    ledger.disturb(Disturbance(start=slot + 200, end=end, reason=reason, seconds=600.0))
    due = ledger.collect(end) if after else Due([], [], [])
    later = ledger.collect(slot + 600_000)
    gaps = [*due.gaps, *later.gaps]
    assert not due.slots
    assert not later.slots
    assert sum(gap.slots for gap in gaps) == 600
    assert {gap.reason for gap in gaps} == {reason}
    entry.running_slot = None
    assert ledger.collect(slot + 601_000).slots == [(entry, slot + 601_000)]
    assert ledger.collect(slot + 602_000).gaps[0].reason == "overrun"


def test_two_disturbances_in_a_row_are_two_gaps() -> None:
    """Each slot bears the reason for which it was missed."""
    ledger = Ledger("main")
    entry = ledger.add(target(), T0)
    slot = entry.next_slot
    finish(ledger.collect(slot))
    ledger.disturb(Disturbance(start=slot + 1_000, end=slot + 181_000, reason="suspended", seconds=180.0))
    ledger.disturb(Disturbance(start=slot + 181_000, end=slot + 481_000, reason="clock_stepped_forward", seconds=300.0))
    due = ledger.collect(slot + 481_000)
    assert [(g.slots, g.reason) for g in due.gaps] == [(3, "suspended"), (4, "clock_stepped_forward")]
    assert finish(due) == [("a", slot + 480_000)]


def test_a_clock_set_back_repeats_no_slot() -> None:
    """The repeated time was accounted for; nothing is due until the clock has passed it, and a gap says so."""
    ledger = Ledger("main")
    entry = ledger.add(target(), T0)
    slot = entry.next_slot
    finish(ledger.collect(slot))
    ledger.failed(entry, slot + 500)
    gaps = ledger.disturb(
        Disturbance(start=slot - 599_000, end=slot + 1_000, reason="clock_stepped_back", seconds=600.0)
    )
    assert [(g.start, g.end, g.slots, g.reason) for g in gaps] == [
        (slot - 599_000, slot + 1_000, 0, "clock_stepped_back")
    ]
    assert ledger.next_due() == slot + MINUTE
    due = ledger.collect(slot - 599_000)
    assert not due.slots
    assert not due.extras
    assert not due.gaps
    ledger.failed(entry, slot - 590_000)  # a probe that ends in repeated time asks for no extra one
    assert ledger.next_due() == slot + MINUTE
    assert finish(ledger.collect(slot + MINUTE)) == [("a", slot + MINUTE)]


def test_extra_probes_follow_a_failure() -> None:
    """One second after, then every five for two minutes, then every fifteen, until it is good."""
    ledger = Ledger("main")
    entry = ledger.add(target(interval=3_600_000), T0)
    now = entry.next_slot
    finish(ledger.collect(now))
    ledger.failed(entry, now)
    begun, times = now, []
    for _ in range(40):
        due_at = ledger.next_due()
        assert due_at is not None
        now = due_at
        assert len(ledger.collect(now).extras) == 1
        entry.running_extra = False
        times.append((now - begun) // 1000)
        ledger.failed(entry, now)
    assert times[:4] == [1, 6, 11, 16]
    assert times[24:28] == [121, 136, 151, 166]
    ledger.good(entry)
    assert ledger.next_due() == entry.next_slot


def test_extra_probes_give_way_to_the_slot() -> None:
    """No extra probe starts when the slot is about to come, or while the scheduled one runs."""
    ledger = Ledger("main")
    entry = ledger.add(target(interval=1_000), T0)
    slot = entry.next_slot
    finish(ledger.collect(slot))
    ledger.failed(entry, slot + 20)
    assert ledger.next_due() == slot + 1_000
    other = ledger.add(target("b", 10_000), T0)
    when = other.next_slot - 2_000
    ledger.failed(other, when)
    assert other.next_extra == when + 1_000
    other.running_slot = 1
    assert not ledger.collect(when + 1_000).extras


def test_a_provider_gets_no_more_extra_probes_than_its_share() -> None:
    """The bound holds for all targets of a contract together; those beyond it wait."""
    ledger = Ledger("main")
    entries = [ledger.add(target(f"t{n}", 3_600_000, "mailgun", per_minute=6), T0) for n in range(5)]
    now = T0
    for entry in entries:
        if entry.next_slot - now < 180_000:
            continue
        ledger.failed(entry, now)
    asked = 0
    for step in range(60):
        for entry in ledger.collect(now + step * 1_000).extras:
            entry.running_extra = False
            asked += 1
            ledger.failed(entry, now + step * 1_000)
    assert asked == 6


def test_many_slots_are_gathered_and_keep_their_distance() -> None:
    """About eight are started together, a target always as long after its slot; few are not held back at all."""
    ledger = Ledger("main")
    ledger.add(target("lonely"), T0)
    assert ledger.next_due() == next(iter(ledger.entries.values())).next_slot
    for number in range(1_000):
        ledger.add(target(f"t{number}"), T0)
    starts: dict[str, list[int]] = {}
    batches = 0
    while (when := ledger.next_due()) is not None and when < T0 + 3 * MINUTE:
        batches += 1
        for name, slot in finish(ledger.collect(when)):
            assert 0 <= when - slot < 200
            starts.setdefault(name, []).append(when)
    assert 2_700 <= sum(map(len, starts.values())) <= 3_003
    assert batches <= 3 * 300
    assert all(later - earlier == MINUTE for of in starts.values() for earlier, later in pairwise(of))
    for number in range(1_000):
        ledger.remove(f"t{number}", T0)
    assert ledger.next_due() == ledger.entries["lonely"].next_slot


def test_a_target_that_was_taken_out_is_due_no_more() -> None:
    """What was removed starts nothing."""
    ledger = Ledger("main")
    entry = ledger.add(target(), T0)
    ledger.failed(entry, T0)
    ledger.remove("a", T0)
    assert ledger.next_due() is None
    assert not ledger.collect(T0 + 10 * MINUTE).slots


steps = st.lists(
    st.tuples(st.sampled_from(["pass", "stall", "forward", "back", "suspend"]), st.integers(1, 900_000), st.booleans()),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(steps=steps, interval=st.integers(1_000, 600_000))
def test_the_balance_holds_whatever_happens(steps: Iterable[tuple[str, int, bool]], interval: int) -> None:
    """Observations + gaps = slots, over any sequence of passing, stalls, suspends and steps of the clock."""
    ledger = Ledger("main")
    entry = ledger.add(target(interval=interval), T0)
    begin, now, highest = entry.next_slot, T0, T0
    filled: list[int] = []
    gaps: list[Gap] = []

    def collect() -> None:
        due = ledger.collect(now)
        gaps.extend(due.gaps)
        for slot in [slot for _, slot in due.slots]:
            assert slot <= now < slot + interval
            assert slot_of(now, interval, entry.offset) == slot
            filled.append(slot)

    collect()  # the first slot may be due at once
    for what, ms, ends in steps:
        if ends:
            entry.running_slot = None
        if what == "pass":
            end = now + ms
            while (when := ledger.next_due()) is not None and when <= end and len(filled) < 3_000:
                now = max(now, when)
                collect()
                if ends:
                    entry.running_slot = None
            now = max(now, end)
        elif what == "back":
            gaps += ledger.disturb(Disturbance(start=now - ms, end=now, reason="clock_stepped_back", seconds=ms / 1e3))
            now -= ms
        else:
            reason = {"stall": "loop_stalled", "forward": "clock_stepped_forward", "suspend": "suspended"}[what]
            ledger.disturb(Disturbance(start=now, end=now + ms, reason=reason, seconds=ms / 1e3))
            now += ms
        collect()
        highest = max(highest, now)
    expected = count_slots(begin, highest + 1, interval, entry.offset)
    # A slot that is late but may yet be missed as a whole reaches one past `highest` at the most.
    ahead = max(0, (entry.next_slot - first_slot(highest + 1, interval, entry.offset)) // interval)
    assert len(filled) + sum(gap.slots for gap in gaps) == expected + ahead
    assert len(set(filled)) == len(filled)


def test_the_guard_tells_what_happened_to_the_clocks() -> None:
    """Each of the three clocks standing still or jumping has its name."""
    guard = Guard(T0, 100.0, 100.0, 0.5)
    assert guard.look(T0 + 500, 100.5, 100.5) == []
    (stall,) = guard.look(T0 + 300_500, 400.5, 400.5)
    assert (stall.reason, stall.seconds, stall.start, stall.end) == ("loop_stalled", 300.0, T0 + 500, T0 + 300_500)
    (suspend,) = guard.look(T0 + 900_500, 401.0, 1000.5)
    assert suspend.reason == "suspended"
    (forward,) = guard.look(T0 + 1_501_000, 401.5, 1001.0)
    assert (forward.reason, forward.seconds) == ("clock_stepped_forward", 600.0)
    assert (forward.start, forward.end) == (T0 + 901_000, T0 + 1_501_000)
    (back,) = guard.look(T0 + 901_500, 402.0, 1001.5)
    assert (back.reason, back.seconds) == ("clock_stepped_back", 600.0)
    assert (back.start, back.end) == (T0 + 901_500, T0 + 1_501_500)


def test_slewing_is_no_step() -> None:
    """A clock that is being drawn right by half a part in a thousand is left alone."""
    guard = Guard(T0, 100.0, 100.0, 0.5)
    for n in range(1, 200):
        assert guard.look(T0 + round(n * 500.25), 100.0 + n * 0.5, 100.0 + n * 0.5) == []


def test_lost_time_is_known_at_once() -> None:
    """What the loop lost counts from the moment it is late, not from its next beat."""
    guard = Guard(T0, 100.0, 100.0, 0.5)
    assert guard.lost_s(100.4) == 0
    assert guard.lost_s(103.5) == pytest.approx(3.0)
    guard.beat(103.5)
    assert guard.lost_s(103.6) == pytest.approx(3.0)
