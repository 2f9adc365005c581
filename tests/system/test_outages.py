"""The report's outages are the outages that there were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.outages import Plan, Story, judge, run

_PLAN = Plan(interval=1, timeout=0.9, calm=4, down=7, tolerance=4)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_report_tells_what_happened_to_real_servers(tmp_path: Path) -> None:
    """Each stopped, silenced and restarted once: each outage is found at its time, and no other."""
    wrong, stories, reported = run(tmp_path, _PLAN)
    assert wrong == []
    assert reported["quiet"] == []
    assert all(len(story.faults) == 2 for story in stories.values())


def test_a_report_that_is_wrong_is_found() -> None:
    """A missing outage, one that is off, one too many and a missing service are each named."""
    story = Story(faults=[("stopped", 100.0, 110.0), ("silenced", 130.0, 140.0)], restart=(160.0, 161.0))
    right = [(100.9, 110.9), (131.0, 141.0), (160.2, 162.0)]
    assert judge(_PLAN, {"a": story}, {"a": right}) == []
    assert judge(_PLAN, {"a": story}, {"a": right[:2]}) == []
    assert len(judge(_PLAN, {"a": story}, {"a": right[1:]})) == 1
    assert len(judge(_PLAN, {"a": story}, {"a": [(100.9, 116.0), *right[1:]]})) == 2
    assert judge(_PLAN, {}, {"quiet": [(50.0, 51.0)]}) == ["quiet was not down from 50.0 to 51.0"]
    assert judge(_PLAN, {"a": story}, {}) == ["a is not in the report"]
