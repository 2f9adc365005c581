"""Whether our own clock is in doubt, judged by others."""

from monitor.probing.foreign_clocks import ForeignClocks


def test_one_witness_is_not_enough() -> None:
    """A provider whose own clock is wrong does not put ours in doubt; two that agree do."""
    clocks = ForeignClocks()
    clocks.told("a", 600_000, 0.0)
    assert not clocks.suspect(1.0)
    clocks.told("b", 601_000, 1.0)
    assert clocks.suspect(2.0)
    clocks.told("c", 100, 2.0)
    clocks.told("d", -200, 2.0)
    clocks.told("e", 0, 2.0)
    assert not clocks.suspect(3.0), "the median of five is near"


def test_what_was_said_long_ago_counts_no_more() -> None:
    """After an hour the witnesses must have spoken again."""
    clocks = ForeignClocks()
    for name in "ab":
        clocks.told(name, 600_000, 0.0)
    assert clocks.suspect(3_600.0)
    assert not clocks.suspect(3_601.0)
