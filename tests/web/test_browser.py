"""What a person sees, in a real browser: every page in both schemes and both widths, without and with scripts.

Set SLAPROOF_SHOTS to a folder to keep the pictures.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from aiohttp import web
from playwright.sync_api import Browser, Page

from monitor import verifier
from monitor.times import iso
from monitor.web.app import make_app
from monitor.web.ports import Source
from monitor.web.settings import PublicPage, WebSettings
from tests.fakes import FakeClock
from tests.servers import eventually
from tests.web.conftest import changed, make_source
from tests.web.month import HEALTH, NOW, SEAL, made_proofs

WIDTHS = (390, 1600)
SCHEMES = ("light", "dark")
SHOW = ("state", "availability", "history", "outages", "maintenance")
PANELS = "[...document.querySelectorAll('.panel, .contract')].map((one) => one.getBoundingClientRect().width)"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def site(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Source]]:
    """The application over the month, served from a thread of its own."""
    source = changed(
        make_source(month, FakeClock(NOW)),
        settings=lambda: WebSettings(
            public={"mailpro": PublicPage(title="Mailpro", show=SHOW)}, requests_per_second=5000
        ),
        health=lambda: HEALTH,
        seal=lambda: SEAL,
        proofs=made_proofs(tmp_path_factory.mktemp("proofs")),
        verifier=verifier.page,
    )
    with served(source) as address:
        yield address, source
    source.closing()


class served:  # noqa: N801  used as a with-statement
    """An application in a thread with its own loop."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> str:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    async def _start(self) -> str:
        self._runner = web.AppRunner(make_app(self._source), shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def pages(source: Source) -> dict[str, str]:
    """A name and an address for each page."""
    outage = source.judge.evaluate("mailgun").service("api").outages[0].whole_start
    return {
        "overview": "/",
        "service": "/services/clicksend/sms_gateway",
        "zoomed": "/services/mailgun/api?from=2026-10-22T00:00:00.000Z&to=2026-10-22T12:00:00.000Z",
        "outage": f"/services/mailgun/api/outages/{iso(outage)}",
        "contracts": "/contracts",
        "contract": "/contracts/clicksend",
        "proofs": "/proofs",
        "monitor": "/monitor",
        "public": "/public/mailpro",
        "missing": "/no/such/page",
    }


NAMES = ("overview", "service", "zoomed", "outage", "contracts", "contract", "proofs", "monitor", "public", "missing")


def opened(
    browser: Browser, url: str, *, width: int = 1600, scheme: str = "light", scripts: bool = True, **more: object
) -> tuple[Page, list[str]]:
    """A page, and everything that the browser complained about."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=scripts,
        timezone_id="Europe/Stockholm",
        locale="en-GB",
        reduced_motion="reduce",
        **more,  # type: ignore[arg-type]
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(url)
    return page, wrong


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_and_accessible(name: str, site: tuple[str, Source], browser: Browser) -> None:
    """In both schemes and widths: nothing beyond the edge, no complaint of the browser's, nothing that axe-core finds
    under WCAG 2.2 AA and its best practices."""
    address, source = site
    path = pages(source)[name]
    page, wrong = opened(browser, address + path, width=WIDTHS[0], scheme=SCHEMES[0])
    for scheme in SCHEMES:
        for width in WIDTHS:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 900})
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{overflow} px too wide at {width}"
            narrow = [w for w in page.evaluate(PANELS) if w < min(width * 0.85, 400)]
            assert narrow == [], f"panels squeezed to {narrow} px at {width}"
            if shots := os.environ.get("SLAPROOF_SHOTS"):
                page.screenshot(path=Path(shots, f"{name}-{width}-{scheme}.png"), full_page=True)
        assert _found(page) == [], scheme
    if name != "missing":
        assert wrong == []
    page.context.close()


def _found(page: Page) -> list[str]:
    """What axe-core finds."""
    page.evaluate(_axe())
    found = page.evaluate(
        "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations'],"
        " iframes: false})",
        RULES,
    )
    return [
        f"{v['id']}: {n['html'][:160]} {n['failureSummary'][:300]}" for v in found["violations"] for n in v["nodes"][:1]
    ]


@cache
def _axe() -> str:
    import axe_playwright_python

    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")


def _spoken(page: Page) -> str:
    """The text that is shown, less what is a picture's and stands elsewhere in words."""
    text = page.content()
    page.locator("main [aria-hidden=true]").evaluate_all("(all) => all.forEach((one) => one.remove())")
    shown: str = page.locator("main").inner_text()
    page.set_content(text)
    return shown


def words_of(page: Page) -> list[str]:
    """The words that are shown, times aside: the browser writes those in its own zone."""
    page.evaluate("document.querySelectorAll('time,.live,#zone,[data-copy]').forEach((e) => e.remove())")
    return re.findall(r"\w+", page.inner_text("main"))


@pytest.mark.parametrize("name", NAMES[:-1])
def test_without_scripts_and_by_the_accessibility_tree_it_says_the_same(
    name: str, site: tuple[str, Source], browser: Browser
) -> None:
    """Scripts add the reader's zone and buttons; no word is missing without them, and none from the tree."""
    address, source = site
    url = address + pages(source)[name]
    bare, _ = opened(browser, url, scripts=False)
    shown = _spoken(bare)
    snapshot = bare.locator("main").aria_snapshot()
    full, _ = opened(browser, url)
    assert words_of(full) == re.findall(r"\w+", _without_times(bare))
    tree = set(re.findall(r"\w+", snapshot))
    missing = {
        word for word in re.findall(r"\w+", shown) if word not in tree and word.lower() not in {t.lower() for t in tree}
    }
    assert missing == set()
    bare.context.close()
    full.context.close()


def _without_times(page: Page) -> str:
    """The text of a page without scripts, without what scripts would change."""
    html = page.content()
    html = re.sub(r"<time\b.*?</time>", "", html, flags=re.S)
    html = re.sub(r"<button\b[^>]*\bhidden\b.*?</button>", "", html, flags=re.S)
    page.set_content(html)
    return page.locator("main").inner_text()


def test_times_are_the_readers_and_utc_is_at_hand(site: tuple[str, Source], browser: Browser) -> None:
    """The reader's zone by default, UTC as the tip; one button switches, and the choice is kept."""
    page, _ = opened(browser, site[0] + "/monitor")
    time = page.locator(".lead time")
    assert time.inner_text() == "2026-10-27 13:34:56 CET"
    assert time.get_attribute("title") == "2026-10-27 12:34:56 UTC"
    page.locator("#zone").click()
    assert time.inner_text() == "2026-10-27 12:34:56 UTC"
    page.reload()
    assert page.locator(".lead time").inner_text() == "2026-10-27 12:34:56 UTC"
    page.context.close()


def test_everything_is_reached_by_keyboard(site: tuple[str, Source], browser: Browser) -> None:
    """The first stop skips to the content; every stop is seen to have the focus."""
    page, _ = opened(browser, site[0] + "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # once around
        seen.add(page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.id"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert {"/contracts", "/proofs", "/monitor", "/services/mailpro/website", "theme", "zone"} <= seen
    page.context.close()


def test_the_theme_is_switched_and_kept(site: tuple[str, Source], browser: Browser) -> None:
    """Against the system's choice."""
    page, _ = opened(browser, site[0] + "/", scheme="light")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after
    page.context.close()


def test_a_drag_zooms_the_timeline(site: tuple[str, Source], browser: Browser) -> None:
    """The middle third of it, without a reload of the page; the way back is the browser's."""
    page, wrong = opened(browser, site[0] + "/services/mailgun/api")
    box = page.locator("[data-zoom]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 2 / 3, box["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("from=2026-10-19"))
    page.wait_for_selector(".zoom a:has-text('Whole period')")
    page.go_back()
    page.wait_for_selector(".zoom a:has-text('Whole period')", state="detached")
    assert wrong == []
    page.context.close()


def test_evidence_is_copied(site: tuple[str, Source], browser: Browser) -> None:
    """The button takes the whole text."""
    address, source = site
    page, _ = opened(browser, address + pages(source)["outage"], permissions=["clipboard-read", "clipboard-write"])
    page.locator("button[data-copy=evidence]").click()
    # The clipboard is written behind the click's back.
    wanted = "Outage of mailgun api\nbegan   2026-10-22T03:1"
    eventually(lambda: page.evaluate("navigator.clipboard.readText()").startswith(wanted), within=30)
    page.context.close()


def test_a_new_result_refreshes_an_open_page(own: Source, browser: Browser) -> None:
    """Server-sent events tell of a commit; the content is swapped, scroll and focus stay."""
    from monitor.store import Event, open_store

    with served(changed(own, settings=lambda: WebSettings(refresh=1))) as address:
        page, wrong = opened(browser, address + "/contracts/mailgun")
        page.wait_for_selector("#live:not([hidden])")
        page.locator("h1").evaluate("(e) => { e.dataset.old = 'yes' }")
        page.locator("a[href='/proofs']").focus()
        database = own.reader._path  # type: ignore[attr-defined]
        with open_store(database, "main", own.clock) as store:
            data = {
                "contract": "mailgun",
                "start": "2026-10-27T13:00:00Z",
                "end": "2026-10-27T14:00:00Z",
                "note": "Seen by all",
            }
            store.writer.enter(Event(kind="maintenance", at=NOW, data=data, source="cli"))
        page.wait_for_selector("text=Seen by all")
        assert page.locator("h1").get_attribute("data-old") is None
        assert page.evaluate("document.activeElement.getAttribute('href')") == "/proofs"
        assert wrong == []
        page.context.close()


def test_nothing_is_asked_of_anybody_else(site: tuple[str, Source], browser: Browser) -> None:
    """Every request goes to this site."""
    address, source = site
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in pages(source).values():
        page.goto(address + path)
    assert [url for url in asked if not url.startswith((address, "data:", "about:", "blob:"))] == []
    context.close()


def test_paper_has_no_buttons(site: tuple[str, Source], browser: Browser) -> None:
    """Printed, navigation is left away and nothing is scrolled off; who reads in the dark prints black on white."""
    address, source = site
    page, _ = opened(browser, address + pages(source)["outage"], scheme="dark")
    page.emulate_media(media="print")
    looks = "getComputedStyle(document.body).color + getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(looks) == "rgb(0, 0, 0)rgb(255, 255, 255)"
    assert not page.locator(".tools").is_visible()
    assert page.locator("#evidence").evaluate("(e) => e.scrollHeight <= e.clientHeight + 1")
    page.context.close()


def test_a_wall_screen_is_filled(site: tuple[str, Source], browser: Browser) -> None:
    """Large letters, contracts side by side to both edges, and every contract above the fold."""
    page, _ = opened(browser, site[0] + "/", width=3840)
    page.set_viewport_size({"width": 3840, "height": 2160})
    boxes = [one.bounding_box() for one in page.locator(".contract").all()]
    edges = [(box["x"], box["x"] + box["width"], box["y"] + box["height"]) for box in boxes if box is not None]
    assert len(edges) == len(boxes) > 3
    assert min(left for left, _, _ in edges) < 150
    assert max(right for _, right, _ in edges) > 3690
    assert len({left for left, _, _ in edges}) == 2
    assert max(bottom for _, _, bottom in edges) < 2160
    size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.svc b')).fontSize)")
    assert size > 24
    page.context.close()
