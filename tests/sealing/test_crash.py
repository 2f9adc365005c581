"""Killed while it seals, proves and rotates, the chain goes on as if nothing had been."""

from tests.sealing.crash import AIMS, campaign


def test_nothing_is_sealed_twice_differently() -> None:
    """A short campaign; the long one is ``make crash-seal``."""
    found = campaign(4, seed=7)
    assert found.wrong == []
    assert set(found.kills) == set(AIMS)
    assert found.done["seal"] > 10
    assert found.done["key"] > 0
