"""Fifty services on one page: how many bytes. How long until something is seen is measured in `tests.bench.pages`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from monitor.web.ports import Source
from tests.web.conftest import make_fifty
from tests.web.test_browser import opened, served


@pytest.fixture(scope="module")
def fifty(month: Path) -> Iterator[Source]:
    """Ten contracts of five services each."""
    source = make_fifty(month)
    yield source
    source.closing()


def test_fifty_services_stay_small(fifty: Source, browser: Browser) -> None:
    """Under 150 kB with style and script, not compressed; and nothing is wrong with them."""
    with served(fifty) as address:
        page, wrong = opened(browser, address + "/")
        assert page.locator(".svc").count() == 50
        # What was loaded by the time the page had come; the stream of news is open for ever and has no size.
        loaded: list[str] = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
        urls = {address + "/", *(url for url in loaded if not url.endswith("/live"))}
        sizes = {url: len(page.context.request.get(url).body()) for url in sorted(urls)}
        page.context.close()
    assert wrong == []
    assert {url.rpartition(".")[2] for url in sizes} >= {"css", "js"}
    assert sum(sizes.values()) < 150_000, sizes
