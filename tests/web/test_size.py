"""Fifty services on one page: how many bytes, and how long until something is seen."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from monitor.sla.contract import Availability, Contract, Service, Terms
from monitor.web.ports import Source
from tests.fakes import FakeClock
from tests.web.conftest import changed, make_source
from tests.web.month import NOW, TARGETS, Entry, Settled, Target
from tests.web.test_browser import opened, served

SERVICES = 50


@pytest.fixture(scope="module")
def fifty(month: Path) -> Iterator[Source]:
    """Ten contracts of five services each; every service watches one of the month's targets."""
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
    source = make_source(month, FakeClock(NOW), live=True)
    judge = source.judge
    judge.reconfigure(Settled(contracts=contracts, targets=targets))
    judge.load()
    yield changed(source, config=lambda: Settled(contracts=contracts, targets=targets))
    source.closing()


def test_fifty_services_stay_small_and_quick(fifty: Source, browser: Browser) -> None:
    """Under 150 kB with style and script, and first paint within 300 ms on loopback, once the months are judged."""
    with served(fifty) as address:
        page, wrong = opened(browser, address + "/")  # judges the months
        page.context.close()
        context = browser.new_context(viewport={"width": 1600, "height": 900})
        page = context.new_page()
        bodies: dict[str, bytes] = {}
        page.on("response", lambda answer: bodies.update({answer.url: b""}))
        page.goto(address + "/")
        assert page.locator(".svc").count() == SERVICES
        for url in bodies:
            answer = context.request.get(url) if "/live" not in url else None
            bodies[url] = answer.body() if answer is not None else b""
        whole = sum(len(body) for body in bodies.values())
        sent = sum(len(gzip.compress(body)) for body in bodies.values())
        best = []
        for _ in range(5):
            page.goto(address + "/")
            best.append(
                page.evaluate(
                    "new Promise((done) => new PerformanceObserver((list) => done(list.getEntriesByName("
                    "'first-contentful-paint')[0].startTime)).observe({type: 'paint', buffered: true}))"
                )
            )
        context.close()
    print(f"50 services: {whole} bytes, {sent} compressed; first paint {sorted(round(x) for x in best)} ms")
    assert wrong == []
    assert whole < 150_000
    if os.getloadavg()[0] < (os.cpu_count() or 1):  # on a machine that is busy otherwise it says nothing
        assert min(best) < 300


def test_the_overview_is_built_quickly(fifty: Source) -> None:
    """Without a browser: building and rendering together."""
    from monitor.web import overview

    overview.build(fifty)
    begun = time.process_time()
    overview.build(fifty)
    assert time.process_time() - begun < 0.5
