"""What can be claimed, until when, and the letters."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.commands._store import Here
from monitor.commands.claims import gather, make
from monitor.config.load import load
from monitor.errors import Refused
from monitor.judgement.claims import claim_of, due
from monitor.judgement.events import correction
from monitor.judgement.events import make as event
from monitor.judgement.judge import Judge
from monitor.judgement.report import gather as report
from monitor.letters import LetterFailed, tidy, write
from monitor.letters.case import incidents
from monitor.metrics import contracts as metrics_contracts
from monitor.metrics.exposition import Page as Exposition
from monitor.sla.instants import parse_instant, zone
from monitor.store import Event, Row
from monitor.store.sqlite import SqliteStore
from monitor.terminal.evaluate_text import write_evaluation
from monitor.terminal.report_text import write as report_text
from monitor.web import contracts, overview
from monitor.web.api import Api
from monitor.web.ports import Source
from monitor.web.settings import WebSettings
from tests.fakes import FakeClock
from tests.servers.prometheus import check_metrics

MINUTE, DAY = 60_000, 86_400_000
START = parse_instant("2026-06-15T00:00:00Z")
CONFIG = """
location: main
storage: s.db
contracts:
  mailgun: {preset: mailgun, fee: {amount: 90, currency: USD}, billing_day: 15}
  clicksend: {preset: clicksend, fee: {amount: 2000, currency: USD}}
targets:
  - {name: mailgun-api, contract: mailgun, service: api, interval: 60s, http: {url: "https://127.0.0.1:9/"}}
  - {name: clicksend-sms, contract: clicksend, service: sms_gateway, interval: 60s, http: {url: "https://127.0.0.1:9/"}}
claims: {customer: Example Ltd, timezone: Europe/Stockholm}
"""
DOWN = parse_instant("2026-06-20T10:00:00Z")


def rows(target: str, start: int, end: int, down: list[tuple[int, int]], outcome: str = "server_error") -> list[Row]:
    found = []
    for at in range(start, end, MINUTE):
        bad = any(a <= at < b for a, b in down)
        found.append(
            Row(
                at=at,
                target=target,
                location="main",
                scheduled=True,
                outcome=outcome if bad else "ok",
                duration_ms=40,
                code=503 if bad else 200,
                detail="HTTP 503 Service Unavailable, and a body that says that the service is not available now" * bad,
                ids={"x-request-id": f"req-{at}"} if bad else {},
                probe_id="",
            )
        )
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Mailgun's billing month with an outage of 65 minutes, ClickSend's June with one reported half a minute late."""
    folder = tmp_path_factory.mktemp("claims")
    (folder / "monitor.yaml").write_text(CONFIG)
    config = load(folder / "monitor.yaml", secrets="optional")
    clock = FakeClock(START)
    store = SqliteStore.open(folder / "s.db", "main", clock, gather_s=0.002)
    clicked = parse_instant("2026-06-20T12:00:00Z")
    every = rows("mailgun-api", START, START + 8 * DAY, [(DOWN, DOWN + 66 * MINUTE)])
    every += rows("clicksend-sms", clicked - 60 * MINUTE, clicked + DAY, [(clicked, clicked + 90 * MINUTE)])

    async def fill() -> None:
        await asyncio.gather(*[store.writer.put_row(row) for row in every])

    asyncio.run(fill())
    clock.set_ms(START + 5 * DAY)
    enter = store.writer.enter
    enter(event("report", {"contract": "clicksend", "at": clicked + 30_000}, source="cli"))
    window = {"start": clicked + 60 * MINUTE, "end": clicked + 70 * MINUTE, "announced": clicked - 6 * DAY}
    enter(event("maintenance", {"contract": "clicksend", **window, "note": "status page"}, source="cli"))
    first = enter(
        event(
            "maintenance",
            {"contract": "mailgun", "start": DOWN - 9 * MINUTE, "end": DOWN, "announced": DOWN - DAY},
            source="feed:mailgun",
        )
    )
    moved = {**first.data, "start": DOWN + 65 * MINUTE, "end": DOWN + 66 * MINUTE}
    enter(correction(first, source="feed:mailgun", why="moved on the page", data=moved))
    enter(event("feed_page", {"contract": "mailgun", "feed": "mailgun", "url": "https://status.example/"},
                source="feed:mailgun", at=START))  # fmt: skip
    clock.set_ms(START + 35 * DAY)
    with_judge = Here(config=config, store=store, judge=Judge(store.reader, config, clock), clock=clock)
    yield with_judge
    store.close()


