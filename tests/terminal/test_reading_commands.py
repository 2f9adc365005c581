"""report, status, show and backup: a month that is known, read back by the commands."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import re
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from monitor.cli import cli
from monitor.config.in_force import config_data
from monitor.config.load import load
from monitor.judgement.events import make
from monitor.judgement.judge import Judge
from monitor.judgement.report import COLUMNS, gather, to_json
from monitor.probing.slots import first_slot, offset_ms
from monitor.sla.instants import parse_instant
from monitor.store import Event, Gap, Row
from monitor.store.hold import holder
from monitor.store.sqlite import SqliteStore
from monitor.terminal.follow import Follower
from monitor.terminal.report_rich import show as show_rich
from monitor.terminal.report_text import WIDTH, percent, write
from monitor.terminal.status import Watch, brief, render
from tests.fakes import FakeClock

START = parse_instant("2026-10-01T00:00:00Z")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DOWN = parse_instant("2026-10-05T10:00:00Z")
CONTRACT = """
name: mailpost
title: Mailpost service level agreement
services:
  api: {target: 99.99%}
  smtp: {target: 99%}
maintenance: {scheduled: excluded, emergency: counted}
credit:
  blocks: {after: 0.01%, each: 30m, credit: 5%}
  cap: {percent: 100%}
claim: {after_outage: 30d}
"""
CONFIG = """
location: main
storage: slaproof.db
contracts:
  mailpost: {file: mailpost.yaml, fee: {amount: 90, currency: EUR}}
targets:
  - {name: post-api, contract: mailpost, service: api, interval: 60s, tcp: {host: 127.0.0.1, port: 9}}
  - {name: router, interval: 5m, tcp: {host: 127.0.0.1, port: 9}}
"""


async def history(folder: Path, days: int = 10) -> None:
    """Ten days: an outage of 65 minutes, 30 of them in maintenance, and twelve minutes in which nothing ran."""
    config = load(folder / "monitor.yaml")
    clock = FakeClock(START + days * DAY)
    dice = random.Random(5)
    with SqliteStore.open(folder / "slaproof.db", "main", clock, gather_s=0.0) as store:
        await store.writer.put_event(Event(kind="config", at=START, data=config_data(config)))
        window = {"contract": "mailpost", "start": DOWN, "end": DOWN + 30 * MINUTE, "note": "new disks"}
        await store.writer.put_event(make("maintenance", window, source="cli"))
        gap_from, gap_to = START + 7 * DAY, START + 7 * DAY + 12 * MINUTE
        for target in config.targets:
            rows = []
            offset = offset_ms(target.name, target.interval_ms)
            for at in range(first_slot(START, target.interval_ms, offset), START + days * DAY, target.interval_ms):
                if gap_from <= at < gap_to:
                    continue
                down = target.name == "post-api" and DOWN <= at < DOWN + 65 * MINUTE
                rows.append(
                    Row(
                        at=at + dice.randrange(5), target=target.name, location="main", scheduled=True,
                        outcome="server_error" if down else "ok", duration_ms=12, code=503 if down else 200,
                        detail="503 Service Unavailable" if down else "200 OK",
                        phases={"connect": 1.5, "first_byte": 9.25},
                        facts={"peer": "192.0.2.1:443"}, ids={"x-request-id": "R1"} if down else {},
                        evidence=EVIDENCE if down else None,
                    )
                )  # fmt: skip
            for n in range(0, len(rows), 5000):
                await asyncio.gather(*[store.writer.put_row(row) for row in rows[n : n + 5000]])
            first, last = (
                first_slot(gap_from, target.interval_ms, offset),
                first_slot(gap_to, target.interval_ms, offset),
            )
            await store.writer.put_gap(
                Gap(target=target.name, location="main", start=first, end=last,
                    slots=(last - first) // target.interval_ms, reason="not_running", detail="slaproof was not running")
            )  # fmt: skip


EVIDENCE = zlib.compress(
    json.dumps(
        {
            "advice": "ask the provider why",
            "phases": [["connect", 0.0, 1.5], ["first_byte", 1.5, 9.25]],
            "transcript": [[1.5, ">", "GET / HTTP/1.1"], [9.0, "<", "HTTP/1.1 503 Service Unavailable"]],
            "evidence": {"resolver": ["192.0.2.1"]},
            "reference_hosts": {"198.51.100.1:53": "answered in 3 ms"},
        }
    ).encode()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration and its database."""
    made = tmp_path_factory.mktemp("reading")
    (made / "mailpost.yaml").write_text(CONTRACT)
    (made / "monitor.yaml").write_text(CONFIG)
    asyncio.run(history(made))
    return made


