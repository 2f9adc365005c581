"""A whole month of one target fits into 64 KiB, through the whole chain from the store to the bundle."""

import argparse
from itertools import pairwise
from pathlib import Path

from monitor.proof.container import read_container
from monitor.proof.pdf import bundle_of
from monitor.proof.proven import read_proven
from tests.bench import proof

MONTH = 65_536


async def test_a_month_with_ninety_outages_and_their_follow_ups_takes_64_kib(tmp_path: Path) -> None:
    """One target, once a minute; 33 sealed days, each with heartbeats; 90 outages, each with some 15 follow-ups."""
    options = argparse.Namespace(count=1, outages=96, services="each", heartbeats=12)
    for phase in ("enter", "seal", "prove", "verify"):
        await proof.WORK[phase](tmp_path, options)
    bundle = bundle_of((tmp_path / "proof.pdf").read_bytes())
    proven = read_proven(read_container(bundle))
    rows = [row for _, _, row in proven.rows()]
    assert len(proven.entries) == 33
    assert all(one.data["heartbeats"][0] for one in proven.entries[1:])
    assert sum(before.outcome == "ok" != one.outcome for before, one in pairwise(rows)) >= 90
    assert sum(not row.scheduled for row in rows) >= 90 * 14
    assert len(bundle) <= MONTH
