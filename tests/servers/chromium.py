"""Debian's Chromium, driven by Playwright.

The fixtures are of one module's scope and no wider: while Playwright's synchronous interface is open, no event loop can
be run in this thread, so tests with ``async def`` belong into another file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.servers import need

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Root has no sandbox; a container's /dev/shm is small; nothing is asked of the network by the browser itself.
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
)


@contextlib.contextmanager
def launch() -> Iterator[Browser]:
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    program = need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file."""
    with launch() as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page (its own cookies and storage), 1280 by 800, in English; an error of its script is a failure."""
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    one = context.new_page()
    one.on("pageerror", lambda error: errors.append(str(error)))
    yield one
    context.close()
    assert errors == []
