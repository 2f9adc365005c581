"""The sandbox's script of faults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sandbox.script import SHOW, Fault, script
from monitor.sandbox.stage import NAMES

TWO = script([("a", 10, 20, Fault.ERROR), ("b", 15, 30, Fault.REFUSE)], cycle_s=60)


@pytest.mark.parametrize(
    ("elapsed", "playing"),
    [
        (0, {}),
        (10, {"a": Fault.ERROR}),
        (15, {"a": Fault.ERROR, "b": Fault.REFUSE}),
        (20, {"b": Fault.REFUSE}),
        (30, {}),
        (70, {"a": Fault.ERROR}),
    ],
)
def test_a_fault_lasts_from_its_start_to_its_end_in_every_cycle(elapsed: float, playing: dict[str, Fault]) -> None:
    """A fault is shown in [start, end) of each round."""
    assert TWO.playing(elapsed) == playing


@given(st.floats(0, 10_000))
def test_nothing_changes_before_the_next_change(elapsed: float) -> None:
    """Between two edges every provider shows the same."""
    step = SHOW.next_change(elapsed)
    assert step > 0
    assert SHOW.playing(elapsed) == SHOW.playing(elapsed + step * 0.999)


def test_an_act_beyond_the_cycle_is_refused() -> None:
    """An act that would never end is a mistake."""
    with pytest.raises(ValueError, match="does not fit"):
        script([("a", 50, 61, Fault.ERROR)], cycle_s=60)


def test_the_show_has_every_fault_and_only_known_providers() -> None:
    """The shipped script shows each kind of fault, each long enough to be seen by a probe a minute."""
    assert {act.fault for act in SHOW.acts} == set(Fault)
    assert {act.provider for act in SHOW.acts} <= set(NAMES)
    assert all(act.end_s - act.start_s > 61 for act in SHOW.acts)