def run(folder: Path, *args: str) -> Result:
    """Call a command with that configuration, at any later time."""
    return CliRunner().invoke(cli, [*args, "--config", str(folder / "monitor.yaml")], catch_exceptions=False)


def test_a_target_that_was_renamed_does_not_vanish_unsaid(folder: Path) -> None:
    """What was observed under a name that the configuration no longer has is not judged, and that is said."""
    renamed = folder / "renamed.yaml"
    renamed.write_text(CONFIG.replace("name: post-api", "name: post-new"))

    def said(*args: str) -> str:
        return CliRunner().invoke(cli, ["report", "2026-10", *args, "--config", str(renamed)]).output

    page = " ".join(said().split())
    assert "Observed in this period and not judged, for the configuration no longer names it: post-api" in page
    assert [part["no_longer_configured"] for part in json.loads(said("--json"))["contracts"]] == [["post-api"], []]
    assert "no longer names it" not in run(folder, "report", "2026-10").output


def test_the_page_fits_a_mail_and_says_it_all(folder: Path) -> None:
    """Outages with their probes, what was left out, the credit step by step, gaps, the balance; 78 columns."""
    page = run(folder, "report", "2026-10").output
    assert max(map(len, page.splitlines())) <= WIDTH
    for said in (
        "UPTIME 2026-10 Mailpost service level agreement",
        "Outage 1: 2026-10-05 10:00:",
        "1 h 5 min",
        "post-api server_error: 503 Service Unavailable",
        "failed 65 probes",
        "Scheduled maintenance 2026-10-05 10:00:00 to 2026-10-05 10:30:00: left out",
        "(new disks)",
        "smtp: unproven; nothing was observed of it",
        "whole blocks of 30 min: 1 x 5 % = 5 %",
        "5 % of 90 EUR = 4.50 EUR",
        "due: 4.50 EUR, to be claimed before 2026-11-04 11:05:",
        "the monitor was not running; 12 probes missed (post-api)",
        "Targets without a contract",
        "router",
    ):
        assert said in " ".join(page.split()), page


def test_the_month_does_not_balance_and_says_so(folder: Path) -> None:
    """After the last row nothing ran and no gap says so: the report names the difference instead of hiding it."""
    page = run(folder, "report", "2026-10", "--contract", "mailpost").output
    assert "DOES NOT BALANCE: post-api from main: 44,640 due, but 14,388 observed + 12" in page
    assert "30,240 unaccounted" in " ".join(page.split())
    assert "router" not in page


@pytest.mark.parametrize("later", [0, 90_000])
def test_a_running_period_balances_to_now(folder: Path, later: int) -> None:
    """Up to the newest that is recorded all slots count, and the page says that the period still runs."""
    clock = FakeClock(START + 10 * DAY + later)
    config = load(folder / "monitor.yaml")
    with SqliteStore.open(folder / "slaproof.db", "main", clock) as store:
        judge = Judge(store.reader, config, clock)
        report = gather(judge, store.reader, config, clock, location="main", period="current", contract="mailpost")
    page = write(report)
    assert "The period is still running: judged until 2026-10-11 00:0" in page
    assert [one.difference for one in report.contracts[0].balances] == [0]
    assert "It balances: 14,400 probes due = 14,388 made + 12 missed." in page
    for width in (80, 111, 112, 150):  # nothing is cut off, and no number is torn apart
        console = Console(width=width, record=True, file=io.StringIO())
        show_rich(report, console)
        shown = console.export_text()
        assert "Mailpost service level agreement · 2026-10" in shown
        assert "2026-10-05 10:" in shown
        assert "server_error" in shown
        assert "BREACHED" in shown
        assert "running, judged until 2026-10-11 00:0" in " ".join(shown.replace("│", " ").split())
        assert "5 % of 90 EUR = 4.50 EUR" in shown
        assert "…" not in shown
        figures = report.contracts[0].evaluation.services[0]
        for figure in (figures.availability, figures.worst_case, figures.coverage):
            assert percent(figure) in shown


