"""A month of two targets, minute by minute, from files as long as they are in use."""

from __future__ import annotations

from pathlib import Path

from tests.bench.judging import measure


def test_a_month(tmp_path: Path) -> None:
    """Every one of the outages, one a day, is found in the whole process from its start."""
    measure(tmp_path, 2)
