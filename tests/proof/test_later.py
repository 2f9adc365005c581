"""A statement made later: it goes on to the newest entry, and withholds the observations of the days after its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from monitor.proof.container import read_container
from monitor.proof.ledger import day_start
from monitor.proof.segment import Row, Rows, Segment
from monitor.proof.verdict import INVALID, VALID_BUT
from monitor.proof.verify import Known, verify
from monitor.proving.prover import last_shown
from monitor.proving.recount import recount
from tests import verify_bundle
from tests.proof import tamper
from tests.proof.browser import opened, verify_in
from tests.proof.world import SIGNER, World
from tests.servers.chromium import launch

KNOWN = Known(keys=(SIGNER.key,))


@dataclass
class Failing(World):
    """On some days the last probe fails."""

    failing: float = 0
    bad: Sequence[str] = ()

    def segment(self, day: str, target: str, location: str) -> Segment:
        made = super().segment(day, target, location)
        rows = list(made.rows.rows())
        if day in self.bad:
            rows[-1] = rows[-1]._replace(outcome="refused", code=None)
        return replace(made, rows=Rows.of(rows))


@pytest.fixture(scope="module")
def shown() -> Iterator[Any]:
    """The page, open."""
    with launch() as browser, opened(browser) as found:
        yield found


@pytest.mark.parametrize(
    ("failing", "last"),
    [((), "03"), (("01", "02"), "03"), (("03",), "04"), (("03", "04"), "05"), (("03", "04", "05", "06"), "06")],
)
def test_days_are_shown_until_all_was_well(shown: Any, failing: Sequence[str], last: str) -> None:
    """Where the last day ends with a failure, the days after it are shown until one ends well: else it is refused."""
    world = Failing(later=3, bad=[f"2026-10-{day}" for day in failing])
    assert last_shown(world.entries, "mailer", day_start("2026-10-04")) == f"2026-10-{last}"
    whole = world.real_bundle(days=("2026-10-01", f"2026-10-{last}"))
    verdict = verify(whole, KNOWN, recount)
    assert (verdict.status, verdict.places()) == (VALID_BUT, [])
    assert verify_in(shown, whole)["status"] == VALID_BUT
    assert verify_bundle.verify(whole, [str(SIGNER.key)])[0] == "timestamps"
    if last != "03":
        cut = world.real_bundle()
        assert verify(cut, KNOWN, recount).places() == ["2026-10-03, api from fra"]
        bad = [step[2:4] for step in verify_in(shown, cut)["steps"] if step[1] == "bad"]
        assert bad == [["fault_cut_short", "2026-10-03, api, fra"]]


def test_what_was_observed_late_counts_and_is_shown() -> None:
    """A supplement to a day of the period is shown, though it was sealed after days whose observations are withheld."""
    world = World(later=2)
    slot = world.entries[1].shown["mailer"].segments[0].gaps[0].start
    world.supplement("2026-10-02", [Row(slot + 3, 50, True, "ok", 200), Row(slot + 3_600_003, 51, True, "timeout")])
    world.supplement("2026-10-05", [Row(day_start("2026-10-05") + 5, 50, False, "ok", 200)])
    bundle = world.real_bundle()
    verdict = verify(bundle, KNOWN, recount)
    assert verdict.places() == []
    texts = [step.text for step in verdict.of("trees")]
    assert texts[1].startswith("The observations of 2 later days are withheld, 2026-10-04 to 2026-10-05:")
    assert any("72 observations" in step.text for step in verdict.of("balance"))
    assert verify_bundle.verify(bundle, [str(SIGNER.key)])[0] == "timestamps"


def test_later_events_count_and_cannot_be_withheld() -> None:
    """An exclusion that is stated after the period stands in the bundle; without it the bundle is refused."""
    start = day_start("2026-10-05")
    span = {"start": start, "end": start + 1000, "reason": "customer_error"}
    world = World(later=2, exclusions=[span])
    bundle = world.real_bundle()
    assert verify(bundle, KNOWN, recount).places() == []
    events = zlib.decompress(read_container(bundle).members["events.jsonl.z"])
    assert b'"exclusion"' in events

    def hide(members: tamper.Members) -> None:
        lines = tamper._lines(members, "events.jsonl.z")
        tamper._put_lines(members, "events.jsonl.z", [line for line in lines if b'"exclusion"' not in line])
        ledger = tamper._json(members, "ledger.json.z")
        ledger["entries"][-1]["shown"][1][3] -= 1
        tamper._put(members, "ledger.json.z", ledger)

    hidden = tamper.edited(bundle, hide)
    assert verify(hidden, KNOWN, recount).status == INVALID
    with pytest.raises(ValueError, match="left out"):
        verify_bundle.verify(hidden)


def test_a_later_day_costs_little() -> None:
    """A day more costs its entry and its events, not its observations."""
    sizes = [len(World(later=later, interval_ms=60_000).bundle()) for later in (1, 2)]
    assert sizes[1] - sizes[0] < 700


def test_a_bundle_without_digits_is_refused_in_a_sentence(shown: Any, bundle: bytes) -> None:
    """As they were written before there were any."""

    def older(members: tamper.Members) -> None:
        del members["digits"]

    old = tamper.edited(bundle, older)
    verdict = verify(old, KNOWN, recount)
    assert verdict.status == INVALID
    assert [step.text for step in verdict.steps if step.place == "digits"] == [
        "The bundle contradicts itself: the bundle has no such member."
    ]
    found = verify_in(shown, old)
    assert [step[2:4] for step in found["steps"] if step[1] == "bad"] == [["fault_no_member", "digits"]]
