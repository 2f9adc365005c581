"""A month in a store, made once for all tests of pages and API, and a client that asks the real application."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from monitor.judgement.judge import Judge
from monitor.sla.contract import Availability, Contract, Service, Terms
from monitor.store import open_store
from monitor.web.app import make_app
from monitor.web.ports import Source
from monitor.web.settings import WebSettings
from tests.fakes import FakeClock
from tests.web.month import NOW, TARGETS, Entry, Settled, Target, fill, terms

Client = TestClient


def make_source(path: Path, clock: FakeClock, settings: WebSettings | None = None, *, live: bool = False) -> Source:
    """A source over a filled store; the test closes the reader by `closing`."""
    store = open_store(path, "main", clock)
    settled = Settled(contracts=terms(), targets=TARGETS)
    judge = Judge(store.reader, settled, clock, live=live)
    return Source(
        config=lambda: settled,  # type: ignore[arg-type, return-value]
        settings=lambda: settings or WebSettings(),
        reader=store.reader,
        judge=judge,
        clock=clock,
        run=store.run,
        closing=store.close,
    )


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database; workers of one run share it."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = folder / "month.db"
    with (folder / "month.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            fill(folder / "filling.db").close()
            (folder / "filling.db").rename(path)
    return path


@pytest.fixture(scope="module")
def shared(month: Path) -> Iterator[Source]:
    """A source that nobody writes to, for a whole module."""
    source = make_source(month, FakeClock(NOW))
    yield source
    source.closing()


@pytest.fixture
def own(month: Path, tmp_path: Path) -> Iterator[Source]:
    """A source over a copy of its own."""
    path = tmp_path / "own.db"
    shutil.copy(month, path)
    source = make_source(path, FakeClock(NOW))
    yield source
    source.closing()


@pytest.fixture
async def client(shared: Source) -> AsyncIterator[TestClient]:
    """Asks the application from loopback."""
    async with TestClient(TestServer(make_app(shared))) as client:
        yield client


def changed(source: Source, **fields: object) -> Source:
    """The same source with other settings, tokens and so on."""
    return replace(source, **fields)  # type: ignore[arg-type]


def make_fifty(path: Path) -> Source:
    """Ten contracts of five services each, judged as by the daemon; each service watches one of the month's targets."""
    contracts, targets = {}, []
    for number in range(10):
        name = f"provider-{number}"
        services = [f"service-{index}" for index in range(5)]
        contract = Contract(
            name=name,
            services=tuple(Service(name=s, target=Fraction(999, 1000), target_text="99.9%") for s in services),
            availability=Availability(confirm=2),
        )
        contracts[name] = Entry(Terms(name=name, contract=contract))
        for index, service in enumerate(services):
            watched = TARGETS[(number + index) % 9]
            targets.append(
                Target(
                    name=watched.name,
                    kind=watched.kind,
                    contract=name,
                    service=service,
                    interval_ms=watched.interval_ms,
                )
            )
    source = make_source(path, FakeClock(NOW), live=True)
    settled = Settled(contracts=contracts, targets=targets)
    source.judge.reconfigure(settled)  # type: ignore[arg-type]
    source.judge.load()
    return changed(source, config=lambda: settled)