def incident(status: str = "resolved", **more: object) -> Event:
    data = {
        "contract": "mailgun", "feed": "mailgun", "incident": "i1", "name": "Elevated API errors", "status": status,
        "impact": "major", "start": "2026-06-20T10:20:00.000Z", "published": "2026-06-20T10:31:00.000Z", **more,
    }  # fmt: skip
    return Event(kind="feed_incident", at=DOWN, data=data, entered_at=DOWN + 70 * MINUTE, source="feed:mailgun")


def test_what_is_due_and_until_when(here):
    """Sixty-six minutes, one of them in a window that was moved onto it: two blocks, in time for thirty days."""
    now = DOWN + 20 * DAY
    evaluation = here.judge.evaluate("mailgun", "2026-06")
    claim = claim_of(evaluation, now)
    assert claim is not None
    assert claim.answer() == {
        "contract": "mailgun", "period": "2026-06", "start": "2026-06-15T00:00:00.000Z",
        "end": "2026-07-15T00:00:00.000Z", "complete": True, "percent": "10", "amount": "9.00", "currency": "USD",
        "claim_by": "2026-07-20T11:06:00.000Z", "days_left": 10, "state": "open", "outages": 1, "outages_past": 0,
    }  # fmt: skip
    late = claim_of(evaluation, DOWN + 31 * DAY)
    assert late is not None
    assert late.state == "over"
    assert due([evaluation], DOWN + 31 * DAY) == []


def test_the_list_and_the_running_period(here):
    """The nearest deadline first; ClickSend's is the end of the next calendar month."""
    found = gather(here)
    assert [(one.contract, one.period, one.state, str(one.credit.amount)) for one in found] == [
        ("mailgun", "2026-06", "open", "9.00"),
        ("clicksend", "2026-06", "open", "100.00"),
    ]
    assert found[1].claim_by == parse_instant("2026-08-01T00:00:00Z")
    assert [one.period for one in gather(here, every=True)] == ["2026-06", "2026-06"]
    here.clock.set_ms(START + 9 * DAY)
    try:
        assert [one.state for one in gather(here)] == ["running", "running"]
    finally:
        here.clock.set_ms(START + 35 * DAY)


@pytest.mark.parametrize("language", ["en", "de", "sv", "es"])
def test_a_letter_has_everything_and_fits(here, language):
    """Every figure that the claim rests on stands in it, in lines that can be pasted into a ticket."""
    here.store.writer.enter(incident(end="2026-06-20T11:00:00.000Z"))
    case = make(here, "mailgun", "2026-06", "Example Ltd")
    text = write(case, language=language, local=zone("Europe/Stockholm"))
    assert max(map(len, text.splitlines())) <= 78
    assert "None" not in text
    assert "Undefined" not in text
    assert "\n\n\n" not in text
    point = "." if language == "en" else ","
    for figure in (
        "10 %", f"9{point}00 USD", f"4 min 19{point}2 s", "1 h 5 min", "2026-06-20 10:00:00 UTC", "12:00:00 CEST",
        "3.3", f"req-{DOWN}", f"req-{DOWN + 65 * MINUTE}", "Elevated API errors", "i1", "2026-07-20 11:06:00 UTC",
        "Example Ltd", "mailgun-api", "2026-06-20 09:51:00 UTC", f"1 h 40{point}8 s",
    ):  # fmt: skip
        assert figure in " ".join(text.split()), f"{figure} is not in\n{text}"