def test_tickets_stand_in_every_form_of_a_report(tmp_path: Path) -> None:
    """With the rule that judged them and the holidays' version, on a page that fits a mail and on a terminal."""
    (tmp_path / "monitor.yaml").write_text(
        "location: main\nstorage: s.db\ncontracts:\n  omicron: {preset: omicron, plan: growth}\n"
        "targets:\n  - {name: router, interval: 5m, tcp: {host: 127.0.0.1, port: 9}}\n"
    )
    config = load(tmp_path / "monitor.yaml")
    clock = FakeClock(START + 40 * DAY)
    with SqliteStore.open(tmp_path / "s.db", "main", clock) as store:
        ticket = {"contract": "omicron", "id": "K-2026-10-0001", "opened": "2026-10-02T14:59:00Z"}
        for more in ({"severity": "emergency", "channel": "mail"}, {"id": "K2", "severity": "regular"}):
            store.writer.enter(make("ticket", {**ticket, **more}, source="cli"))
        noted = {"contract": "omicron", "id": "K2", "milestone": "responded", "at": "2026-10-02T15:30:00Z"}
        store.writer.enter(make("ticket_reached", noted, source="cli"))
        judge = Judge(store.reader, config, clock)
        report = gather(judge, store.reader, config, clock, location="main", period="2026-10", contract="omicron")
    page = write(report)
    assert max(map(len, page.splitlines())) <= WIDTH
    console = Console(width=120, record=True, file=io.StringIO())
    show_rich(report, console)
    page, shown = (" ".join(text.replace("│", " ").split()) for text in (page, console.export_text()))
    late, kept = "regular (other channel): responded", "2026-10-04 22:59:00"
    assert f"K-2026-10-0001 {late} due {kept}, not reached: BREACHED K2 regular: responded due {kept}, reached" in page
    assert f"K-2026-10-0001 {late} {kept} - BREACHED K2 regular: responded {kept} 2026-10-02 15:30:00 met" in shown
    for text in (page, shown):
        assert f"package holidays {report.contracts[0].evaluation.holidays}." in text
        assert "Availability" not in text
    assert to_json(report)["contracts"][0]["holidays"] == report.contracts[0].evaluation.holidays


def test_the_report_as_json_and_csv(folder: Path) -> None:
    """The same numbers for programs: the answer of arithmetic §9 with its detail, and one table."""
    whole = json.loads(run(folder, "report", "2026-10", "--format", "json").output)
    assert json.loads(run(folder, "report", "2026-10", "--json").output)["contracts"] == whole["contracts"]
    contract, alone = whole["contracts"]
    api = contract["services"][0]
    (outage,) = api["outages"]
    assert outage["id"].startswith("mailpost/api/2026-10-05T10:00:")
    assert (outage["failed_probes"], outage["first"]["code"], outage["last"]["outcome"]) == (65, 503, "server_error")
    assert contract["credit"]["percent"] == "5"
    assert contract["credit"]["steps"]["blocks"] == 1
    assert contract["balance"][0]["difference"] == 30_240
    assert alone["contract"] is None
    assert alone["services"][0]["service"] == "router"
    lines = list(csv.DictReader(io.StringIO(run(folder, "report", "2026-10", "--format", "csv").output)))
    assert [line["record"] for line in lines] == ["service", "outage", "service", "gap", "credit", "service", "gap"]
    assert lines[1]["counted_ms"] == str(outage["counted_ms"])
    assert tuple(lines[0]) == COLUMNS


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("report", "2026-13"), "'2026-13' is not a period"),
        (("report", "2099-01"), "The period 2099-01 has not begun."),
        (("report", "2026-10", "--contract", "nobody"), "There is no contract “nobody”"),
        (("show", "post-api", "noon"), "'noon' is no time"),
        (("show", "nobody", "2026-10-05"), "Seen are: post-api, router."),
        (("show", "post-api", "2026-09-05"), "Nothing was observed before that."),
    ],
)
def test_mistakes_in_the_call_are_named(folder: Path, args: tuple[str, ...], says: str) -> None:
    """A mistake in the call is one sentence and ends with 2."""
    from monitor.errors import Refused

    with pytest.raises(Refused, match=says) as refusal:
        run(folder, *args)
    assert refusal.value.exit_code == 2


def test_show_prints_what_was_kept(folder: Path) -> None:
    """The probe at an instant, or the one whose result held then, with its transcript and those around it."""
    page = run(folder, "show", "post-api", "2026-10-05 10:20").output
    for said in (
        "server_error", "503 Service Unavailable", "ask the provider why", "GET / HTTP/1.1", "x-request-id", "resolver",
        "198.51.100.1:53  answered in 3 ms", "Around it", "whose result held",
    ):  # fmt: skip
        assert said in page, page
    whole = json.loads(run(folder, "show", "post-api", "2026-10-05 10:20", "--json").output)
    assert whole["evidence"]["transcript"][1][2] == "HTTP/1.1 503 Service Unavailable"
    assert (len(whole["before"]), len(whole["after"]), whole["code"]) == (3, 3, 503)
    exact = run(folder, "show", "post-api", whole["before"][-1]["at"]).output
    assert "whose result held" not in exact
    good = run(folder, "show", "router", "2026-10-02").output
    assert "ok" in good
    assert "connect" in good


def standing(folder: Path, now: int) -> tuple[Any, SqliteStore]:
    """How it stood at an instant."""
    clock = FakeClock(now)
    store = SqliteStore.open(folder / "slaproof.db", "main", clock)
    return Judge(store.reader, load(folder / "monitor.yaml"), clock).current(), store


