"""Stores to be tested. A second engine joins the conformance suite by one more entry in ENGINES."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.store import Row
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock

T0 = 1_790_812_800_000  # 2026-10-01T00:00:00Z


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(T0 + 3_600_000)


@pytest.fixture(params=["sqlite"])
def open_store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[Callable[..., SqliteStore]]:
    """Opens the same store again and again, as a daemon that restarts does."""
    opened: list[SqliteStore] = []

    def again(**options: Any) -> SqliteStore:
        for store in opened:
            store.close()
        options = {"daemon": True, "gather_s": 0.002, **options}
        store = SqliteStore.open(
            options.pop("path", tmp_path / "s.db"),
            options.pop("location", "main"),
            options.pop("clock", clock),
            **options,
        )
        opened.append(store)
        return store

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., SqliteStore]) -> SqliteStore:
    return open_store()


def row(at: int = 0, target: str = "mail-api", **more: Any) -> Row:
    """A good probe, `at` ms after T0."""
    values: dict[str, Any] = {
        "location": "main", "scheduled": True, "outcome": "ok", "duration_ms": 42, "code": 200, "detail": "200 OK",
        "phases": {"resolve": 0.5, "connect": 12.25, "first_byte": 29.31}, "facts": {"peer": "192.0.2.1:443"}, **more,
    }  # fmt: skip
    return Row(at=T0 + at, target=target, **values)