def test_a_letter_with_tiers_and_a_cap_and_what_was_not_left_out(here):
    """ClickSend: counted from the report, rounded to minutes, by tiers, capped; the window came too late."""
    case = make(here, "clicksend", "2026-06", "")
    text = " ".join(write(case, language="en", local=zone("UTC")).split())
    for said in ("reported to you: 2026-06-20 12:00:30 UTC", "Rounded as the agreement provides: 1 h 30 min",
                 "Below 100 %: 5 %", "2000.00 USD x 5 % = 100.00 USD", "it counts, because it was announced too late",
                 "(status page)"):  # fmt: skip
        assert said in text, said
    assert "your status page" not in text  # nobody reads it
    assert "Hur det fungerar" in write(case)  # its own language, Swedish, names the heading
    assert "begäran om kreditering" in write(case)


def test_what_the_page_did_not_say_is_said(here):
    """Where the page is followed and was silent, the letter says so."""
    case = make(here, "mailgun", "2026-06", "x")
    assert case.followed
    silent = replace(case, outages=tuple(replace(one, admitted=()) for one in case.outages))
    text = write(silent, language="en", local=zone("UTC"))
    assert "no mention of it" in text
    assert "your own status page admitted: 0 of 1" in " ".join(text.split())


def test_an_incident_is_as_it_was_read_last():
    """Later readings of the same incident stand; other contracts' are passed over."""
    first, last = incident("investigating"), incident("resolved", end="2026-06-20T11:00:00.000Z")
    (found,) = incidents([first, last, incident(contract="other")], "mailgun")
    assert (found.status, found.end) == ("resolved", parse_instant("2026-06-20T11:00:00Z"))
    assert found.touches("api", DOWN, DOWN + 66 * MINUTE)
    assert not found.touches("api", DOWN + 3 * 60 * MINUTE, DOWN + 4 * 60 * MINUTE)


def test_an_incident_of_another_service_admits_nothing(here):
    """What the page said of SMTP is no word about the API."""
    (other,) = incidents([incident(services=["smtp"], end="2026-06-20T11:00:00.000Z")], "mailgun")
    assert other.touches("smtp", DOWN, DOWN + 66 * MINUTE)
    assert not other.touches("api", DOWN, DOWN + 66 * MINUTE)


@pytest.mark.parametrize(
    ("language", "opening", "clauses", "unreported", "excused"),
    [
        ("en", "of the fee for the period", "(sections 3.2 and 3.3)",
         "not counted, as it was not reported to you while it lasted", "not counted, and nothing is claimed"),
        ("de", "der Gebühr für den Zeitraum", "(Abschnitte 3.2 und 3.3)",
         "da dieser Ausfall Ihnen nicht während seiner Dauer gemeldet wurde", "nicht angerechnet; hierfür wird nichts"),
        ("sv", "av avgiften för perioden", "(avsnitt 3.2 och 3.3)",
         "eftersom det inte anmäldes till er medan det pågick", "räknas inte, och ingen kreditering begärs"),
        ("es", "de la cuota correspondiente al periodo", "(apartados 3.2 y 3.3)",
         "porque no se les comunicó mientras duraba", "no computa y no se reclama nada"),
    ],
)  # fmt: skip
def test_a_letter_says_why_an_outage_is_not_claimed(here, language, opening, clauses, unreported, excused):
    """Not reported in time, or excused; each clause is named; where the cap is in other money, it stands there."""
    case = make(here, "clicksend", "2026-06", "x")
    (only,) = case.outages
    never = replace(only, outage=replace(only.outage, reported=None, counted_ms=0))
    foreign = replace(
        case, left_out=(never,), currency="EUR", credit=replace(case.credit, amount=None, amount_before_cap=None)
    )
    text = " ".join(write(foreign, language=language).split())
    assert unreported in text
    assert excused not in text
    assert opening in text
    assert ("125.00 USD" if language == "en" else "125,00 USD") in text
    assert excused in " ".join(write(replace(case, left_out=(only,)), language=language).split())
    assert clauses in " ".join(write(make(here, "mailgun", "2026-06", "x"), language=language).split())


