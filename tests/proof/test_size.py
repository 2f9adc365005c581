"""Bundles are small, and small files stay small in a reader's memory."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.proof import merkle
from monitor.proof.columns import ColumnError, Packed, cut, joined, pack, unpack
from monitor.proof.digits import put_back, take_out
from monitor.proof.segment import Kind, Row, Rows, Segment, transcript_leaf
from monitor.proof.verify import Known, verify
from monitor.proving.recount import recount
from tests import verify_bundle
from tests.proof import tamper
from tests.proof.browser import opened, verify_in
from tests.proof.world import SIGNER, World
from tests.servers.chromium import launch

KNOWN = Known(keys=(SIGNER.key,))
MONTH = 65_536


def test_a_month_with_ninety_outages_takes_64_kib() -> None:
    """One target, once a minute, with hourly heartbeats: the bundle stays within the size that was promised."""
    world = World(days=31, interval_ms=60_000, others=0, beat_every_ms=3_600_000, failing=0.002, before_days=1)
    bundle = world.real_bundle()
    verdict = verify(bundle, KNOWN, recount)
    assert verdict.places() == []
    outages = sum(
        row.outcome != "ok" for e in world.entries for s in e.shown["mailer"].segments for row in s.rows.rows()
    )
    assert outages >= 90
    assert len(bundle) <= MONTH


# --- digits ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["é", '"', "a" * 15, "0" * 16, "b" * 40, "c" * 64, "d" * 80, "1790812800012"])))
def test_digits_come_back(parts: list[str]) -> None:
    """Whatever of a text is taken out comes back; less or more than that is refused."""
    texts = {"one": "".join(parts).encode(), "two": "".join(reversed(parts)).encode()}
    short, taken = take_out(texts)
    assert put_back(short, taken) == texts
    for other in (taken[:-1], taken + b"0"):
        if other != taken:
            with pytest.raises(ValueError, match="bytes of digits"):
                put_back(short, other)


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("low", [8, 4, 2, 1])
@pytest.mark.parametrize("top", [0, 1, 3, 200, 255, 256, 70_000, 1 << 45])
def test_columns_come_back(low: int, top: int) -> None:
    """Whatever the planes, the numbers are the same."""
    for base in (0, 7, -5):
        numbers = [base + (n * 7919) % (top + 1) for n in range(37)]
        assert joined(cut(numbers, low), len(numbers)) == numbers


def test_observations_come_back_as_they_were() -> None:
    """Scheduled ones and follow-ups, an order that goes back (a supplement), nothing at all."""
    rows = [
        Row(1000, 5, False, "ok", 200),
        Row(60_003, 12, True, "timeout", None, "no answer"),
        Row(61_009, 11, False, "ok", 200),
        Row(120_001, 13, True, "ok", 200),
        Row(59_000, 13, False, "refused"),
        Row(0, 0, True, "ok"),
    ]
    for some in (rows, rows[1:4], rows[:1], rows[3:], []):
        assert list(unpack(pack(Rows.of(some), 60_000)).rows()) == some


def test_what_packs_too_well_is_packed_less(bundle: bytes) -> None:
    """A million observations that are all alike are not a handful of bytes: no reader would believe them."""
    many = 300_000
    rows = Rows([60_000 * n for n in range(many)], [3] * many, [0] * many, (Kind(True, "ok"),))
    packed = pack(rows, 60_000)
    assert many <= 1000 + 8 * len(packed.data)
    assert unpack(packed) == rows


def test_a_head_that_cannot_be_is_refused() -> None:
    """Widths and counts that nobody would write."""
    packed = pack(Rows.of([Row(60_000 * n, n, True, "ok") for n in range(9)]), 60_000)
    for change in (
        {"rows": 8}, {"rows": -1}, {"rows": 10**12}, {"rows": None}, {"columns": []}, {"columns": [[0, [3]]] * 5},
        {"columns": [[0, [8] * 9]] * 5}, {"columns": [[None, []]] * 5}, {"kinds": []},
    ):  # fmt: skip
        with pytest.raises(ColumnError):
            unpack(Packed({**packed.head, **change}, packed.data))


# --- transcripts ----------------------------------------------------------------------------------------------------


def test_a_segment_commits_to_its_transcripts() -> None:
    """The header's root is that of a tree of the transcripts' digests, so that one can be shown with its path."""
    digests = [f"{n:064x}" for n in range(5)]
    rows = [Row(60_000 * n, 9, True, "timeout", evidence=digest) for n, digest in enumerate(digests)]
    segment = Segment(
        "1970-01-01", "api", "fra", (), (), Rows.of([*rows, Row(400_000, 9, True, "ok")]), supplement=True
    )
    leaves = [transcript_leaf(row.at, str(row.evidence)) for row in rows]
    count, root = segment.rows.transcripts() or (0, "")
    assert f'"evidence":[{count},"{root}"]'.encode() in segment.header()
    path = merkle.multiproof(leaves, [3])
    assert merkle.root_of_proof(count, {3: transcript_leaf(180_000, digests[3])}, path).hex() == root
    assert merkle.root_of_proof(count, {3: transcript_leaf(180_001, digests[3])}, path).hex() != root


# --- bombs ----------------------------------------------------------------------------------------------------------


def _member(members: tamper.Members) -> None:
    members["events.jsonl.z"] = zlib.compress(bytes(300_000_000), 9)


def _rows(members: tamper.Members) -> None:
    heads = tamper._json(members, "series.json.z")
    heads[0] |= {"rows": 500_000_000, "columns": [[0, []]] * 5}
    tamper._put(members, "series.json.z", heads)


def _fewer_than_none(members: tamper.Members) -> None:
    heads = tamper._json(members, "series.json.z")
    empty = {**heads[0], "rows": -500_000_000, "columns": [[0, []]] * 5, "target": "b"}
    tamper._put(members, "series.json.z", [{**heads[0], "rows": 500_000_000, "columns": [[0, []]] * 5}, empty])


BOMBS = {"events.jsonl.z": _member, "series.json.z": _rows, "series": _fewer_than_none}


@pytest.fixture(scope="module")
def shown() -> Iterator[Any]:
    """The page, open."""
    with launch() as browser, opened(browser) as found:
        yield found


@pytest.mark.parametrize("place", BOMBS)
def test_a_small_file_does_not_fill_the_memory(bundle: bytes, shown: Any, place: str) -> None:
    """Each verifier refuses a bomb, in Python with less memory than it would take."""
    bomb: Callable[[tamper.Members], None] = BOMBS[place]
    data = tamper.edited(bundle, bomb)
    assert len(data) < 600_000
    tracemalloc.start()
    try:
        verdict = verify(data, KNOWN, recount)
        with pytest.raises(ValueError, match=r"bomb|too many"):
            verify_bundle.verify(data, [str(SIGNER.key)])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert any(place in one for one in verdict.places())
    assert most < 150_000_000
    found = verify_in(shown, data)
    assert any(step[1] == "bad" and place in step[3] for step in found["steps"]), found["steps"]


def test_a_statement_with_a_bomb_attached_is_refused() -> None:
    """The attachment of a PDF is inflated no further than a bundle of its size may go."""
    packed = zlib.compress(b"slaproof bundle 1\n" + bytes(400_000_000), 9)
    head = f"1 0 obj\n<</Type /EmbeddedFile /Filter /FlateDecode /Length {len(packed)}>>\nstream\n".encode()
    tracemalloc.start()
    try:
        verdict = verify(b"%PDF-1.7\n" + head + packed + b"\nendstream\nendobj\n", KNOWN, recount)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert verdict.status == "INVALID"
    assert most < 150_000_000
