"""Lengths of time as people write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import monitor.config.models
import probes._fields
from monitor.durations import parse_duration, say_duration, write_duration
from monitor.sla.fields import Reading
from probes._durations import PATTERN


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
        ("60", "write a number and a unit, like 60s"),
        ("0", "like 0s"),
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


def _by_model(kind: object, text: str) -> int | str:
    """What a setting of this type reads, or what it says."""
    try:
        return int(TypeAdapter(kind).validate_python(text))
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"])


def _by_contract(text: str) -> int | str:
    reading = Reading()
    value = reading.duration(text, ("notice",), what="notice")
    return reading.faults[0].message if value is None else value


@pytest.mark.parametrize("text", ["90s", "1h30m", "2w", "1.5h", " 5 m ", "60", "1 hour", "-5s", "0.0001s", "200000d"])
def test_one_grammar_for_everything(text: str) -> None:
    """Probes, the monitor's own settings and contracts read the same lengths, and say the same of what is none."""
    try:
        expected: int | str = parse_duration(text)
    except ValueError as error:
        expected = str(error)
    assert _by_model(probes._fields.Duration, text) == expected
    assert _by_model(monitor.config.models.Reprobe.model_fields["every"].rebuild_annotation(), text) == expected
    assert _by_contract(text) == expected


@given(st.text("0159. msmhdw", max_size=12))
def test_an_editor_accepts_what_is_read(text: str) -> None:
    """The pattern of the published schema lets through what is read, and refuses what is no length of time."""
    accepted = re.search(f"^{PATTERN}$", text) is not None
    said = _by_model(probes._fields.Duration, text)
    assert accepted == (isinstance(said, int) or "is not a length of time" not in said)