def test_a_template_of_ones_own(here, tmp_path):
    """A file or a folder goes before what comes with the program, and a fault in it is told with its line."""
    case = make(here, "mailgun", "2026-06", "x")
    own = tmp_path / "de.txt.j2"
    own.write_text("Nur {{ credit.percent|percent }} bis {{ claim.claim_by|utc }}\n")
    assert write(case, folder=tmp_path) == "Nur 10 % bis 2026-07-20 11:06:00 UTC\n"
    assert "Example" not in write(case, template=own)
    own.write_text("\n{{ credit.percnet }}")
    with pytest.raises(LetterFailed, match="percnet"):
        write(case, template=own)
    own.write_text("{% if %}")
    with pytest.raises(LetterFailed, match="line 1"):
        write(case, template=own)
    with pytest.raises(LetterFailed, match="no letter in “fr”"):
        write(case, language="fr")


def test_where_nothing_is_due(here):
    """A period without a credit gives a sentence instead of a letter."""
    with pytest.raises(Refused, match="No credit is due from clicksend for 2026-07"):
        make(here, "clicksend", "2026-07", "")
    with pytest.raises(Refused, match="did you mean 'mailgun'"):
        make(here, "mailgum", "2026-06", "")
    with pytest.raises(Refused, match="has not begun"):
        make(here, "mailgun", "2031-06", "")


def test_long_lines_hang_under_their_text():
    """A broken line goes on under the text of its label or item."""
    lines = tidy("  - " + "word " * 30 + "\n      cause:  " + "word " * 30 + "\n\n\n\nend").splitlines()
    assert lines[1].startswith("    word")
    assert lines[3].startswith("              word")
    assert lines[-2:] == ["", "end"]


def test_no_line_ends_between_a_figure_and_its_unit():
    """Wherever a line must be broken, ``10 %``, ``4 min 19.2 s`` and an instant stay whole."""
    text = "It lasted 1 d 2 h 4 min 19.2 s, 10 % of it from 2026-06-20 10:00:00 UTC / 12:00:00 CEST for 9.00 USD. "
    for shift in range(80):
        for line in tidy("x" * shift + " " + text * 4).splitlines():
            assert not re.search(r"(\d|\d [dh]|\d min)$", line), line
            assert not re.match(r"(min|%|UTC|CEST|USD)", line), line


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [
        ("en", "1 failed probe (", "2 failed probes ("),
        ("de", "1 fehlgeschlagene Messung (", "2 fehlgeschlagene Messungen ("),
        ("sv", "1 misslyckad kontroll (", "2 misslyckade kontroller ("),
        ("es", "1 comprobación fallida (", "2 comprobaciones fallidas ("),
    ],
)
def test_one_is_not_said_as_many(here, language, one, many):
    """A single failed probe is written in the singular."""
    case = make(here, "mailgun", "2026-06", "x")
    for failures, said in ((1, one), (2, many)):
        (only,) = case.outages
        changed = replace(only, outage=replace(only.outage, failures=failures))
        assert said in " ".join(write(replace(case, outages=(changed,)), language=language).split())


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "in time for 1 of the 2 outages below"),
        ("de", "für 1 der 2 unten genannten Ausfälle fristgerecht"),
        ("sv", "i tid för 1 av de 2 avbrotten nedan"),
        ("es", "dentro del plazo para 1 de las 2 interrupciones indicadas"),
    ],
)
def test_a_letter_does_not_call_in_time_what_is_late(here, language, said):
    """Where the deadline of some outages is past, the letter says for how many it is not."""
    case = make(here, "mailgun", "2026-06", "x")
    late = replace(case, outages=case.outages * 2, claim=replace(case.claim, past=1, outages=2))
    assert said in " ".join(write(late, language=language).split())
    assert said not in " ".join(write(case, language=language).split())


