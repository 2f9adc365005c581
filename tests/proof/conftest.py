"""Bundles that several tests look at."""

from __future__ import annotations

import pytest

from tests.proof.world import World


@pytest.fixture(scope="session")
def world() -> World:
    """Three days of one target, one probe an hour, beside a stranger's."""
    return World()


@pytest.fixture(scope="session")
def bundle(world: World) -> bytes:
    """Its bundle."""
    return world.bundle()
