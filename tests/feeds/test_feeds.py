"""Providers' pages: what they announce, move and cancel becomes events; a copy of each change is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from monitor.config.load import load
from monitor.feeds import icalendar, statuspage
from monitor.feeds.fetch import new_session
from monitor.feeds.service import Follower, _expose, serve
from monitor.feeds.settings import Feed, FeedsSettings
from monitor.feeds.windows import BadPage, Window
from monitor.judgement.judge import Judge
from monitor.metrics.exposition import Page as Exposition
from monitor.sandbox.statuspage import paths
from monitor.sla.instants import parse_instant, write_instant, zone
from monitor.store import Row
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock, settle

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
T0 = parse_instant("2026-10-01T00:00:00Z")
CONFIG = """
location: main
storage: s.db
contracts:
  clicksend: {preset: clicksend, fee: {amount: 200, currency: USD}}
targets:
  - {name: sms, contract: clicksend, service: sms_gateway, interval: 60s, http: {url: "https://127.0.0.1:9/"}}
feeds:
  pages:
    - {name: status, contract: clicksend, statuspage: "%s", components: {SMS Gateway: sms_gateway}}
"""


class StatusPage:
    """A stand-in that answers as Statuspage does, with ETags."""

    def __init__(self) -> None:
        self.maintenances: list[dict[str, Any]] = []
        self.incidents: list[dict[str, Any]] = []
        self.status = 200
        self.asked = 0
        self.unchanged = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        key = request.path.rsplit("/", 1)[1].removesuffix(".json").replace("-", "_")
        page = {"id": "kctbh9vrtdwd", "name": "SMS", "url": "https://status.sms.example", "time_zone": "Etc/UTC"}
        body = json.dumps({"page": page, key: getattr(self, key.replace("scheduled_", ""))})
        etag = f'W/"{hash(body)}"'
        if request.headers.get("If-None-Match") == etag:
            self.unchanged += 1
            return web.Response(status=304)
        return web.Response(status=self.status, text=body, content_type="application/json", headers={"ETag": etag})


def maintenance(uid: str, start: int, end: int, created: int, **more: Any) -> dict[str, Any]:
    """As the API has it, times with an offset as pages in other zones give them."""
    return {
        "id": uid, "name": f"Maintenance {uid}", "status": "scheduled", "created_at": write_instant(created),
        "updated_at": write_instant(created), "monitoring_at": None, "resolved_at": None, "impact": "maintenance",
        "shortlink": f"https://stspg.io/{uid}", "started_at": write_instant(created), "page_id": "kctbh9vrtdwd",
        "scheduled_for": write_instant(start).replace("Z", "+00:00"), "scheduled_until": write_instant(end),
        "incident_updates": [{"id": "u1", "status": "scheduled", "body": "We will be exchanging a router."}],
        "components": [{"id": "c1", "name": "SMS Gateway", "status": "operational"}], **more,
    }  # fmt: skip


@pytest.fixture
async def status() -> AsyncIterator[tuple[StatusPage, str]]:
    page = StatusPage()
    app = web.Application()
    app.router.add_get("/api/v2/{name}", page.answer)
    server = TestServer(app)
    await server.start_server()
    yield page, str(server.make_url("/"))
    await server.close()


class Running:
    """What a part is given, with a real store and judge."""

    def __init__(self, folder: Path, config: str) -> None:
        (folder / "monitor.yaml").write_text(config)
        self.clock = FakeClock(T0)
        self.store = SqliteStore.open(folder / "s.db", "main", self.clock, gather_s=0.002)
        self.config = load(folder / "monitor.yaml", secrets="optional")
        self.judge = Judge(self.store.reader, self.config, self.clock)
        self.context: Any = SimpleNamespace(
            config=self.config, clock=self.clock, store=self.store, judge=self.judge,
            metrics=SimpleNamespace(more={}), on_reload=[],
        )  # fmt: skip

    @property
    def feed(self) -> Feed:
        return self.config.section(FeedsSettings).pages[0]

    def events(self, *kinds: str) -> list[Any]:
        return self.store.reader.events(kinds=list(kinds) or None)


@pytest.fixture
def running(tmp_path: Path, status: tuple[StatusPage, str]):
    found = Running(tmp_path, CONFIG % status[1])
    yield found
    found.store.close()


async def test_a_window_announced_late_one_cancelled_one_moved_and_what_was_counted(running, status):
    """ClickSend asks for seven days: what was announced so counts as down or not, after all that the page did."""
    page, _ = status
    a, b, c = (T0 + day * DAY for day in (10, 12, 14))
    page.maintenances = [
        maintenance("late", a, a + HOUR, a - 6 * DAY - 23 * HOUR),
        maintenance("cancelled", b, b + HOUR, T0 - DAY),
        maintenance("moved", c, c + HOUR, T0),
    ]
    running.clock.set_ms(T0 + 4 * DAY)
    async with new_session() as session:
        follower = Follower(running.context, running.feed, session)
        await follower.once()
        assert len(running.events("maintenance")) == 3
        await follower.once()  # nothing new: the server says so
        assert (page.asked, page.unchanged, len(running.events("maintenance", "correction"))) == (4, 2, 3)
        again = Follower(running.context, running.feed, session)
        await again.once()  # after a restart
        assert len(running.events("maintenance", "correction")) == 3
        running.clock.set_ms(T0 + 5 * DAY)
        page.maintenances[1:] = [maintenance("moved", c + 2 * HOUR, c + 3 * HOUR, T0)]
        await again.once()
        await again.once()
    corrections = running.events("correction")
    assert sorted(one.data["why"] for one in corrections) == ["it is no longer on the page", "it was moved on the page"]
    assert {one.source for one in corrections} == {"feed:status"}
    # A copy of the page for each state it had, and word of each.
    kept = running.store.pages.between("status", 0, T0 + 30 * DAY)
    assert len([one for one in kept if one.url.endswith("scheduled-maintenances.json")]) == 2
    assert sum(b"router" in one.body for one in kept) == 2
    assert len(running.events("feed_page")) == len(kept) == 3
    # Half an hour down in each window, and where the third had stood before; each reported at once.
    down = [a + 10 * MINUTE, b + 10 * MINUTE, c + 10 * MINUTE, c + 130 * MINUTE]
    running.clock.set_ms(T0 + 20 * DAY)
    await asyncio.gather(
        *[
            running.store.writer.put_row(
                Row(
                    at=at,
                    target="sms",
                    location="main",
                    scheduled=True,
                    duration_ms=5,
                    outcome="refused" if any(one <= at < one + 30 * MINUTE for one in down) else "ok",
                )
            )
            for start in (a, b, c)
            for at in range(start - HOUR, start + 5 * HOUR, MINUTE)
        ]
    )
    from monitor.judgement.events import make

    for one in down:
        await running.store.writer.put_event(make("report", {"contract": "clicksend", "at": one}, source="cli"))
    result = running.judge.evaluate("clicksend", "2026-10").service("sms_gateway")
    assert [outage.counted_ms // MINUTE for outage in result.outages] == [30, 30, 30, 0]
    assert {(excuse.note, excuse.why) for excuse in result.excuses} == {
        ("Maintenance late", "late"), ("Maintenance moved", "excluded"),
    }  # fmt: skip
    remarks = {one.event.data["note"]: one.remarks for one in running.judge.stated("clicksend").statements if one.event
               .kind == "maintenance"}  # fmt: skip
    assert remarks["Maintenance cancelled"] == ("withdrawn",)
    assert remarks["Maintenance moved"][0].startswith("moved from")


async def test_a_window_declared_only_when_it_had_begun_and_one_completed_before(running, status):
    """The first is entered and shown as such; the second never was."""
    page, _ = status
    page.maintenances = [
        maintenance("begun", T0 - HOUR, T0 + HOUR, T0 - 10 * MINUTE, status="in_progress"),
        maintenance("done", T0 + DAY, T0 + 2 * DAY, T0 - DAY, status="completed", resolved_at=write_instant(T0)),
        maintenance("other", T0, T0 + DAY, T0, components=[{"id": "x", "name": "Website"}]),
        maintenance("ancient", T0 - 90 * DAY, T0 - 89 * DAY, T0 - 99 * DAY),
    ]
    async with new_session() as session:
        await Follower(running.context, running.feed, session).once()
    (one,) = running.judge.stated("clicksend").statements
    assert one.event.data["about"]["uid"] == "begun"
    assert one.remarks == ("declared only when it had begun",)


async def test_a_persons_correction_stands_until_the_page_changes(running, status):
    """Reading the same page again does not undo what somebody put right; a change of the page does."""
    from monitor.judgement.events import correction

    page, _ = status
    page.maintenances = [maintenance("m", T0 + DAY, T0 + DAY + HOUR, T0 - DAY)]
    async with new_session() as session:
        await Follower(running.context, running.feed, session).once()
        (event,) = running.events("maintenance")
        running.store.writer.enter(correction(event, source="cli", why="it is about another product"))
        await Follower(running.context, running.feed, session).once()
        assert running.judge.stated("clicksend").events.maintenance == ()
        page.maintenances[0]["scheduled_until"] = write_instant(T0 + DAY + 2 * HOUR)
        await Follower(running.context, running.feed, session).once()
    assert running.judge.stated("clicksend").events.maintenance[0].end == T0 + DAY + 2 * HOUR


async def test_a_window_whose_times_cannot_be_read_any_more_is_not_taken_for_cancelled(running, status):
    """It stands on the page, so it stays as it was read last; where no entry can be read, the page is another kind."""
    page, _ = status
    page.maintenances = [maintenance(uid, T0 + DAY, T0 + DAY + HOUR, T0 - DAY) for uid in "mn"]
    async with new_session() as session:
        follower = Follower(running.context, running.feed, session)
        await follower.once()
        page.maintenances[0]["scheduled_for"] = "tomorrow"
        await follower.once()
        assert running.events("correction") == []
        page.maintenances[1]["scheduled_until"] = None
        await follower.once()
        assert running.events("correction") == []
        assert "none of the page's maintenances says from when to when" in follower.trouble
    assert len(running.judge.stated("clicksend").events.maintenance) == 2


async def test_incidents_are_kept_as_evidence(running, status):
    """Each state of an incident is an event, and none is entered twice."""
    page, _ = status
    entry = {
        "id": "i1", "name": "Delayed messages", "status": "investigating", "impact": "major", "components": [],
        "created_at": write_instant(T0 - HOUR), "started_at": write_instant(T0 - 2 * HOUR), "resolved_at": None,
        "shortlink": "https://stspg.io/i1", "incident_updates": [{"body": "We are looking into it."}],
    }  # fmt: skip
    page.incidents = [entry]
    async with new_session() as session:
        follower = Follower(running.context, running.feed, session)
        await follower.once()
        page.incidents = [{**entry, "status": "resolved", "resolved_at": write_instant(T0)}]
        await follower.once()
        await Follower(running.context, running.feed, session).once()
    found = running.events("feed_incident")
    assert [(one.data["status"], one.data.get("end"), one.at) for one in found] == [
        ("investigating", None, T0 - 2 * HOUR), ("resolved", write_instant(T0), T0 - 2 * HOUR),
    ]  # fmt: skip
    assert found[0].data["body"] == "We are looking into it."


async def test_a_feed_that_fails_is_told_of_once_and_shown(running, status, caplog):
    """The log and the ledger have one word of it, the metrics show it, and it is told when it is over."""
    page, _ = status
    page.status = 503
    async with new_session() as session:
        follower = Follower(running.context, running.feed, session)
        await follower.once()
        await follower.once()
        again = Follower(running.context, running.feed, session)
        await again._recall()
        await again.once()
        assert [one.data["why"].split(" ", 1)[1] for one in running.events("feed_failed")] == ["answered 503"]
        assert len([one for one in caplog.records if "cannot be read" in one.message]) == 1
        shown = Exposition()
        _expose(shown, [again])
        assert 'slaproof_feed_up{contract="clicksend",feed="status"} 0' in shown.text()
        page.status = 200
        await again.once()
    assert len(running.events("feed_again")) == 1
    shown = Exposition()
    _expose(shown, [again])
    assert 'slaproof_feed_up{contract="clicksend",feed="status"} 1' in shown.text()
    assert "slaproof_feed_last_read_timestamp_seconds" in shown.text()


async def test_the_part_reads_on_its_interval_and_follows_a_reload(running, status):
    """It runs until it is cancelled, and a reload begins anew."""
    page, _ = status
    task = asyncio.create_task(serve(running.context))

    async def asked(count: int) -> None:
        for _ in range(500):
            if page.asked >= count and running.clock.sleepers:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(page.asked)

    await asked(2)
    await running.clock.advance(300)
    await asked(4)
    for tell in running.context.on_reload:
        tell(running.config)
    await asked(6)
    assert "feeds" in running.context.metrics.more
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await settle()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"incidents": 4}', b'{"scheduled_maintenances": [4]}', b"\xff"])
def test_what_is_no_status_page_is_refused(body):
    """A page of another kind is a sentence and no crash."""
    feed = Feed(name="f", contract="c", statuspage="https://x.example")
    with pytest.raises(BadPage):
        statuspage.read(feed, body, b'{"incidents": []}')


def test_entries_that_make_no_sense_are_passed_over():
    """One bad entry does not keep the others from being read."""
    feed = Feed(name="f", contract="c", statuspage="https://x.example")
    entries = [{}, {"id": 4}, {"id": "a", "scheduled_for": "soon"}, maintenance("b", T0, T0 - 1, T0),
               maintenance("c", T0, T0 + 1, T0, components=None)]  # fmt: skip
    content = statuspage.read(
        feed, json.dumps({"scheduled_maintenances": entries}).encode(), b'{"incidents": [{}, {"id": "x"}]}'
    )
    assert [one.uid for one in content.windows] == ["c"]
    assert content.incidents == ()


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:single
CREATED:20260901T080000Z
DTSTART:20261003T220000Z
DTEND:20261003T230000Z
SUMMARY:Emergency gateway work
END:VEVENT
BEGIN:VEVENT
UID:weekly
DTSTART;TZID=Europe/Berlin:20261018T030000
DURATION:PT2H
RRULE:FREQ=WEEKLY;COUNT=4
EXDATE;TZID=Europe/Berlin:20261101T030000
SUMMARY:Weekly gateway window
CATEGORIES:SMS,Network
END:VEVENT
BEGIN:VEVENT
UID:weekly
RECURRENCE-ID;TZID=Europe/Berlin:20261025T030000
DTSTART;TZID=Europe/Berlin:20261025T050000
DURATION:PT2H
SUMMARY:Weekly gateway window
CATEGORIES:SMS
END:VEVENT
BEGIN:VEVENT
UID:off
STATUS:CANCELLED
DTSTART:20261005T000000Z
DTEND:20261005T010000Z
SUMMARY:Gateway rebuild
END:VEVENT
BEGIN:VEVENT
UID:day
DTSTART;VALUE=DATE:20261007
SUMMARY:gateway day
END:VEVENT
BEGIN:VEVENT
UID:party
DTSTART:20261007T200000
DTEND:20261007T210000
SUMMARY:Summer party
END:VEVENT
END:VCALENDAR
"""