@pytest.mark.parametrize(
    ("language", "before", "after", "running"),
    [
        ("en", "began before the period: ", "went on after it until: ", "(not over yet)"),
        ("de", "begann vor dem Zeitraum: ", "dauerte danach bis: ", "(noch nicht beendet)"),
        ("sv", "började före perioden: ", "pågick därefter till: ", "(ännu inte avslutat)"),
        ("es", "empezó antes del periodo: ", "siguió después hasta: ", "(aún no ha terminado)"),
    ],
)
def test_an_outage_longer_than_the_period_is_not_cut_off_in_silence(here, language, before, after, running):
    """The part within the period is what is claimed; when it began and ended stands beside it."""
    case = make(here, "mailgun", "2026-06", "x")
    (only,) = case.outages
    text = " ".join(write(case, language=language).split())
    assert before not in text
    assert after not in text
    longer = replace(only, outage=replace(only.outage, whole_start=DOWN - 7 * MINUTE, whole_end=DOWN + 77 * MINUTE))
    text = " ".join(write(replace(case, outages=(longer,)), language=language, local=zone("UTC")).split())
    assert f"{before}2026-06-20 09:53:00 UTC" in text
    assert f"{after}2026-06-20 11:17:00 UTC" in text
    assert running not in text
    period = replace(case.evaluation.period, to=longer.outage.end)
    now = replace(case, outages=(longer,), evaluation=replace(case.evaluation, period=period))
    text = " ".join(write(now, language=language, local=zone("UTC")).split())
    assert f"2026-06-20 11:06:00 UTC {running}" in text
    assert after not in text


@pytest.mark.parametrize("language", ["en", "de", "sv", "es"])
def test_an_exclusion_bears_the_name_that_it_has_on_the_pages(here, language):
    """Not the word of the contract's file; a reason that nobody named stands as it was written."""
    case = make(here, "clicksend", "2026-06", "x")
    words = json.loads((Path(contracts.__file__).parent / "lang" / f"{language}.json").read_text())
    (window,) = case.excused
    for what in ("customer_error", "customer_breach", "ddos", "malware", "intrusion", "third_party", "force_majeure"):
        named = replace(window, excuse=replace(window.excuse, source="exclusion", what=what))
        text = " ".join(write(replace(case, excused=(named,)), language=language).split())
        assert words[f"window.{what}"] in text
    other = replace(window, excuse=replace(window.excuse, source="exclusion", what="bad_weather"))
    assert "bad weather" in write(replace(case, excused=(other,)), language=language)


def test_the_commands(here):
    """The list as a table and as JSON, and a letter of a period long past."""
    config = str(here.config.path)
    runner = CliRunner()
    listed = runner.invoke(cli, ["claims", "--all", "--config", config])
    assert re.search(r"mailgun +2026-06 +10 % +9\.00 USD +2026-07-20 11:06:00 +over", listed.output), listed.output
    assert runner.invoke(cli, ["claims", "--config", config, "--json"]).output.startswith("[")
    assert "--all shows those past their time" in runner.invoke(cli, ["claims", "--config", config]).output
    letter = runner.invoke(cli, ["claim", "mailgun", "2026-06", "--lang", "en", "--config", config])
    assert letter.exit_code == 0, letter.output
    assert "Example Ltd" in letter.output
    assert "deadline of this claim is past" in letter.output
    told = json.loads(
        runner.invoke(cli, ["claim", "mailgun", "2026-06", "--lang", "en", "-c", config, "--json"]).stdout
    )
    instants = r"[0-9-]{10} [0-9:]{8} UTC / [0-9:]{8} [A-Z]+, from"  # when each of the two was written
    assert re.sub(instants, "", told["letter"]) == re.sub(instants, "", letter.stdout)
    assert (told["customer"], told["language"], told["file"]) == ("Example Ltd", "en", None)
    assert (told["state"], told["amount"], told["claim_by"][:10]) == ("over", "9.00", "2026-07-20")


def test_templates_are_found_in_the_installed_program():
    """Each language has its template beside the module."""
    import monitor.letters

    folder = Path(monitor.letters.__file__).parent
    assert sorted(path.name for path in folder.glob("*.j2")) == [f"{name}.txt.j2" for name in ("de", "en", "es", "sv")]


