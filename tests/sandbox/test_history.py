"""The generated month."""

import pytest

from monitor.probing.slots import count_slots, offset_ms
from monitor.sandbox.history import Story, Trouble, Watched, gaps, rows, tell
from monitor.times import parse

START, END = parse("2026-10-01T00:00:00Z"), parse("2026-11-01T00:00:00Z")
API = Watched("mail-api", "http", 60_000, "mailgun", "api")
SITE = Watched("site", "page", 300_000, "mailpro", "website")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("target", [API, SITE])
def test_the_month_balances(target: Watched, seed: int) -> None:
    """Every slot is an observation or in a gap, and no instant has two observations."""
    story = tell([API, SITE], START, END, seed)
    made = list(rows(target, story, START, END, location="main", seed=seed))
    missed = sum(gap.slots for gap in gaps(target, story, START, END, location="main"))
    expected = count_slots(START, END, target.interval_ms, offset_ms(target.name, target.interval_ms))
    assert sum(row.scheduled for row in made) + missed == expected
    assert missed > 0
    assert len({row.at for row in made}) == len(made)
    assert [row.at for row in made] == sorted(row.at for row in made)


def test_a_seed_tells_the_same_story() -> None:
    """Another seed tells another one."""
    assert tell([API], START, END, 1) == tell([API], START, END, 1)
    assert tell([API], START, END, 1) != tell([API], START, END, 2)


def test_a_failure_is_followed_up_until_it_ends() -> None:
    """After a failure: one second, then every five for two minutes, then every fifteen."""
    trouble = Trouble(START + 600_000, START + 900_000, "server_error", 503, "HTTP 503")
    story = Story(troubles={"mail-api": (trouble,)}, pauses=())
    made = list(rows(API, story, START, START + 1_200_000, location="main", seed=1))
    bad = [row for row in made if row.outcome != "ok"]
    after = next(row for row in made if row.at > bad[-1].at)
    assert bad[0].scheduled
    assert 900 < bad[1].at - bad[0].at < 1_100
    assert after.at - bad[-1].at <= 15_010
    assert all(trouble.start <= row.at < trouble.end for row in bad)
