"""What the shipped contracts say of plain cases, judged from files as ``slaproof evaluate`` does.

``pytest -s tests/sla/test_presets.py`` prints the figures as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.config.terms import load_preset, preset_names
from monitor.durations import say_duration
from monitor.judgement.evaluate import evaluate_files
from monitor.sla.evaluation import Evaluation, percent_text
from monitor.sla.instants import parse_instant, write_instant
from monitor.sla.reading import read_contract
from monitor.terminal.contract_text import describe

Outcome = Callable[[int], str]


@pytest.fixture(scope="module")
def report() -> Iterator[Callable[[str, str], None]]:
    """Collects the lines of the table."""
    lines: list[tuple[str, str]] = []
    yield lambda case, figures: lines.append((case, figures))
    print()
    for case, figures in lines:
        print(f"  {case:<66} {figures}")


def judge(
    folder: Path,
    preset: str,
    period: str,
    *,
    probes: tuple[str, int, str, str, Outcome] | None = None,
    events: str = "",
    extra: str = "",
) -> Evaluation:
    """Judge one service, probed every so many ms from an instant to another, with an outcome for each instant."""
    targets, rows = "", ["at,target,location,scheduled,outcome,duration_ms"]
    if probes is not None:
        service, interval, first, last, outcome = probes
        targets = f"  - {{name: t, contract: c, service: {service}, interval: {interval}ms, http: {{url: x}}}}\n"
        instants = range(parse_instant(first), parse_instant(last), interval)
        rows += [f"{write_instant(at)},t,main,true,{outcome(at)},50" for at in instants]
    (folder / "monitor.yaml").write_text(f"contracts:\n  c: {{preset: {preset}{extra}}}\ntargets:\n{targets}")
    (folder / "results.csv").write_text("\n".join(rows) + "\n")
    (folder / "events.yaml").write_text(events)
    return evaluate_files(
        folder / "monitor.yaml",
        "c",
        [folder / "results.csv"],
        folder / "events.yaml",
        period=period,
        now=parse_instant("2027-01-01T00:00:00Z"),
    )


def failing(start: str, end: str, outcome: str = "timeout") -> Outcome:
    """Fails from an instant to another, and is well otherwise."""
    low, high = parse_instant(start), parse_instant(end)
    return lambda at: outcome if low <= at < high else "ok"


MAILGUN = ("api", 60_000, "2026-06-14T23:00:00Z", "2026-07-15T01:00:00Z")
MONEY = ", fee: {amount: 90, currency: USD}, billing_day: 15"


def test_mailgun_down_65_minutes(tmp_path: Path, report: Callable[[str, str], None]) -> None:
    """0.01 % of 30 days are allowed, two whole half hours are beyond it: 10 % of the fee."""
    down = failing("2026-06-20T10:00:00Z", "2026-06-20T11:05:00Z")
    evaluation = judge(tmp_path, "mailgun", "2026-06", probes=(*MAILGUN, down), extra=MONEY)
    credit = evaluation.credit
    assert credit is not None
    assert evaluation.period.end - evaluation.period.start == 30 * 86_400_000
    assert credit.counted == 65 * 60_000
    assert credit.allowance_ms == 259_200
    assert credit.blocks == 2
    assert credit.answer() | {"percent": "10", "amount": "9.00", "currency": "USD"} == credit.answer()
    assert credit.claim_by == parse_instant("2026-07-20T11:05:00Z")
    assert evaluation.service("api").verdict == "breached"
    report(
        "Mailgun, 30-day billing month, api down 65 min",
        f"allowance {say_duration(int(credit.allowance_ms))}, {credit.blocks} whole blocks, {credit.percent} %,"
        f" {credit.amount} USD of 90.00",
    )


def test_mailgun_with_emergency_maintenance(tmp_path: Path, report: Callable[[str, str], None]) -> None:
    """With 40 of the 65 minutes inside emergency maintenance, 25 count and no whole block is left."""
    down = failing("2026-06-20T10:00:00Z", "2026-06-20T11:05:00Z")
    events = "maintenance:\n  - {start: 2026-06-20T10:00:00Z, end: 2026-06-20T10:40:00Z, kind: emergency}\n"
    evaluation = judge(tmp_path, "mailgun", "2026-06", probes=(*MAILGUN, down), extra=MONEY, events=events)
    credit, api = evaluation.credit, evaluation.service("api")
    assert credit is not None
    assert (credit.counted, credit.blocks, int(credit.percent)) == (25 * 60_000, 0, 0)
    assert credit.claim_by is None
    assert api.excluded_ms == 40 * 60_000
    assert api.out_of == 30 * 86_400_000 - 40 * 60_000
    assert [excuse.applied for excuse in evaluation.service("smtp_in").excuses] == [False]
    report(
        "the same, 40 min of it inside emergency maintenance",
        f"counted {say_duration(credit.counted)}, left out {say_duration(api.excluded_ms)},"
        f" {credit.blocks} blocks, {credit.percent} %",
    )


SMS = ("sms_gateway", 30_000, "2026-10-04T00:00:00Z", "2026-10-06T00:00:00Z")
NINETY = failing("2026-10-05T12:00:00Z", "2026-10-05T12:01:30Z")
FEE = ", fee: {amount: 200, currency: USD}"


@pytest.mark.parametrize(
    ("case", "events", "counted", "percent", "amount"),
    [
        (
            "ClickSend, 90 s outage reported after 30 s",
            "reports: [{at: 2026-10-05T12:00:30Z}]",
            60_000,
            "5",
            "10.00",
        ),
        ("the same, never reported", "", 0, "0", "0.00"),
        (
            "the same reported, in a window announced 6 d 23 h before",
            "reports: [{at: 2026-10-05T12:00:30Z}]\nmaintenance: [{start: 2026-10-05T11:00:00Z,"
            " end: 2026-10-05T13:00:00Z, announced: 2026-09-28T12:00:00Z}]",
            60_000,
            "5",
            "10.00",
        ),
        (
            "the same reported, in a window announced 7 d before",
            "reports: [{at: 2026-10-05T12:00:30Z}]\nmaintenance: [{start: 2026-10-05T11:00:00Z,"
            " end: 2026-10-05T13:00:00Z, announced: 2026-09-28T11:00:00Z}]",
            0,
            "0",
            "0.00",
        ),
    ],
    ids=["reported", "never reported", "announced late", "announced in time"],
)
def test_clicksend(
    case: str,
    events: str,
    counted: int,
    percent: str,
    amount: str,
    tmp_path: Path,
    report: Callable[[str, str], None],
) -> None:
    """What counts begins with the report, and a window must be announced seven days before."""
    evaluation = judge(tmp_path, "clicksend", "2026-10", probes=(*SMS, NINETY), events=events, extra=FEE)
    credit = evaluation.credit
    assert credit is not None
    answer = credit.answer()
    assert (answer["counted"], answer["percent"], answer["amount"]) == (counted, percent, amount)
    assert answer["out_of"] == 30 * 86_400_000
    assert answer["claim_by"] == ("2026-12-01T00:00:00.000Z" if counted else None)
    why = {excuse.why for excuse in evaluation.services[0].excuses}
    assert why == ({"late"} if "6 d 23 h" in case else {"excluded"} if "7 d" in case else set())
    report(case, f"counted {say_duration(counted)}, {percent} %, {amount} USD of 200.00")


def test_mailpro_five_failed_checks(tmp_path: Path, report: Callable[[str, str], None]) -> None:
    """A month of 31 days at +01:00 has 8,928 checks of the website: five failed leave 99.94 %, above 99 %."""
    first = parse_instant("2026-09-30T23:00:00Z")
    failed = {first + index * 300_000 for index in (7, 1000, 1001, 4444, 8927)}
    probes = (
        "website", 300_000, "2026-09-30T23:00:00Z", "2026-10-31T23:00:00Z",
        lambda at: "server_error" if at in failed else "ok",
    )  # fmt: skip
    evaluation = judge(tmp_path, "mailpro", "2026-10", probes=probes)
    website = evaluation.service("website")
    assert (website.counted, website.out_of, website.unknown) == (5, 8928, 0)
    assert website.answer()["availability"] == "0.99943996415770"
    assert website.verdict == "met"
    assert evaluation.credit is None
    assert website.availability is not None
    report(
        "Mailpro, 5 failed of 8,928 website checks",
        f"{percent_text(website.availability)} of 99%: {website.verdict}, no credit",
    )


@pytest.mark.parametrize(
    ("channel", "rule", "due"),
    [
        ("support_email", "regular", "2026-05-25T22:59:00.000Z"),
        ("emergency_email", "emergency", "2026-05-22T18:59:00.000Z"),
    ],
)
def test_omicron_by_the_wrong_channel(
    channel: str, rule: str, due: str, tmp_path: Path, report: Callable[[str, str], None]
) -> None:
    """On the Friday before Whit Monday at 16:59, what is no emergency has eight hours of workdays: Tuesday 00:59."""
    events = f"tickets: [{{id: T, opened: 2026-05-22T14:59:00Z, severity: emergency, channel: {channel}}}]"
    evaluation = judge(tmp_path, "omicron", "2026-05", events=events, extra=", plan: growth")
    (line,) = evaluation.answer()["tickets"]
    assert (line["rule"], line["due"]) == (rule, due)
    assert evaluation.tickets[0].otherwise == (rule == "regular")
    assert evaluation.holidays is not None
    report(f"Omicron growth, emergency by {channel}, Friday 16:59 before a holiday", f"rule {rule}, due {due}")


def test_sparkpost_seconds(tmp_path: Path, report: Callable[[str, str], None]) -> None:
    """Of 20 seconds of 5xx with one ``refused`` among them, 19 count: that outcome is not one that the text names."""
    start = parse_instant("2026-10-05T12:00:00Z")

    def outcome(at: int) -> str:
        return "refused" if at == start + 10_000 else "server_error" if start <= at < start + 20_000 else "ok"

    probes = ("api", 1000, "2026-10-05T11:00:00Z", "2026-10-05T13:00:00Z", outcome)
    api = judge(tmp_path, "sparkpost", "2026-10", probes=probes).service("api")
    assert api.counted == 19_000
    assert api.verdict == "no_target"
    assert [outage.end - outage.start for outage in api.outages] == [10_000, 9_000]
    report(
        "SparkPost, 20 s of 5xx at 1/s with one refused among them",
        f"counted {say_duration(api.counted)}, {len(api.outages)} outages on the timeline, no target",
    )


READINGS: dict[str, dict[str, Any]] = {
    "mailgun": {"services": ["api", "smtp", "outbound", "smtp_in"], "rules": []},
    "clicksend": {"services": ["sms_gateway"], "rules": ["important", "important", "normal"]},
    "mailpro": {
        "services": ["website", "online_apps", "api", "smtp", "sms_gateway"],
        "rules": ["level1", "level2", "legal"],
    },
    "omicron": {"services": [], "rules": ["regular", "emergency"] * 3},
    "sparkpost": {"services": ["api", "smtp"], "rules": ["critical"]},
}


def test_these_are_the_presets() -> None:
    """Nobody can forget to say what a new preset reads."""
    assert preset_names() == sorted(READINGS)


@pytest.mark.parametrize("name", READINGS)
def test_a_preset_can_be_read_and_said(name: str) -> None:
    """Each is in order, names its text and its clauses, and can be said in plain words."""
    contract = load_preset(name)
    assert contract.name == name
    assert [service.name for service in contract.services] == READINGS[name]["services"]
    assert [rule.name for rule in contract.rules] == READINGS[name]["rules"]
    assert all(rule.name == rule.severity for rule in contract.rules)
    assert contract.source is not None
    assert contract.clauses
    said = describe(contract)
    assert contract.source in said
    for service in contract.services:
        assert f"- {service.name}: " in said
    assert max(len(line) for line in said.splitlines()) <= 100


@pytest.mark.parametrize(
    ("preset", "sentences"),
    [
        (
            "mailgun",
            (
                "api: promised to be available 99.99 %.",
                "It is compared with the length of the period less what is left out.",
                "Scheduled maintenance is left out; emergency maintenance is left out.",
                "Maintenance never excuses smtp_in.",
                "5 % of the fee for each 30 min of down time beyond the first 0.01 % of the period less what is left"
                " out for every service; only whole blocks count.",
                "A credit must be claimed within 30 d after the end of each outage.",
            ),
        ),
        (
            "clicksend",
            (
                "Down time is rounded to whole minutes, to the nearest, a half going up, the sum of it.",
                "It is compared with 30 d, whatever the length of the period.",
                "Scheduled maintenance is left out if it was announced 7 d or more before; emergency maintenance counts"
                " as down time.",
                "Below 95 % availability: 100 % of the fee.",
                "important: a ticket must be acted on within 30 min, at any hour.",
                "normal: a ticket must be answered within 8 h of the opening time of the calendar “office”.",
            ),
        ),
        (
            "mailpro",
            (
                "The probes on schedule are counted: those that failed, out of those that failed or succeeded, without"
                " what is left out.",
                "For the outages and the credit, a target is down when more than half of the locations that have a"
                " result see it down.",
                "office: Monday to Friday, 08:00 to 17:00, by the clocks of +01:00; and Monday to Friday, 09:00 to"
                " 17:00, by the clocks of -06:00.",
                "legal: a ticket must be answered within 5 workdays of the calendar “office”. The day on which it"
                " starts is none of them; on the last it is due by the same time of day.",
            ),
        ),
        (
            "omicron",
            (
                "The contract promises no availability.",
                "regular, on the plan starter: a ticket must be answered within 24 h of the opening time of the"
                " calendar “workdays”. One opened while “office” is closed starts when that next opens.",
                "One that came otherwise is judged as regular.",
                "While a ticket waits for the customer, its time stands still.",
            ),
        ),
        (
            "sparkpost",
            (
                "api: no figure is promised.",
                "Only these failures count as down: server_error, timeout.",
                "A second counts as down when there was a probe in it and every probe in it failed; one whose beginning"
                " is left out does not count.",
                "One that came otherwise is judged as non_critical, for which there is no rule.",
            ),
        ),
    ],
)
def test_a_preset_in_plain_words(preset: str, sentences: tuple[str, ...]) -> None:
    """What ``slaproof contract show`` prints can be laid beside the text: figures with their units, whole sentences."""
    said = " ".join(describe(load_preset(preset)).split())
    for sentence in sentences:
        assert sentence in said, sentence


def test_what_no_preset_has_is_said_in_plain_words_too() -> None:
    """A credit under a count of checks, for which nobody set a time to claim; one location that is enough."""
    contract = read_contract(
        {
            "name": "own",
            "services": {"api": {"target": "99.9%"}},
            "availability": {"unit": "check", "denominator": "30d", "quorum": "any"},
            "credit": {"tiers": [{"below": "99.9%", "credit": "10%"}]},
            "support": {
                "calendars": {"night": {"hours": "22:00-02:00"}},
                "rules": [
                    {"severity": "a", "milestone": "acted", "within": "1h", "clock": "night", "accepts": "always"}
                ],
            },
        }
    )
    said = " ".join(describe(contract).split())
    for sentence in (
        "For the credit, down time in milliseconds is compared with 30 d, whatever the length of the period.",
        "a target is down when any one of the locations that have a result sees it down.",
        "No time is named by which a credit must be claimed.",
    ):
        assert sentence in said, sentence
    assert "closed" not in said  # “always” never is