def calendar_feed(**more: Any) -> Feed:
    return Feed(name="cal", contract="clicksend", icalendar="cal.ics", **more)


def test_a_calendar_with_rules_exceptions_and_whole_days():
    """Occurrences keep their local time over a change of the clocks; a changed one replaces its own."""
    feed = calendar_feed(components={"gateway": ("sms_gateway",)}, emergency="^Emergency")
    content = icalendar.read(feed, CALENDAR.replace("\n", "\r\n").encode(), zone("UTC"), T0)
    found = {one.uid: one for one in content.windows}
    assert found["single"] == Window(
        uid="single", title="Emergency gateway work", start=parse_instant("2026-10-03T22:00:00Z"),
        end=parse_instant("2026-10-03T23:00:00Z"), announced=parse_instant("2026-09-01T08:00:00Z"),
        services=("sms_gateway",), kind="emergency",
    )  # fmt: skip
    assert found["off"].cancelled
    assert found["day"].end - found["day"].start == DAY
    assert "party" not in found
    weekly = sorted(write_instant(one.start)[:16] for one in content.windows if one.uid.startswith("weekly"))
    # 3:00 in Berlin is 1:00 UTC in summer and 2:00 in winter; the second was moved to 5:00, the third left out.
    assert weekly == ["2026-10-18T01:00", "2026-10-25T04:00", "2026-11-08T02:00"]


