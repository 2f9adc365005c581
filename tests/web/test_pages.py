"""The pages say what the judge said, in every language, without scripts."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from aiohttp.test_utils import TestClient, TestServer

from monitor.judgement.events import make
from monitor.store import open_store
from monitor.terminal.report_text import amount
from monitor.times import iso
from monitor.web.app import make_app
from monitor.web.ports import Source
from monitor.web.render import in_order
from monitor.web.words import LANGUAGES, Words
from tests.web.conftest import changed
from tests.web.month import NOW, TARGETS, Settled, terms

HTML = {"Accept": "text/html"}


async def page(client: TestClient, path: str, status: int = 200, **headers: str) -> str:
    async with client.get(path, headers=HTML | headers) as answer:
        text = await answer.text()
        assert answer.status == status, text[:2000]
        return text


def plain(text: str) -> str:
    """The words of a page as they are read, white space made one."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text).replace("\N{NO-BREAK SPACE}", " "))


async def test_the_overview_shows_every_service_with_the_judges_figures(client: TestClient, shared: Source) -> None:
    """Availability is cut, the verdict is the judge's, the budget stands as time."""
    text = plain(await page(client, "/"))
    words = Words("en")
    for name in ("mailpro", "mailgun", "clicksend", "sparkpost"):
        for result in shared.judge.evaluate(name).services:
            assert result.service in text
            assert words.percent(result.availability).replace("\N{NO-BREAK SPACE}", " ") in text
    assert "mailpro api is down" in text
    assert re.search(r"\d+ min \d+ s of 4 min 27 s left", text)
    assert "Claim mailgun for September 2026" in text


