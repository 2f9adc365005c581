"""Lengths of time as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.durations import parse_duration, say_duration, write_duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [("60s", 60_000), ("5m", 300_000), ("8h", 28_800_000), ("7d", 604_800_000), ("2w", 1_209_600_000), ("250ms", 250),
     ("1h30m", 5_400_000), ("1h 30m", 5_400_000), ("0s", 0), ("1.5h", 5_400_000), ("0.25s", 250)],
)  # fmt: skip
def test_lengths_are_read(text: str, ms: int) -> None:
    """A number and a unit, or several of them."""
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("60", "write a number and a unit like 60s, 5m, 8h or 30d, write 60s"),
        ("0", "write 0s"),
        ("", "is not a length of time"),
        ("5 minutes", "is not a length of time"),
        ("-5m", "is not a length of time"),
        ("1e3s", "is not a length of time"),
        ("0.0001s", "is not a whole number of milliseconds"),
        ("9999999d", "is longer than a hundred years"),
        ("9" * 50 + "d", "is longer than a hundred years"),
    ],
)
def test_what_is_no_length(text: str, said: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(ValueError, match=said):
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_what_is_written_is_read_back(ms: int) -> None:
    """Writing and reading agree, to the millisecond."""
    assert parse_duration(write_duration(ms)) == ms


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0 s"),
        (259_200, "4 min 19.2 s"),
        (93_784_005, "1 d 2 h 3 min 4.005 s"),
        (3_600_000, "1 h"),
        (-500, "-0.5 s"),
    ],
)
def test_lengths_are_said_exactly(ms: int, said: str) -> None:
    """Nothing is rounded for the reader."""
    assert say_duration(ms) == said