@pytest.mark.parametrize("until", ["20261101T000000Z", "20261101", "20261101T000000"])
def test_a_rule_that_ends_in_any_way_it_may_be_written(until):
    """UNTIL may be a date, a local time or one in UTC."""
    text = CALENDAR.replace("COUNT=4", f"UNTIL={until}").replace("\n", "\r\n")
    content = icalendar.read(calendar_feed(only="Weekly"), text.encode(), zone("UTC"), T0)
    assert len(content.windows) == 2


@pytest.mark.parametrize("body", [b"", b"hello", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT", b"\xff\xfe"])
def test_what_is_no_calendar_is_refused(body):
    """A page of another kind is a sentence and no crash."""
    with pytest.raises(BadPage):
        icalendar.read(calendar_feed(), body, zone("UTC"), T0)


async def test_a_calendar_file_read_moved_and_cancelled(tmp_path):
    """A file beside the configuration; without CREATED a window was announced no later than it was first seen."""
    config = CONFIG.partition("feeds:")[0] + "feeds: {pages: [{name: cal, contract: clicksend, icalendar: cal.ics}]}\n"
    file = tmp_path / "cal.ics"
    one = CALENDAR.partition("BEGIN:VEVENT")[0] + (
        "BEGIN:VEVENT\nUID:a\nDTSTART:20261020T000000Z\nDTEND:20261020T010000Z\nSUMMARY:work\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    file.write_text(one)
    running = Running(tmp_path, config)
    try:
        async with new_session() as session:
            follower = Follower(running.context, running.feed, session)
            await follower.once()
            assert running.events("maintenance")[0].data["announced"] == write_instant(T0)
            running.clock.set_ms(T0 + 18 * DAY)
            file.write_text(one.replace("T010000Z", "T020000Z"))
            await follower.once()
            (window,) = running.judge.stated("clicksend").events.maintenance
            assert (window.announced, window.end) == (T0, parse_instant("2026-10-20T02:00:00Z"))
            file.write_text(one.replace("SUMMARY:work", "SUMMARY:work\nSTATUS:CANCELLED"))
            await follower.once()
            assert running.judge.stated("clicksend").events.maintenance == ()
            file.unlink()
            await follower.once()
            assert "No such file" in running.events("feed_failed")[0].data["why"]
    finally:
        running.store.close()


def test_the_sandboxs_pages_are_read():
    """What the sandbox's provider publishes is a status page and a calendar."""
    pages = {path: body.encode() for path, (_, _, body) in paths(T0).items()}
    feed = Feed(name="f", contract="c", statuspage="http://127.0.0.1:19790")
    content = statuspage.read(
        feed, pages["/api/v2/scheduled-maintenances.json"], pages["/api/v2/incidents.json"]
    )  # fmt: skip
    assert [one.uid[:2] for one in content.windows] == ["m1", "m2"]
    assert [one.uid[:2] for one in content.incidents] == ["i1"]
    assert len(icalendar.read(calendar_feed(), pages["/calendar.ics"], zone("UTC"), T0).windows) == 1


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("{name: a, contract: clicksend}", "needs exactly one of statuspage and icalendar"),
        ("{name: a, contract: clicksend, statuspage: status.example}", "does not have the form wanted: ^https?://"),
        ("{name: a, contract: clicksnd, icalendar: x}", "'clicksnd' is no contract here: did you mean 'clicksend'?"),
        (
            "{name: a, contract: clicksend, icalendar: x, components: {SMS: sms_gatewy}}",
            "'sms_gatewy' is no service of clicksend: did you mean 'sms_gateway'?",
        ),
        ("{name: a, contract: clicksend, icalendar: x, intervall: 5m}", "did you mean 'interval'"),
    ],
)
def test_a_wrong_block_is_told(tmp_path, block, says):
    """Mistakes in the configuration have their place and a hint."""
    from monitor.config.load import ConfigProblems

    (tmp_path / "m.yaml").write_text(CONFIG.partition("feeds:")[0] + "feeds: {pages: [" + block + "]}\n")
    with pytest.raises(ConfigProblems) as raised:
        load(tmp_path / "m.yaml", secrets="optional")
    assert says in str(raised.value)