@pytest.mark.parametrize("code", LANGUAGES)
async def test_the_language_is_the_browsers_or_the_one_chosen(client: TestClient, code: str) -> None:
    """By Accept-Language, and by the cookie that the link sets."""
    text = await page(client, "/", **{"Accept-Language": f"xx, {code};q=0.9"})
    assert f'<html lang="{code}">' in text
    async with client.get(f"/lang/{code}", params={"back": "/monitor"}, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == "/monitor"
        assert f"lang={code}" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "/a\r\nX: y"]
)
async def test_the_way_back_is_within_this_site(client: TestClient, back: str) -> None:
    """Nobody is sent elsewhere by a link to us."""
    async with client.get("/lang/en", params={"back": back}, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/"


async def test_a_service_shows_its_month(client: TestClient, shared: Source) -> None:
    """Each outage with its start, length and what is counted; the calendar has every day."""
    text = await page(client, "/services/mailgun/api")
    outage = shared.judge.evaluate("mailgun").service("api").outages[0]
    assert f'datetime="{iso(outage.whole_start)}"' in text
    assert text.count('<td class="c-') >= 31
    assert "1 h 2 min" in plain(text)
    assert "breached" in text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_outage_is_counted_in_what_the_contract_counts(
    client: TestClient, shared: Source, language: str
) -> None:
    """Where checks are counted, the list, the outage's page and its evidence say checks, as the report does."""
    result = shared.judge.evaluate("mailpro").service("sms_gateway")
    (outage,) = result.outages
    assert (result.unit, outage.counted > 1) == ("check", True)
    assert outage.counted == result.counted
    wanted = Words(language).n("checks", outage.counted)
    assert amount(result, outage.counted) == Words("en").n("checks", outage.counted)
    headers = {"Accept-Language": language}
    listed = await page(client, "/services/mailpro/sms_gateway", **headers)
    assert f'data-l="{Words(language).t("service.counted")}" class="num">{wanted}</td>' in listed
    shown = await page(client, f"/services/mailpro/sms_gateway/outages/{iso(outage.whole_start)}", **headers)
    assert f'<dd class="big">{wanted}</dd>' in shown
    assert f"counted {outage.counted} checks under the contract" in shown


async def test_a_timeline_is_zoomed_by_address(client: TestClient) -> None:
    """`from` and `to` bound it; what cannot be read is passed over."""
    zoomed = await page(client, "/services/mailgun/api?from=2026-10-22T03:00:00.000Z&to=2026-10-22T05:00:00.000Z")
    assert "2026-10-22 03:00 UTC" in plain(zoomed)
    assert "Whole period" in zoomed
    assert "Whole period" not in await page(client, "/services/mailgun/api?from=soon")


async def test_an_earlier_period_is_chosen_by_name(client: TestClient) -> None:
    """A finished period has its final verdict."""
    text = plain(await page(client, "/services/mailgun/api?period=2026-09"))
    assert "September 2026" in text


async def test_an_outage_shows_every_probe_and_what_was_said(client: TestClient, shared: Source) -> None:
    """Transcript, reference hosts, and the evidence as text that can be pasted."""
    start = shared.judge.evaluate("mailgun").service("api").outages[0].whole_start
    text = plain(await page(client, f"/services/mailgun/api/outages/{iso(start)}"))
    assert "HTTP/1.1 503 Service Unavailable" in text
    assert "192.0.2.1:443 answered" in text
    assert f"began {iso(start)}" in text
    assert "Elevated API errors · investigating · major" in text
    await page(client, "/services/mailgun/api/outages/2026-10-01T00:00:00.000Z", status=404)
    await page(client, "/services/mailgun/api/outages/yesterday", status=404)


@pytest.mark.parametrize(
    "path", ["/services/nobody/api", "/services/mailgun/nothing", "/services/mailgun/api?period=2027-09"]
)
async def test_what_is_not_there_is_a_page_too(client: TestClient, path: str) -> None:
    """404 in the reader's language, with a way back."""
    text = await page(client, path, status=404)
    assert "There is no such page" in text


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (Fraction(1), "100 %"),
        (Fraction(998998999, 10**9), "99.8998 %"),
        (Fraction(9999999, 10**7), "99.9999 %"),
        (Fraction(0), "0.0000 %"),
    ],
)
def test_a_percentage_is_cut(ratio: Fraction, shown: str) -> None:
    """99.99999 % never reads 100 %."""
    assert Words("en").percent(ratio).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 s"),
        (999, "999 ms"),
        (259_200, "4 min 19 s"),
        (130_000, "2 min 10 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h"),
        (-61_000, "−1 min 1 s"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(ms: int, shown: str) -> None:
    """Cut, as everything that is left."""
    assert Words("en").span(ms).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_numbers_follow_the_language() -> None:
    """A comma where one is written, groups from ten thousand on."""
    assert Words("de").percent(Fraction(9987, 10_000)) == "99,8700\N{NO-BREAK SPACE}%"
    assert Words("sv").number(1234567) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
    assert Words("en").number(1234) == "1234"


async def test_an_incident_of_few_words_leaves_the_monitors_page_whole(own: Source) -> None:
    """A status page need not say how bad it is, nor what it is about."""
    data = {
        "contract": "mailgun",
        "feed": "mailgun",
        "incident": "i9",
        "name": "Slow API",
        "start": "2026-10-27T12:00:00Z",
    }
    with open_store(own.reader._path, "main", own.clock) as store:  # type: ignore[attr-defined]
        store.writer.enter(make("feed_incident", data, source="feed:mailgun", at=NOW - 1000))
    async with TestClient(TestServer(make_app(own))) as client:
        assert "mailgun · Slow API" in plain(await page(client, "/monitor"))


async def test_what_the_monitor_noted_is_said_for_people(own: Source) -> None:
    """No instant as a number, no length without its unit, no digest that nobody reads to its end."""
    stall = {"from": NOW - 61_256, "to": NOW - 60_000, "ms": 1256, "reason": "loop_stalled"}
    with open_store(own.reader._path, "main", own.clock) as store:  # type: ignore[attr-defined]
        store.writer.enter(make("stall", stall, source="monitor", at=NOW - 60_000))
        store.writer.enter(make("start", {"config": "0123456789abcdef" * 4}, source="monitor", at=NOW - 1000))
    async with TestClient(TestServer(make_app(own))) as client:
        text = plain(await page(client, "/monitor", **{"Accept-Language": "de"}))
    assert "Dauer 1,256 s" in text
    assert "Grund der Monitor stand still" in text
    assert str(NOW)[:6] not in text
    assert "0123456789ab " in text + " "
    assert "0123456789abc" not in text


async def test_of_a_service_that_nobody_watches_no_budget_is_shown(own: Source) -> None:
    """What is not known is neither up nor left."""
    watched = Settled(contracts=terms(), targets=[one for one in TARGETS if one.service != "smtp"])
    own.judge.reconfigure(watched)  # type: ignore[arg-type]
    blind = changed(own, config=lambda: watched)
    async with TestClient(TestServer(make_app(blind))) as client:
        text = plain(await page(client, "/services/mailgun/smtp"))
    assert "No target watches this service" in text
    assert "left" not in text.partition("Calendar")[0]
    assert "Budget over the period" not in text


def test_an_event_is_told_in_the_order_of_its_time() -> None:
    """From, to, announced; then the rest as it was entered."""
    told = {"announced": "c", "end": "b", "note": "x", "start": "a", "kind": "scheduled", "services": []}
    assert [name for name, _ in in_order(told)] == ["kind", "start", "end", "announced", "note", "services"]
