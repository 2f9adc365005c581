"""Response times agree with a count minute by minute, written from the text of arithmetic §7 alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import HealthCheck, given, settings

from monitor.sla.contract import Terms
from monitor.sla.evaluate import evaluate
from monitor.sla.instants import parse_instant, write_instant
from monitor.sla.reading import read_contract
from monitor.sla.reading_events import read_events
from monitor.sla.values import Events
from tests.sla.strategies import SEEDS
from tests.sla.test_bruteforce import NO_SHRINKING

MINUTE = timedelta(minutes=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@cache
def zone(name: str) -> tzinfo:
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[4:6])))
    return ZoneInfo(name)


def begins(window: dict[str, str], day: date) -> bool:
    first, _, last = window.get("days", "mon-sun").partition("-")
    if not DAYS.index(first) <= day.weekday() <= DAYS.index(last or first):
        return False
    place = window.get("holidays")
    if place is None:
        return True
    return day not in free(place, day.year)


@cache
def free(place: str, year: int) -> frozenset[date]:
    country, _, part = place.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def is_open(windows: list[dict[str, str]], at: datetime) -> bool:
    for window in windows:
        local = at.astimezone(zone(window.get("timezone", "UTC")))
        begin, end = window.get("hours", "00:00-24:00").split("-")
        clock = f"{local.hour:02d}:{local.minute:02d}"
        today, yesterday = local.date(), local.date() - timedelta(days=1)
        if begin < end:
            if begin <= clock < end and begins(window, today):
                return True
        elif (clock >= begin and begins(window, today)) or (clock < end and begins(window, yesterday)):
            return True
    return False


def due(calendars: dict[str, list[dict[str, str]]], rule: dict[str, str], ticket: dict[str, Any]) -> datetime:
    clock = calendars[rule["clock"]]
    accepts = calendars[rule.get("accepts", rule["clock"])]
    waiting = ticket["waiting"]

    def waits(at: datetime) -> bool:
        return any(start <= at < end for start, end in waiting)

    at: datetime = ticket["opened"]
    while not is_open(accepts, at):
        at += MINUTE
    if "workday" not in rule["within"]:
        number = int(rule["within"][:-1]) * (60 if rule["within"][-1] == "h" else 1)
        while number:
            number -= is_open(clock, at) and not waits(at)
            at += MINUTE
        return at
    home = zone(clock[0].get("timezone", "UTC"))
    local = at.astimezone(home)
    day, count = local.date(), int(rule["within"].split()[0])
    while count:
        day += timedelta(days=1)
        count -= any(begins(window, day) for window in clock)
    then = datetime.combine(day, local.time(), home).astimezone(UTC)
    waited = 0
    while at < then:
        waited += is_open(clock, at) and waits(at)
        at += MINUTE
    while waited:
        waited -= is_open(clock, at)
        at += MINUTE
    return at


CALENDARS: dict[str, list[dict[str, str]]] = {
    "always": [{}],
    "office": [{"timezone": "Europe/Berlin", "days": "mon-fri", "hours": "09:00-17:00", "holidays": "DE"}],
    "bavaria": [{"timezone": "Europe/Berlin", "days": "mon-fri", "hours": "08:30-12:15", "holidays": "DE-BY"}],
    "workdays": [{"timezone": "Europe/Berlin", "days": "mon-fri", "hours": "00:00-24:00", "holidays": "DE"}],
    "two": [
        {"timezone": "+01:00", "days": "mon-fri", "hours": "08:00-17:00"},
        {"timezone": "-06:00", "days": "mon-fri", "hours": "09:00-17:00"},
    ],
    "night": [
        {"timezone": "-06:00", "days": "mon-fri", "hours": "21:00-17:00"},
        {"timezone": "Asia/Kolkata", "days": "sat"},
    ],
    "late": [{"timezone": "America/New_York", "days": "wed-sun", "hours": "22:00-03:30", "holidays": "US"}],
    "england": [{"timezone": "Europe/London", "days": "mon-fri", "hours": "08:30-16:30", "holidays": "GB-ENG"}],
}


def build(seed: Random) -> tuple[dict[str, Any], list[dict[str, Any]], str | None]:
    names = list(CALENDARS)
    rules = []
    for index in range(seed.randrange(1, 6)):
        rule: dict[str, Any] = {
            "name": f"r{index}",
            "severity": seed.choice(["normal", "urgent"]),
            "milestone": seed.choice(["acted", "responded", "resolved"]),
            "within": seed.choice(["30m", "4h", "8h", "24h", "1 workday", "2 workdays", "5 workdays"]),
            "clock": seed.choice(names),
        }
        if seed.random() < 0.4:
            rule["accepts"] = seed.choice(names)
        if seed.random() < 0.4:
            rule["channels"] = seed.choice([["phone"], ["phone", "email"]])
            if seed.random() < 0.7:
                rule["otherwise"] = seed.choice(["normal", "urgent"])
        if seed.random() < 0.3:
            rule["plan"] = "gold"
        rules.append(rule)
    # Around both changes of the clocks, and around the holidays at the turn of the year.
    month, day = seed.choice([(3, 20), (10, 18), (12, 14)])
    first = datetime(2026, month, day, tzinfo=UTC)
    tickets = []
    for index in range(seed.randrange(1, 4)):
        opened = first + seed.randrange(0, 11 * 1440) * MINUTE
        waiting = []
        for _ in range(seed.choice([0, 0, 1, 2])):
            start = opened + seed.randrange(-100, 5000) * MINUTE
            waiting.append((start, start + seed.randrange(1, 3000) * MINUTE))
        reached = {
            milestone: opened + seed.randrange(0, 12_000) * MINUTE
            for milestone in ("acted", "responded", "resolved")
            if seed.random() < 0.6
        }
        tickets.append(
            {
                "id": f"T{index}",
                "opened": opened,
                "severity": seed.choice(["normal", "urgent", "other"]),
                "channel": seed.choice([None, "phone", "email"]),
                "plan": seed.choice([None, None, "gold", "silver"]),
                "waiting": waiting,
                "reached": reached,
            }
        )
    support = {
        "calendars": {name: windows for name, windows in CALENDARS.items() if name != "always"},
        "rules": rules,
    }
    return {"name": "c", "support": support}, tickets, seed.choice([None, "gold"])


def expected(contract: dict[str, Any], tickets: list[dict[str, Any]], plan: str | None, now: datetime) -> list[Any]:
    lines = []
    rules = contract["support"]["rules"]
    for ticket in tickets:
        own = ticket["plan"] or plan
        mine = [rule for rule in rules if rule.get("plan") in (None, own)]
        judging = []
        for rule in mine:
            if rule["severity"] == ticket["severity"]:
                if "channels" not in rule or ticket["channel"] in rule["channels"]:
                    judging.append(rule["name"])
                elif "otherwise" in rule:
                    judging += [other["name"] for other in mine if other["severity"] == rule["otherwise"]]
        for rule in rules:
            if rule["name"] not in judging:
                continue
            by = due(CALENDARS, rule, ticket)
            reached = ticket["reached"].get(rule["milestone"])
            if reached is not None and reached > now:
                reached = None
            if reached is not None:
                verdict = "met" if reached <= by else "breached"
            else:
                verdict = "breached" if by < now else "pending"
            lines.append((ticket["id"], rule["name"], rule["milestone"], text(by), reached and text(reached), verdict))
    return lines


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=NO_SHRINKING)
@given(SEEDS)
def test_tickets_agree_with_a_count_by_minutes(seed: bytes) -> None:
    """Due instants, rules that judge, and verdicts, across holidays, midnights and changes of the clocks."""
    contract, tickets, plan = build(Random(seed))
    month = tickets[0]["opened"].strftime("%Y-%m")
    tickets = [ticket for ticket in tickets if ticket["opened"].strftime("%Y-%m") == month]
    begin = tickets[0]["opened"].replace(day=1, hour=0, minute=0)
    end = (begin + timedelta(days=32)).replace(day=1)
    now = max(end, max(ticket["opened"] for ticket in tickets) + timedelta(days=Random(seed).randrange(0, 20)))
    rows = [
        {
            **{key: ticket[key] for key in ("id", "severity", "channel", "plan")},
            "opened": text(ticket["opened"]),
            "reached": {milestone: text(at) for milestone, at in ticket["reached"].items()},
            "waiting": [[text(start), text(stop)] for start, stop in ticket["waiting"]],
        }
        for ticket in tickets
    ]
    terms = Terms(name="c", contract=read_contract(contract), plan=plan)
    evaluation = evaluate(terms, [], [], read_events({"tickets": rows}), period=month, now=int(now.timestamp()) * 1000)
    assert [tuple(line.values()) for line in evaluation.answer()["tickets"]] == expected(contract, tickets, plan, now)


def judged(rule: dict[str, Any], ticket: dict[str, Any], now: str = "2027-01-01T00:00:00Z") -> list[dict[str, Any]]:
    calendars = {name: windows for name, windows in CALENDARS.items() if name != "always"}
    contract = {"name": "c", "support": {"calendars": calendars, "rules": [{"severity": "s", **rule}]}}
    row = {"id": "T", "severity": "s", **ticket}
    terms = Terms(name="c", contract=read_contract(contract))
    month = ticket["opened"][:7]
    answer = evaluate(terms, [], [], read_events({"tickets": [row]}), period=month, now=parse_instant(now)).answer()
    tickets: list[dict[str, Any]] = answer["tickets"]
    return tickets


@pytest.mark.parametrize(
    ("opened", "within", "clock", "when"),
    [
        # Exactly when the window closes is the first instant by which the time has passed, not the next morning.
        ("2026-06-01T11:00:00Z", "4h", "office", "2026-06-01T15:00:00.000Z"),
        # Opened on a Saturday: Monday morning, German time.
        ("2026-06-06T11:00:00Z", "30m", "office", "2026-06-08T07:30:00.000Z"),
        # Reformation Day is a holiday in the east of Germany only; All Saints' in Bavaria.
        ("2027-11-01T08:00:00Z", "30m", "bavaria", "2027-11-02T08:00:00.000Z"),
        # A window that begins on Friday at 21:00 runs for twenty hours; the other four are Monday's, which is Tuesday.
        ("2026-06-06T03:00:00Z", "24h", "night", "2026-06-09T07:00:00.000Z"),
        # Two days after a Thursday across the weekend and Whit Monday, at the same time of day.
        ("2026-05-21T10:00:00Z", "2 workdays", "office", "2026-05-26T10:00:00.000Z"),
        # The clocks go forward between: 10:00 in winter and in summer are not the same in UTC.
        ("2026-03-27T09:00:00Z", "1 workday", "office", "2026-03-30T08:00:00.000Z"),
        ("2026-03-27T09:00:00.250Z", "1 workday", "office", "2026-03-30T08:00:00.250Z"),
    ],
)
def test_due(opened: str, within: str, clock: str, when: str) -> None:
    """Some due instants that anyone can check with a calendar in hand."""
    rule = {"milestone": "responded", "within": within, "clock": clock}
    (line,) = judged(rule, {"opened": opened}, now="2028-01-01T00:00:00Z")
    assert line["due"] == when


def test_reached_at_the_due_instant_is_met() -> None:
    """At it is met, a millisecond later is not; after now is not reached yet."""
    rule = {"milestone": "acted", "within": "30m", "clock": "always"}
    opened = "2026-06-01T00:00:00Z"
    verdicts = {}
    for reached in ("2026-06-01T00:30:00Z", "2026-06-01T00:30:00.001Z", "2026-07-01T00:00:00Z"):
        for now in ("2026-06-01T00:30:00Z", "2026-06-01T00:30:00.001Z"):
            (line,) = judged(rule, {"opened": opened, "reached": {"acted": reached}}, now=now)
            verdicts[reached[11:], now[11:]] = line["verdict"], line["reached"] is not None
    assert verdicts == {
        ("00:30:00Z", "00:30:00Z"): ("met", True),
        ("00:30:00Z", "00:30:00.001Z"): ("met", True),
        ("00:30:00.001Z", "00:30:00Z"): ("pending", False),
        ("00:30:00.001Z", "00:30:00.001Z"): ("breached", True),
        ("00:00:00Z", "00:30:00Z"): ("pending", False),
        ("00:00:00Z", "00:30:00.001Z"): ("breached", False),
    }


def test_waiting_that_has_not_ended_moves_the_due_instant() -> None:
    """A span without an end lasts at least until now, so the ticket cannot become overdue meanwhile."""
    rule = {"milestone": "resolved", "within": "4h", "clock": "always"}
    ticket = {"opened": "2026-06-01T00:00:00Z", "waiting": [["2026-06-01T01:00:00Z", None]]}
    (line,) = judged(rule, ticket, now="2026-06-03T00:00:00Z")
    assert (line["verdict"], line["due"]) == ("pending", "2026-06-03T03:00:00.000Z")


def test_a_ticket_belongs_to_the_period_in_which_it_was_opened() -> None:
    """The first instant of the next period is not in it, nor is what is opened after now."""
    rule = {"milestone": "acted", "within": "30m", "clock": "always"}
    contract = read_contract({"name": "c", "support": {"rules": [{"severity": "s", **rule}]}})
    tickets = [
        {"id": at, "opened": at, "severity": "s"}
        for at in ("2026-05-31T23:59:59.999Z", "2026-06-01T00:00:00Z", "2026-06-15T00:00:00Z", "2026-07-01T00:00:00Z")
    ]
    events: Events = read_events({"tickets": tickets})
    for now, count in (("2026-07-02T00:00:00Z", 2), ("2026-06-15T00:00:00Z", 1), ("2026-06-15T00:00:00.001Z", 2)):
        evaluation = evaluate(
            Terms(name="c", contract=contract), [], [], events, period="2026-06", now=parse_instant(now)
        )
        assert len(evaluation.tickets) == count, write_instant(parse_instant(now))
