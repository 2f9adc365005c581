"""Bundles that several tests look at."""

from __future__ import annotations

import pytest

from tests.proof.world import World


@pytest.fixture(scope="session")
def world() -> World:
    """Three days of one target, one probe an hour, beside a stranger's."""
    return World()


@pytest.fixture(scope="session")
def bundle() -> bytes:
    """Its bundle, made a day later."""
    return World(later=1).bundle()