def test_the_next_deadline_is_told_as_long_as_something_can_be_claimed(tmp_path):
    """Of two outages the first is too late: the second's deadline stands in the list, the standing and the metrics."""
    (tmp_path / "monitor.yaml").write_text(CONFIG)
    config = load(tmp_path / "monitor.yaml", secrets="optional")
    clock = FakeClock(START)
    second = DOWN + 10 * DAY
    every = rows(
        "mailgun-api", DOWN - DAY, DOWN + 11 * DAY, [(DOWN, DOWN + 66 * MINUTE), (second, second + 66 * MINUTE)]
    )
    every += rows("clicksend-sms", DOWN, DOWN + 60 * MINUTE, [(DOWN + 20 * MINUTE, DOWN + 40 * MINUTE)])
    with SqliteStore.open(tmp_path / "s.db", "main", clock, gather_s=0.002) as store:

        async def fill() -> None:
            await asyncio.gather(*[store.writer.put_row(row) for row in every])

        asyncio.run(fill())
        clock.set_ms(DOWN + 32 * DAY)
        judge = Judge(store.reader, config, clock)
        until = second + 66 * MINUTE + 30 * DAY
        (claim,) = gather(Here(config=config, store=store, judge=judge, clock=clock))
        assert (claim.claim_by, claim.past, claim.outages, claim.state) == (until, 1, 2, "open")
        standing = judge.current()
        assert standing is not None
        assert [(one.kind, one.contract, one.period, one.at) for one in standing.deadlines] == [
            ("claim", "mailgun", "2026-06", until)
        ]
        source = Source(
            config=lambda: config, settings=WebSettings, reader=store.reader, judge=judge, clock=clock, run=store.run
        )
        (line,) = [one for one in overview.build(source).deadlines if one.kind == "claim"]
        assert (line.at, line.what) == (until, "2026-06")
        assert [one.open_claims for one in contracts.every(source)] == [1, 0]
        assert [(one.state, one.claim_by, one.past) for one in contracts.one(source, "mailgun").claims] == [
            ("open", until, 1)
        ]
        said = report_text(report(judge, store.reader, config, clock, location="main", period="2026-06", contract=None))
        assert "(the first time limit; each outage has its own)" in " ".join(said.split())
        assert "nothing of it, as it was not reported while it lasted" in " ".join(said.split())
        assert "it was not over yet" not in said
        then = FakeClock(DOWN + 30 * MINUTE)
        early = Judge(store.reader, config, then)
        cut = report_text(report(early, store.reader, config, then, location="main", period="2026-06", contract=None))
        assert "it was not over yet" in cut
        evaluated = write_evaluation(judge.evaluate("clicksend", "2026-06"))
        assert "what was not reported to the provider while it lasted does not count" in evaluated
        assert "while it lasted" not in write_evaluation(judge.evaluate("mailgun", "2026-06"))
        items = json.loads(asyncio.run(Api(source).claims(None, {"contract": None})).body)["items"]
        assert items == [claim.answer()]
        page = Exposition()
        metrics_contracts.write(page, standing)
        assert check_metrics(page.text()) == ""
        said = page.text()
        label = 'contract="mailgun",period="2026-06"'
        assert f"slaproof_claim_deadline_timestamp_seconds{{{label}}} {until // 1000}" in said
        assert 'slaproof_credit_due_ratio{contract="mailgun",period="previous"} 0.2' in said
        enter = store.writer.enter
        ticket = {"contract": "clicksend", "id": "T1", "opened": clock.now_ms(), "severity": "important"}
        enter(event("ticket", ticket, source="cli"))
        old = {"contract": "clicksend", "id": "T0", "opened": clock.now_ms() - DAY, "severity": "normal"}
        enter(event("ticket", old, source="cli"))
        reached = {"contract": "clicksend", "id": "T0", "milestone": "responded", "at": clock.now_ms() - DAY + MINUTE}
        enter(event("ticket_reached", reached, source="cli"))
        clock.tick(2)
        standing = judge.current()
        assert standing is not None
        page = Exposition()
        metrics_contracts.write(page, standing)
        assert check_metrics(page.text()) == ""
        said = page.text()
        due_at = (ticket["opened"] + 30 * MINUTE) // 1000
        ours = 'contract="clicksend",ticket="T1",rule="important",milestone="acted"'
        assert f"slaproof_ticket_due_timestamp_seconds{{{ours}}} {due_at}" in said
        assert 'slaproof_response_compliance_ratio{contract="clicksend",rule="normal",period="current"} 1' in said
