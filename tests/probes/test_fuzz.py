"""A short campaign of broken answers; ``make fuzz`` runs 10,000 for each protocol."""

from __future__ import annotations

import pytest

from tests.probes.fuzz import SUBJECTS, campaign


@pytest.mark.parametrize("protocol", sorted(SUBJECTS))
async def test_broken_answers(protocol: str) -> None:
    """Whatever comes back: an outcome, by the deadline, in bounded memory, and no exception."""
    seen = await campaign(protocol, 200, seed=7)
    assert sum(seen.values()) == 200
    assert len(seen) >= 2
