"""Canonical bytes: RFC 8785, without floats."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.proof.canonical import NotCanonicalError, canonical, parse_canonical

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def test_keys_stand_in_the_order_of_their_utf16_units() -> None:
    """The example of RFC 8785 §3.2.3, whose order is not that of code points."""
    value = {"\u20ac": "Euro Sign", "\r": "Carriage Return",
             "\ufb33": "Hebrew Letter Dalet With Dagesh",
             "1": "One",
             "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control",
             "\u00f6": "Latin Small Letter O With Diaeresis"}  # fmt: skip
    order = ["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
             "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"]  # fmt: skip
    assert list(json.loads(canonical(value)).values()) == order


def test_strings_are_escaped_as_little_as_can_be() -> None:
    """The string of RFC 8785 §3.2.2.2 comes out as there."""
    assert canonical('\u20ac$\u000f\nA\'B"\\\\"/').decode() == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


@given(value=values)
def test_a_value_has_one_spelling(value: object) -> None:
    """What was written is read back, and nothing else is taken for it."""
    data = canonical(value)
    assert parse_canonical(data) == value
    with pytest.raises(NotCanonicalError):
        parse_canonical(data + b" ")


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, "\ud800", {1: 2}, b"x", {"a": [1.0]}])
def test_what_readers_could_take_differently_is_refused(value: object) -> None:
    """Floats, integers beyond 2**53, lone surrogates, keys that are no strings, things that are no JSON."""
    with pytest.raises(NotCanonicalError):
        canonical(value)


@pytest.mark.parametrize(
    "data", [b'{"b":1,"a":2}', b'{"a":1,"a":1}', b"1.0", b"1e3", b'"\\u0041"', b"[1, 2]", b"{", b"NaN"]
)
def test_other_spellings_are_refused(data: bytes) -> None:
    """Another order, a key twice, another spelling of a number or a string, white space."""
    with pytest.raises(NotCanonicalError):
        parse_canonical(data)
