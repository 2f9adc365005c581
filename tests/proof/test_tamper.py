"""Whatever is changed in a bundle shows, in each verifier, with its place. The whole campaign: make campaign-proof."""

from __future__ import annotations

import itertools

import pytest

from monitor.proof.verdict import INVALID
from monitor.proof.verify import Known, verify
from tests import verify_bundle
from tests.proof import tamper
from tests.proof.world import SIGNER, recompute

KNOWN = Known(keys=(SIGNER.key,))


def check(name: str, data: bytes) -> None:
    """Both verifiers refuse it; the first one says where."""
    verdict = verify(data, KNOWN, recompute)
    assert verdict.status == INVALID, name
    assert all(place for place in verdict.places()), name
    if "observation" in name:
        assert any("2026-10-0" in place or "api" in place for place in verdict.places()), (name, verdict.places())
    try:
        missing = verify_bundle.verify(data, [str(SIGNER.key)])
    except Exception:  # it raises whatever malformed input makes Python raise
        return
    # a recount is what the small verifier leaves out
    assert "evaluation" in name, (name, missing)


def test_untouched(bundle: bytes) -> None:
    """The bundle itself is good, but for timestamps."""
    assert [step.name for step in verify(bundle, KNOWN, recompute).steps if step.state in ("but", "bad")] == [
        "timestamps"
    ]
    assert verify_bundle.verify(bundle, [str(SIGNER.key)]) == ["timestamps"]
    assert verify_bundle.verify(bundle) == ["a key to compare with", "timestamps"]


def test_what_is_edited_is_all_that_is_wrong(bundle: bytes) -> None:
    """The campaign's own way of writing a bundle, with no edit at all, leaves it as good as it was."""
    same = tamper.edited(bundle, lambda _: None)
    assert verify(same, KNOWN, recompute).places() == []
    assert verify_bundle.verify(same, [str(SIGNER.key)]) == ["timestamps"]


@pytest.mark.parametrize("part", range(4))
def test_flipped_bytes_show(bundle: bytes, part: int) -> None:
    """A flipped byte is found, wherever it stands."""
    for name, data in tamper.flips(bundle, step=28, start=part * 7):
        check(name, data)


def test_what_is_cut_off_or_added_shows(bundle: bytes) -> None:
    """A file with something missing or more is refused."""
    for name, data in tamper.cuts(bundle):
        check(name, data)


def test_observations_cannot_be_changed_by_who_signs_bundles(bundle: bytes) -> None:
    """Dropping, doubling, swapping or altering an observation shows even under a head that is signed anew."""
    for name, data in tamper.rows(bundle, step=5):
        check(name, data)


def test_events_cannot_be_changed_by_who_signs_bundles(bundle: bytes) -> None:
    """Altering, dropping, doubling or swapping an event shows even under a head that is signed anew."""
    for name, data in tamper.events(bundle):
        check(name, data)


def test_the_chain_cannot_be_changed_by_who_signs_bundles(bundle: bytes) -> None:
    """Replacing a checkpoint, an entry, a heartbeat, a proof or a secret shows under a head that is signed anew."""
    for name, data in itertools.chain(
        tamper.chain(bundle), tamper.withheld(bundle), tamper.words(bundle), tamper.evaluation(bundle)
    ):
        check(name, data)