@pytest.mark.parametrize("width", [80, 110, 160])
def test_status_at_every_width(folder: Path, width: int) -> None:
    """What is up and since when, what is left of the budget and what is due stand there at any width."""
    found, store = standing(folder, START + 10 * DAY)
    with store:
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(render(found, Watch(location="main", daemon=None, newest=START + 10 * DAY - 1000), width=width))
    page = console.export_text()
    assert max(map(len, page.splitlines())) <= width
    for said in (
        "1 services up",
        "no daemon runs",
        "mailpost",
        "● api",
        "not watched",
        "over by",
        "router",
        "claim 5 %",
    ):
        assert said in " ".join(page.split()), page


def test_status_in_a_narrow_terminal(folder: Path) -> None:
    """What there is no room for is left out; a name and a number are never cut."""
    found, store = standing(folder, START + 10 * DAY)
    with store:
        console = Console(width=40, record=True, file=io.StringIO())
        console.print(render(found, Watch(location="main", daemon=None, newest=START + 10 * DAY - 1000), width=40))
    page = console.export_text()
    assert max(map(len, page.splitlines())) <= 40
    assert "…" not in page
    assert re.search(r"● api +up +\d+\.\d{4} %\n", page), page


def test_status_of_an_outage(folder: Path) -> None:
    """A running outage heads the page with its start to the second."""
    found, store = standing(folder, DOWN + 40 * MINUTE)
    with store:
        console = Console(width=130, record=True, file=io.StringIO())
        console.print(render(found, Watch(location="main", daemon=7, newest=DOWN), width=130))
    page = " ".join(console.export_text().split())
    assert found.contracts[0].services[0].outage is None or "1 of 1 services down" in page


def test_status_as_json(folder: Path) -> None:
    """The same for programs."""
    whole = json.loads(run(folder, "status", "--json").output)
    assert whole["contracts"][0]["services"][0]["service"] == "api"
    assert {one["target"] for one in whole["targets"]} == {"post-api", "router"}
    assert whole["daemon"] is None


def _no_lock(read_text: Callable[..., str]) -> Callable[..., str]:
    def read(path: Path, *args: object, **options: object) -> str:
        if path.name.endswith("-lock"):
            raise PermissionError(13, "Permission denied")
        return read_text(path, *args, **options)

    return read


def test_a_follower_sees_what_is_added(folder: Path, tmp_path: Path) -> None:
    """A terminal that stays sees what the daemon records meanwhile, each probe once."""
    copied = tmp_path / "slaproof.db"
    with sqlite3.connect(folder / "slaproof.db") as old, sqlite3.connect(copied) as new:
        old.backup(new)
    old.close()
    new.close()
    clock = FakeClock(START + 10 * DAY)
    config = load(folder / "monitor.yaml")

    async def go() -> None:
        with SqliteStore.open(copied, "main", clock, daemon=True, gather_s=0.0) as daemon:
            assert holder(copied) is not None
            with pytest.MonkeyPatch.context() as patch:  # another user may read the database, and not the lock
                patch.setattr(Path, "read_text", _no_lock(Path.read_text))
                assert holder(copied) == os.getpid()
            follower = Follower(daemon.reader, config, clock)
            follower.begin()
            assert follower.look().service("mailpost", "api").state == "up"
            for n in range(3):
                clock.set_ms(START + 10 * DAY + (n + 1) * MINUTE)
                await daemon.writer.put_row(
                    Row(at=clock.now_ms() - 1, target="post-api", location="main", scheduled=True, outcome="refused",
                        duration_ms=1)
                )  # fmt: skip
                seen = follower.look()
            assert seen.service("mailpost", "api").outage.parts[0][1].failures == 3
            stored = Judge(daemon.reader, config, clock).current()
            assert seen.contracts == stored.contracts

    asyncio.run(go())
    assert holder(copied) is None


def test_backup_makes_a_sound_copy(folder: Path, tmp_path: Path) -> None:
    """The copy is sound and never overwrites."""
    from monitor.errors import Refused

    done = run(folder, "backup", str(tmp_path / "copy.db"), "--json")
    assert json.loads(done.output)["integrity"] == "ok"
    with pytest.raises(Refused, match="never overwrites"):
        run(folder, "backup", str(tmp_path / "copy.db"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db"]


def test_lengths_of_time_in_two_units() -> None:
    """Two units are enough for a glance, and nothing is rounded up."""
    assert [brief(ms) for ms in (0, 999, 59_999, 130_500, 3 * DAY + 4 * HOUR + 59 * MINUTE)] == [
        "0 s", "0 s", "59 s", "2 min 10 s", "3 d 4 h"]  # fmt: skip
