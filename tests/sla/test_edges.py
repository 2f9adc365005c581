"""Cases at the edges of the arithmetic, through ``slaproof evaluate``, each figure worked out by hand from its section.

A line of observations is ``target location first-instant step outcomes``: ``+`` is ok, ``-`` a timeout, ``?`` offline,
``r`` refused, a dot a probe that was not made; ``*n`` repeats.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor.commands.evaluate import evaluate
from monitor.durations import parse_duration
from monitor.sla.instants import parse_instant, write_instant

_LETTERS = {"+": "ok", "-": "timeout", "?": "offline", "r": "refused", "s": "server_error"}
_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000


def rows(text: str) -> list[str]:
    """Spell lines of observations out."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        target, location, first, step, outcomes = line.split(maxsplit=4)
        at = parse_instant(first)
        spelt = re.sub(r"(.)\*(\d+)", lambda match: match[1] * int(match[2]), outcomes.replace(" ", ""))
        for letter in spelt:
            if letter != ".":
                found.append(f"{write_instant(at)},{target},{location},true,{_LETTERS[letter]},7")
            at += parse_duration(step)
    return found


def judge(
    folder: Path,
    *,
    contract: str = "",
    seen: str = "",
    events: str = "",
    period: str = "2026-10",
    now: str = "2027-06-01T00:00:00Z",
    targets: str = "a/api/60s",
    terms: str = "",
    services: str = "{api: {target: 99.9%}}",
) -> dict[str, Any]:
    """Run the command; ``targets`` are ``name/service/interval[/stale_after]``."""
    given = []
    for one in targets.split():
        name, service, interval, *stale = one.split("/")
        more = f", stale_after: {stale[0]}" if stale else ""
        given.append(
            f"  - {{name: {name}, contract: c, service: {service}, interval: {interval}{more},"
            ' http: {url: "https://x"}}'
        )
    (folder / "c.yaml").write_text(f"name: c\nservices: {services}\n{contract}\n")
    (folder / "monitor.yaml").write_text(
        f"contracts:\n  c: {{file: c.yaml{terms}}}\ntargets:\n" + "\n".join(given) + "\n"
    )
    (folder / "events.yaml").write_text(events)
    head = "at,target,location,scheduled,outcome,duration_ms"
    (folder / "r.csv").write_text("\n".join([head, *rows(seen)]) + "\n")
    done = CliRunner().invoke(
        evaluate,
        ["--config", str(folder / "monitor.yaml"), "--contract", "c", "--results", str(folder / "r.csv"),
         "--events", str(folder / "events.yaml"), "--period", period, "--now", now, "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def agrees(found: Any, expected: Any, where: str = "") -> None:
    """See that everything expected is found; what is not expected may be anything."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            agrees(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {found}"
        for index, value in enumerate(expected):
            agrees(found[index], value, f"{where}[{index}]")
    else:
        assert found == expected, where


def outage(start: str, end: str, **more: Any) -> dict[str, Any]:
    """An outage of 2026-10, by day and time."""
    return {"start": f"2026-10-{start}.000Z", "end": f"2026-10-{end}.000Z", **more}


OCTOBER = 31 * _DAY
TEN = "2026-10-10T10:00:00Z"
DOWN_10 = f"a l {TEN} 60s + -*10 +"
"""Ten failures from 10:01 to 10:11."""

# Each case: what is said of it, how it is called, what of its answer is expected.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # -- §2, runs ----------------------------------------------------------------------------------------------------
    "a run as long as confirm counts from its first failure": (
        {"contract": "availability: {confirm: 3}", "seen": f"a l {TEN} 60s + -*3 + -*2 +"},
        {"services": [{"counted": 3 * _MINUTE, "outages": [outage("10T10:01:00", "10T10:04:00")]}]},
    ),
    "what is unknown ends a run": (
        {"contract": "availability: {confirm: 2}", "seen": f"a l {TEN} 60s + - ? - +"},
        # The two failures count as up; offline is unknown for its minute.
        {"services": [{"counted": 0, "unknown": OCTOBER - 5 * _MINUTE, "outages": []}]},
    ),
    "a run goes across a hole, and the hole is unknown": (
        {"contract": "availability: {confirm: 2}", "seen": f"a l {TEN} 60s + - ...... - +"},
        # 10:01 holds two minutes, 10:08 one until the good probe.
        {"services": [{"counted": 3 * _MINUTE, "outages": [outage("10T10:01:00", "10T10:03:00"),
                                                           outage("10T10:08:00", "10T10:09:00")]}]},
    ),
    "a run is confirmed by observations before the period": (
        {"contract": "availability: {confirm: 3}", "seen": "a l 2026-09-30T23:58:00Z 60s -*3 +"},
        {"services": [{"counted": _MINUTE, "outages": [outage("01T00:00:00", "01T00:01:00")]}]},
    ),
    "a run is confirmed by observations after the period": (
        {"contract": "availability: {confirm: 3}", "seen": "a l 2026-10-31T23:58:00Z 60s + -*3 +"},
        {"services": [{"counted": _MINUTE, "outages": [
            {"start": "2026-10-31T23:59:00.000Z", "end": "2026-11-01T00:00:00.000Z"}]}]},
    ),
    "each location has runs of its own": (
        {"contract": "availability: {confirm: 2, quorum: any}", "seen": f"a l {TEN} 60s - + +\na m {TEN} 60s + - +"},
        {"services": [{"counted": 0, "outages": []}]},
    ),
    # -- §2, hold ----------------------------------------------------------------------------------------------------
    "a state holds for twice the interval": (
        {"seen": f"a l {TEN} 60s -"},
        {"services": [{"counted": 2 * _MINUTE, "unknown": OCTOBER - 2 * _MINUTE}]},
    ),
    "stale_after below the interval is the interval": (
        {"seen": f"a l {TEN} 60s -", "targets": "a/api/60s/5s"},
        {"services": [{"counted": _MINUTE}]},
    ),
    "stale_after beyond the next observation ends there": (
        {"seen": f"a l {TEN} 60s - +", "targets": "a/api/60s/1h"},
        {"services": [{"counted": _MINUTE, "unknown": OCTOBER - 61 * _MINUTE}]},
    ),
    "a state holds into the period from before it": (
        {"seen": "a l 2026-09-30T23:59:00Z 60s -"},
        {"services": [{"counted": _MINUTE, "outages": [outage("01T00:00:00", "01T00:01:00", outcome=None)]}]},
    ),
    "the last given of one instant stands": (
        {"seen": f"a l {TEN} 60s + - +\na l 2026-10-10T10:01:00Z 60s +"},
        {"services": [{"counted": 0, "outages": []}]},
    ),
    # -- §2, locations -----------------------------------------------------------------------------------------------
    "half of the locations are no majority": (
        {"seen": f"a l {TEN} 60s + - +\na m {TEN} 60s + + +"},
        {"services": [{"counted": 0}]},
    ),
    "a location that is unknown has no voice": (
        {"seen": f"a l {TEN} 60s + - +\na m {TEN} 60s + ? +"},
        {"services": [{"counted": _MINUTE}]},
    ),
    "all of the locations that are known": (
        {"contract": "availability: {quorum: all}", "seen": f"a l {TEN} 60s -*3 +\na m {TEN} 60s + - ? +"},
        {"services": [{"counted": 2 * _MINUTE, "outages": [outage("10T10:01:00", "10T10:03:00")]}]},
    ),
    "a number of locations that is not reached, with none up, is unknown": (
        {"contract": "availability: {quorum: 2}", "seen": f"a l {TEN} 60s -*2 +\na m {TEN} 60s ? - +"},
        # 10:00 one down and one unknown: unknown; 10:01 both down; then two minutes up.
        {"services": [{"counted": _MINUTE, "unknown": OCTOBER - 3 * _MINUTE}]},
    ),
    "a number above the locations is never reached": (
        {"contract": "availability: {quorum: 3}", "seen": f"a l {TEN} 60s -*2\na m {TEN} 60s -*2"},
        {"services": [{"counted": 0, "unknown": OCTOBER, "coverage": "0.00000000000000"}]},
    ),
    "any location": (
        {"contract": "availability: {quorum: any}", "seen": f"a l {TEN} 60s + - +\na m {TEN} 60s + + +"},
        {"services": [{"counted": _MINUTE}]},
    ),
    # -- §2, targets -------------------------------------------------------------------------------------------------
    "down_when any": (
        {"seen": f"a l {TEN} 60s + - +\nb l {TEN} 60s + + +", "targets": "a/api/60s b/api/60s",
         "services": "{api: {target: 99.9%, down_when: any}}"},
        {"services": [{"counted": _MINUTE}]},
    ),
    "down_when all takes a target that was never seen": (
        {"seen": f"a l {TEN} 60s + - +", "targets": "a/api/60s b/api/60s",
         "services": "{api: {target: 99.9%, down_when: all}}"},
        # The minute at 10:01 is unknown, for b may have been up.
        {"services": [{"counted": 0, "unknown": OCTOBER - 3 * _MINUTE}]},
    ),
    "down_when any is up where one is up and one unknown": (
        {"seen": f"a l {TEN} 60s + + +", "targets": "a/api/60s b/api/60s",
         "services": "{api: {down_when: any}}"},
        {"services": [{"counted": 0, "unknown": OCTOBER - 4 * _MINUTE, "verdict": "no_target", "target": None}]},
    ),
    "a service that nothing watches is unknown": (
        {"seen": "", "targets": "a/api/60s", "services": "{api: {target: 99%}, smtp: {target: 100%}}"},
        {"services": [{"service": "api"}, {"service": "smtp", "availability": "1.00000000000000", "unknown": OCTOBER,
                                           "worst_case": "0.00000000000000", "verdict": "unproven", "outages": []}]},
    ),
    # -- §3 ----------------------------------------------------------------------------------------------------------
    "a month with summer time's end has 745 hours": (
        {"contract": "timezone: Europe/Berlin"},
        {"period": {"start": "2026-09-30T22:00:00.000Z", "end": "2026-10-31T23:00:00.000Z"},
         "services": [{"out_of": 745 * _HOUR}]},
    ),
    "a month with summer time's begin has 743 hours": (
        {"contract": "timezone: Europe/Berlin", "period": "2026-03"},
        {"services": [{"out_of": 743 * _HOUR}]},
    ),
    "of two midnights the first": (
        # In Havana the clocks go back from 01:00 to 00:00 on 2026-11-01.
        {"contract": "timezone: America/Havana", "period": "2026-11"},
        {"period": {"start": "2026-11-01T04:00:00.000Z", "end": "2026-12-01T05:00:00.000Z"},
         "services": [{"out_of": 721 * _HOUR}]},
    ),
    "a midnight that is missing is the instant of the change": (
        # In Asuncion the clocks went from 00:00 to 01:00 on 2023-10-01.
        {"contract": "timezone: America/Asuncion", "period": "2023-10"},
        {"period": {"start": "2023-10-01T04:00:00.000Z", "end": "2023-11-01T03:00:00.000Z"}},
    ),
    "billing day 31 in a short month is its last day": (
        {"contract": "period: billing_month", "terms": ", billing_day: 31", "period": "2026-02"},
        {"period": {"start": "2026-02-28T00:00:00.000Z", "end": "2026-03-31T00:00:00.000Z"}},
    ),
    "billing day 30 before February": (
        {"contract": "period: billing_month", "terms": ", billing_day: 30", "period": "2026-01"},
        {"period": {"start": "2026-01-30T00:00:00.000Z", "end": "2026-02-28T00:00:00.000Z"}},
    ),
    "billing day 29 in a leap year": (
        {"contract": "period: billing_month", "terms": ", billing_day: 29", "period": "2028-02",
         "now": "2028-06-01T00:00:00Z"},
        {"period": {"start": "2028-02-29T00:00:00.000Z", "end": "2028-03-29T00:00:00.000Z"}},
    ),
    "a period that is running ends now": (
        {"now": "2026-10-10T10:03:30.250Z", "seen": DOWN_10, "contract": "availability: {denominator: elapsed}"},
        {"period": {"to": "2026-10-10T10:03:30.250Z", "complete": False},
         "services": [{"counted": 150_250, "out_of": 9 * _DAY + 10 * _HOUR + 210_250,
                       "outages": [{"end": "2026-10-10T10:03:30.250Z", "counted_ms": 150_250}]}]},
    ),
    "a period that has just begun has nothing to divide by": (
        {"now": "2026-10-01T00:00:00Z", "contract": "credit: {tiers: [{below: 100%, credit: 5%}]}"},
        {"period": {"complete": False},
         "services": [{"availability": None, "worst_case": None, "coverage": None, "out_of": 0, "verdict": "unproven"}],
         "credit": {"out_of": OCTOBER, "percent": "0", "claim_by": None}},
    ),
    "a period that is over at this instant is complete": (
        {"now": "2026-11-01T00:00:00Z"}, {"period": {"complete": True, "to": "2026-11-01T00:00:00.000Z"}},
    ),
    # -- §4, maintenance and exclusions ------------------------------------------------------------------------------
    "notice is kept to the millisecond": (
        {"contract": "maintenance: {scheduled: excluded, notice: 7d}", "seen": DOWN_10, "events":
         "maintenance:\n"
         "  - {start: 2026-10-10T10:01:00Z, end: 2026-10-10T10:03:00Z, announced: 2026-10-03T10:01:00.000Z}\n"
         "  - {start: 2026-10-10T10:05:00Z, end: 2026-10-10T10:07:00Z, announced: 2026-10-03T10:05:00.001Z}\n"},
        {"services": [{"counted": 8 * _MINUTE, "excluded_ms": 2 * _MINUTE, "out_of": OCTOBER}]},
    ),
    "notice asks nothing of an emergency": (
        {"contract": "maintenance: {scheduled: excluded, emergency: excluded, notice: 7d}", "seen": DOWN_10, "events":
         "maintenance: [{start: 2026-10-10T10:01:00Z, end: 2026-10-10T10:03:00Z, kind: emergency},"
         " {start: 2026-10-10T10:05:00Z, end: 2026-10-10T10:06:00Z}]"},
        {"services": [{"counted": 8 * _MINUTE, "excluded_ms": 2 * _MINUTE}]},
    ),
    "without notice no announcement is needed": (
        {"contract": "maintenance: {scheduled: excluded}", "seen": DOWN_10, "events":
         "maintenance: [{start: 2026-10-10T10:01:00Z, end: 2026-10-10T10:03:00Z}]"},
        {"services": [{"counted": 8 * _MINUTE}]},
    ),
    "overlapping windows and exclusions are left out once": (
        {"contract": "availability: {denominator: elapsed_minus_excluded}\nmaintenance: {scheduled: excluded}\n"
         "exclusions: [ddos]", "seen": DOWN_10, "events":
         "maintenance: [{start: 2026-10-10T09:00:00Z, end: 2026-10-10T10:03:00Z}]\n"
         "exclusions: [{start: 2026-10-10T10:02:00Z, end: 2026-10-10T10:04:00Z, reason: ddos},"
         " {start: 2026-10-10T10:08:00Z, end: 2026-10-10T10:09:00Z, reason: weather}]"},
        {"services": [{"counted": 7 * _MINUTE, "excluded_ms": 3 * _MINUTE, "out_of": OCTOBER - 64 * _MINUTE,
                       "outages": [outage("10T10:01:00", "10T10:11:00", counted_ms=7 * _MINUTE)]}]},
    ),
    "always_counted knows exclusions": (
        {"contract": "availability: {denominator: elapsed_minus_excluded}\nexclusions: [ddos]\n"
         "maintenance: {scheduled: excluded, always_counted: [api]}", "seen": DOWN_10, "events":
         "maintenance: [{start: 2026-10-10T10:01:00Z, end: 2026-10-10T10:05:00Z}]\n"
         "exclusions: [{start: 2026-10-10T10:10:00Z, end: 2026-10-10T10:11:00Z, reason: ddos, services: [api]}]"},
        {"services": [{"counted": 9 * _MINUTE, "excluded_ms": _MINUTE, "out_of": OCTOBER - _MINUTE}]},
    ),
    "a window of another service leaves nothing out": (
        {"contract": "maintenance: {scheduled: excluded}", "seen": DOWN_10, "services": "{api: {}, smtp: {}}", "events":
         "maintenance: [{start: 2026-10-10T10:01:00Z, end: 2026-10-10T10:05:00Z, services: [smtp]}]"},
        {"services": [{"counted": 10 * _MINUTE, "excluded_ms": 0}, {"service": "smtp"}]},
    ),
    "a month left out whole has nothing to divide by": (
        {"contract": "availability: {denominator: elapsed_minus_excluded}\nmaintenance: {scheduled: excluded}\n"
         "credit: {blocks: {each: 1m, credit: 5%}}", "seen": DOWN_10,
         "events": "maintenance: [{start: 2026-09-01T00:00:00Z, end: 2026-12-01T00:00:00Z}]"},
        {"services": [{"availability": None, "coverage": None, "out_of": 0, "verdict": "unproven", "counted": 0}],
         "credit": {"counted": 0, "out_of": 0, "percent": "0"}},
    ),
    # -- §4, reports -------------------------------------------------------------------------------------------------
    "a report counts from its instant, and one of the end's instant does not": (
        {"contract": "availability: {counts_from: report}", "seen": DOWN_10 + "\na l 2026-10-11T00:00:00Z 60s -*5 +",
         "events": "reports: [{at: 2026-10-10T10:04:00Z}, {at: 2026-10-10T10:02:30Z}, {at: 2026-10-11T00:05:00Z}]"},
        {"services": [{"counted": 510_000, "outages": [
            outage("10T10:01:00", "10T10:11:00", counted_ms=510_000), outage("11T00:00:00",
             "11T00:05:00", counted_ms=0)]}]},
    ),
    "a report at the outage's first instant counts all of it": (
        {"contract": "availability: {counts_from: report}", "seen": DOWN_10,
         "events": "reports: [{at: 2026-10-10T10:01:00Z, services: [api]}, {at: 2026-10-10T10:00:59.999Z}]"},
        {"services": [{"counted": 10 * _MINUTE}]},
    ),
    "a report for another service is none": (
        {"contract": "availability: {counts_from: report}", "seen": DOWN_10, "services": "{api: {}, smtp: {}}",
         "events": "reports: [{at: 2026-10-10T10:01:00Z, services: [smtp]}]"},
        {"services": [{"counted": 0}, {}]},
    ),
    "a report of an earlier period counts all of this one's part": (
        {"contract": "availability: {counts_from: report}", "seen": "a l 2026-09-30T23:55:00Z 60s -*10 +",
         "events": "reports: [{at: 2026-09-30T23:56:00Z}]"},
        {"services": [{"counted": 5 * _MINUTE}]},
    ),
    "a report of the next period counts nothing of this one's part": (
        {"contract": "availability: {counts_from: report}", "seen": "a l 2026-10-31T23:55:00Z 60s -*10 +",
         "events": "reports: [{at: 2026-11-01T00:01:00Z}]"},
        {"services": [{"counted": 0, "outages": [{"counted_ms": 0, "claim_by": None}]}]},
    ),
    # -- §4, minute --------------------------------------------------------------------------------------------------
    "half a minute goes up": (
        {"contract": "availability: {unit: minute}", "seen": f"a l {TEN} 30s - + - + - +"},
        {"services": [{"counted": 2 * _MINUTE}]},
    ),
    "a millisecond less does not": (
        {"contract": "availability: {unit: minute}", "seen": f"a l {TEN} 29999ms - +"},
        {"services": [{"counted": 0, "availability": "1.00000000000000", "outages": [{"counted_ms": 29_999}]}]},
    ),
    "each piece alone, to the nearest": (
        {"contract": "availability: {unit: minute, round: {mode: nearest, apply: each}}",
         "seen": f"a l {TEN} 30s - + - + - +"},
        {"services": [{"counted": 3 * _MINUTE}]},
    ),
    "up, in total and each": (
        {"contract": "availability: {unit: minute, round: {mode: up, apply: total}}",
         "seen": f"a l {TEN} 20s - + - + - +"},
        {"services": [{"counted": _MINUTE}]},
    ),
    "up, each": (
        {"contract": "availability: {unit: minute, round: {mode: up, apply: each}}",
         "seen": f"a l {TEN} 20s - + - + - +"},
        {"services": [{"counted": 3 * _MINUTE}]},
    ),
    "down, each": (
        {"contract": "availability: {unit: minute, round: {mode: down, apply: each}}",
         "seen": f"a l {TEN} 50s -*2 + -*1 +"},
        {"services": [{"counted": _MINUTE}]},
    ),
    "an exclusion cuts an outage into two pieces, each rounded": (
        {"contract": "availability: {unit: minute, round: {mode: up, apply: each}}\nexclusions: [ddos]",
         "seen": DOWN_10,
         "events": "exclusions: [{start: 2026-10-10T10:02:30Z, end: 2026-10-10T10:04:30Z, reason: ddos}]"},
        # 1.5 and 6.5 minutes.
        {"services": [{"counted": 9 * _MINUTE, "outages": [{"counted_ms": 8 * _MINUTE}]}]},
    ),
    "a fixed denominator may be too small": (
        {"contract": "availability: {denominator: 5m}\ncredit: {tiers: [{below: 1%, credit: 100%}]}", "seen": DOWN_10},
        {"services": [{"out_of": 5 * _MINUTE, "availability": "0.00000000000000", "worst_case": "0.00000000000000"}],
         "credit": {"percent": "100", "out_of": 5 * _MINUTE}},
    ),
    # -- §4, second --------------------------------------------------------------------------------------------------
    "a second counts where all of its observations are down": (
        {"contract": "availability: {unit: second}", "targets": "a/api/1s",
         "seen": "a l 2026-10-10T10:00:00.200Z 500ms -- -+ ?- .- ++"},
        # Seconds 0 and 3; second 2 has an unknown one in it.
        {"services": [{"counted": 2000}]},
    ),
    "confirm and quorum have no say in seconds": (
        {"contract": "availability: {unit: second, confirm: 5, quorum: all}", "targets": "a/api/1s",
         "seen": f"a l {TEN} 1s - +\na m {TEN} 1s - +"},
        {"services": [{"counted": 1000, "outages": []}]},
    ),
    "a second is left out by its start": (
        {"contract": "availability: {unit: second}\nexclusions: [ddos]", "targets": "a/api/1s",
         "seen": f"a l {TEN} 1s -*4 +",
         "events": "exclusions: [{start: 2026-10-10T10:00:01.001Z, end: 2026-10-10T10:00:02.001Z, reason: ddos}]"},
        # Second 2 begins in it; second 1 began before.
        {"services": [{"counted": 3000, "excluded_ms": 1000}]},
    ),
    "what is down and not in a counted second is unknown": (
        {"contract": "availability: {unit: second}", "seen": f"a l {TEN} 60s + - +"},
        # One second is counted; the other 59 of that minute nobody saw.
        {"services": [{"counted": 1000, "unknown": OCTOBER - 4 * _MINUTE + 59_000}]},
    ),
    "refused is no failure where it is not named": (
        {"contract": "availability: {unit: second, counted_outcomes: [timeout, server_error]}", "targets": "a/api/1s",
         "seen": f"a l {TEN} 1s + s*9 r s*10 +"},
        {"services": [{"counted": 19_000, "outages": [outage("10T10:00:01", "10T10:00:10", outcome="server_error"),
                                                      outage("10T10:00:11", "10T10:00:21")]}]},
    ),
    # -- §4 and §5, check --------------------------------------------------------------------------------------------
    "checks are counted from every location": (
        {"contract": "availability: {unit: check}", "targets": "a/api/1d",
         "seen": "a l 2026-10-01T00:00:00Z 24h +*30 -\na m 2026-10-01T00:00:00Z 24h +*20 -"},
        # Each should have made 31: 10 of m are missing.
        {"services": [{"counted": 2, "out_of": 52, "unknown": 10, "availability": "0.96153846153846",
                       "worst_case": "0.80645161290322", "coverage": "0.83870967741935"}]},
    ),
    "what is left out is taken from the checks expected as one sum": (
        {"contract": "availability: {unit: check}\nexclusions: [ddos]", "targets": "a/api/1d",
         "seen": "a l 2026-10-01T00:00:00Z 24h +*31",
         "events": "exclusions: [{start: 2026-10-05T12:00:00Z, end: 2026-10-05T18:00:00Z, reason: ddos},"
         " {start: 2026-10-06T12:00:00Z, end: 2026-10-06T18:00:00Z, reason: ddos}]"},
        # 30.5 days fit 30 times; all 31 checks lie outside.
        {"services": [{"counted": 0, "out_of": 31, "unknown": 0, "coverage": "1.00000000000000"}]},
    ),
    "a check at a window's start is left out, at its end it is not": (
        {"contract": "availability: {unit: check}\nexclusions: [ddos]", "seen": f"a l {TEN} 60s ---",
         "events": "exclusions: [{start: 2026-10-10T10:00:00Z, end: 2026-10-10T10:02:00Z, reason: ddos}]"},
        {"services": [{"counted": 1, "out_of": 1, "availability": "0.00000000000000", "verdict": "breached"}]},
    ),
    "checks that are all unknown divide by nothing": (
        {"contract": "availability: {unit: check}", "targets": "a/api/1d", "seen": "a l 2026-10-01T00:00:00Z 24h ?*31"},
        {"services": [{"counted": 0, "out_of": 0, "unknown": 31, "availability": None, "worst_case": "0.00000000000000",
                       "coverage": "0.00000000000000", "verdict": "unproven"}]},
    ),
    "nothing seen expects nothing": (
        {"contract": "availability: {unit: check}"},
        {"services": [{"unknown": 0, "worst_case": None, "coverage": None, "verdict": "unproven"}]},
    ),
    # -- §5 ----------------------------------------------------------------------------------------------------------
    "exactly the target is met": (
        # 44 min 38.4 s of 31 days are 0.1 %.
        {"targets": "a/api/60s/31d", "seen": "a l 2026-10-01T00:00:00Z 2678400ms - +"},
        {"services": [{"availability": "0.99900000000000", "worst_case": "0.99900000000000", "verdict": "met"}]},
    ),
    "a millisecond more is a breach": (
        {"targets": "a/api/60s/31d", "seen": "a l 2026-10-01T00:00:00Z 2678401ms - +"},
        {"services": [{"availability": "0.99899999962664", "verdict": "breached"}]},
    ),
    # -- §6 ----------------------------------------------------------------------------------------------------------
    "two services down together are down once": (
        {"contract": "credit: {blocks: {each: 5m, credit: 10%}}", "services": "{api: {}, smtp: {}}",
         "targets": "a/api/60s b/smtp/60s", "seen": f"{DOWN_10}\nb l 2026-10-10T10:06:00Z 60s -*10 +",
         "terms": ", fee: {amount: 33.33, currency: EUR}"},
        # 10:01 to 10:16: three whole blocks; 30 % of 33.33 are 9.999.
        {"credit": {"counted": 15 * _MINUTE, "percent": "30", "amount": "10.00", "currency": "EUR", "claim_by": None}},
    ),
    "a block that is exactly full counts": (
        {"contract": "credit: {blocks: {each: 10m, credit: 2.5%}}", "seen": DOWN_10}, {"credit": {"percent": "2.5"}},
    ),
    "with partial a full one is not begun twice": (
        {"contract": "credit: {blocks: {each: 10m, credit: 2.5%, partial: true}}", "seen": DOWN_10},
        {"credit": {"percent": "2.5"}},
    ),
    "with partial one begun counts": (
        {"contract": "credit: {blocks: {each: 599999ms, credit: 2.5%, partial: true}}", "seen": DOWN_10},
        {"credit": {"percent": "5"}},
    ),
    "exactly the allowance gives nothing": (
        {"contract": "availability: {denominator: 100000m}\ncredit: {blocks: {each: 1ms, credit: 1%, after:"
         " 0.01%, partial: true}}",
         "seen": DOWN_10},
        {"credit": {"percent": "0", "claim_by": None}},
    ),
    "an availability that is exactly a tier's below is not below it": (
        {"contract": "availability: {denominator: 1000m}\ncredit: {tiers: [{below: 99%, credit: 50%}, {below:"
         " 99.5%, credit: 7%}]}",
         "seen": DOWN_10},
        {"credit": {"percent": "7"}},
    ),
    "the largest credit stands, in whatever order the tiers do": (
        {"contract": "availability: {denominator: 100m}\ncredit: {tiers: [{below: 95%, credit: 5%}, {below: 100%,"
         " credit: 30%}]}",
         "seen": DOWN_10},
        {"credit": {"percent": "30"}},
    ),
    "a cap in another currency leaves the percentage alone": (
        {"contract": "credit: {tiers: [{below: 100%, credit: 80%}], cap: {percent: 50%, amount: 10, currency: USD}}",
         "seen": DOWN_10, "terms": ", fee: {amount: 100, currency: EUR}"},
        {"credit": {"percent": "50", "amount": None, "currency": None}},
    ),
    "rounded half up to the cent, and then capped": (
        {"contract": "credit: {tiers: [{below: 100%, credit: 5%}], cap: {amount: 0.05, currency: USD}}",
         "seen": DOWN_10, "terms": ", fee: {amount: 1.10, currency: USD}"},
        # 5.5 cents are 0.06, and the cap is 0.05.
        {"credit": {"percent": "5", "amount": "0.05", "currency": "USD"}},
    ),
    "a credit of a running period is out of the whole of it": (
        {"contract": "credit: {tiers: [{below: 99.99%, credit: 5%}]}", "seen": DOWN_10, "now": "2026-10-10T11:00:00Z"},
        {"credit": {"counted": 10 * _MINUTE, "out_of": OCTOBER, "percent": "5"}},
    ),
    "the denominator of the union leaves out what is left out for all": (
        {"contract": "availability: {denominator: elapsed_minus_excluded}\nmaintenance: {scheduled: excluded}\n"
         "credit: {tiers: [{below: 100%, credit: 5%}]}", "services": "{api: {}, smtp: {}}", "seen": DOWN_10, "events":
         "maintenance: [{start: 2026-10-20T00:00:00Z, end: 2026-10-20T02:00:00Z, services: [api]},"
         " {start: 2026-10-20T01:00:00Z, end: 2026-10-20T03:00:00Z, services: [smtp]}]"},
        {"services": [{"out_of": OCTOBER - 2 * _HOUR}, {"out_of": OCTOBER - 2 * _HOUR}],
         "credit": {"out_of": OCTOBER - _HOUR}},
    ),
    "the claim of a billing month looks to its real last millisecond": (
        {"contract": "period: billing_month\ntimezone: Europe/Berlin\nclaim: next_calendar_month\n"
         "credit: {tiers: [{below: 100%, credit: 5%}]}", "terms": ", billing_day: 15",
          "seen": DOWN_10, "period": "2026-09",
         "now": "2026-10-11T00:00:00Z"},
        # It ends within 2026-10-14: the month after October ends at Berlin's midnight.
        {"services": [{"outages": [{"claim_by": "2026-11-30T23:00:00.000Z"}]}],
         "credit": {"claim_by": "2026-11-30T23:00:00.000Z"}},
    ),
    "the earliest deadline of all services is the credit's": (
        {"contract": "claim: {after_outage: 30d}\ncredit: {tiers: [{below: 100%, credit: 5%}]}\nexclusions: [ddos]",
         "services": "{api: {}, smtp: {}}", "targets": "a/api/60s b/smtp/60s",
         "seen": f"{DOWN_10}\nb l 2026-10-03T00:00:00Z 60s - +\nb l 2026-10-05T00:00:00Z 60s - +",
         "events": "exclusions: [{start: 2026-10-03T00:00:00Z, end: 2026-10-03T01:00:00Z, reason: ddos}]"},
        # Of the outage on the 3rd nothing counts: it has no deadline.
        {"services": [{"outages": [{"claim_by": "2026-11-09T10:11:00.000Z"}]},
                      {"outages": [{"claim_by": None}, {"claim_by": "2026-11-04T00:01:00.000Z"}]}],
         "credit": {"claim_by": "2026-11-04T00:01:00.000Z"}},
    ),
    # -- §9 ----------------------------------------------------------------------------------------------------------
    "at a tie the first by target, then by location, names the cause": (
        {"seen": f"b l {TEN} 60s s +\na m {TEN} 60s - +\na k {TEN} 60s r +", "targets": "b/api/60s a/api/60s",
         "services": "{api: {down_when: any}}"},
        {"services": [{"outages": [{"outcome": "refused"}]}]},
    ),
    "a failure of a location that was outvoted may name the cause": (
        {"seen": f"a k {TEN} 60s + r + +\na l {TEN} 60s + - - +\na m {TEN} 60s + + - +"},
        # Two of three fail at 10:01 and at 10:02.
        {"services": [{"counted": 2 * _MINUTE, "outages": [outage("10T10:01:00", "10T10:03:00", outcome="refused")]}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_edge(case: str, tmp_path: Path) -> None:
    """What the arithmetic says of a case at one of its edges."""
    call, expected = CASES[case]
    agrees(judge(tmp_path, **call), expected)


SUPPORT = """
support:
  calendars:
    office: {timezone: Europe/Berlin, days: mon-fri, hours: "09:00-17:00", holidays: DE}
    night: {timezone: Europe/Berlin, hours: "22:00-04:00"}
    late: {timezone: America/New_York, days: mon-fri, hours: "21:00-17:00"}
    two:
      - {timezone: +01:00, days: mon-fri, hours: "08:00-17:00"}
      - {timezone: -06:00, days: mon-fri, hours: "09:00-17:00"}
  rules:
    - {name: quick, severity: high, milestone: acted, within: 30m, clock: always, channels: [phone], otherwise: low}
    - {name: full, severity: high, milestone: resolved, within: 8h, clock: office, channels: [phone], otherwise: low}
    - {name: low, severity: low, milestone: responded, within: 8h, clock: office}
    - {name: gold, severity: low, milestone: resolved, within: 2 workdays, clock: office, plan: gold}
    - {name: deaf, severity: deaf, milestone: acted, within: 1h, clock: always, channels: [fax]}
    - {name: night, severity: night, milestone: acted, within: 6h, clock: night}
    - {name: late, severity: late, milestone: acted, within: 5 workdays, clock: late}
    - {name: two, severity: two, milestone: acted, within: 3 workdays, clock: two}
    - {name: begun, severity: begun, milestone: acted, within: 2h, clock: always, accepts: office}
"""

# What a ticket says, and for each verdict: rule, due, reached, verdict. 2026-10-25 ends the summer time in Berlin.
TICKETS: dict[str, tuple[str, list[tuple[str, str, str | None, str]]]] = {
    "the right channel": (
        "opened: 2026-10-07T08:00:00Z, severity: high, channel: phone, reached: {acted: 2026-10-07T08:30:00Z}",
        # Wednesday 10:00 in Berlin: eight hours of office go to Thursday 10:00.
        [("quick", "2026-10-07T08:30:00.000Z", "2026-10-07T08:30:00.000Z", "met"),
         ("full", "2026-10-08T08:00:00.000Z", None, "breached")],
    ),
    "the wrong channel is judged by the other severity, each rule once": (
        "opened: 2026-10-07T08:00:00Z, severity: high, channel: email, plan: gold, reached: {responded:"
         " 2026-10-08T08:00:00.001Z}",
        [("low", "2026-10-08T08:00:00.000Z", "2026-10-08T08:00:00.001Z", "breached"),
         ("gold", "2026-10-09T08:00:00.000Z", None, "breached")],
    ),
    "no channel is no right one": (
        "opened: 2026-10-07T08:00:00Z, severity: high",
        [("low", "2026-10-08T08:00:00.000Z", None, "breached")],
    ),
    "without otherwise a rule for other channels does not apply": ("opened: 2026-10-07T08:00:00Z, severity: deaf", []),
    "an unknown severity is judged by nothing": ("opened: 2026-10-07T08:00:00Z, severity: strange", []),
    "opened outside of office starts when it opens": (
        # Friday 2026-10-02 17:00 in Berlin is outside; Saturday is a holiday anyway; Monday 9:00 + 8 h.
        "opened: 2026-10-02T15:00:00Z, severity: low",
        [("low", "2026-10-05T15:00:00.000Z", None, "breached")],
    ),
    "opened in the last minute of office": (
        "opened: 2026-10-02T14:59:00Z, severity: low",
        [("low", "2026-10-05T14:59:00.000Z", None, "breached")],
    ),
    "waiting does not pass, however its spans overlap": (
        "opened: 2026-10-07T07:00:00Z, severity: low, waiting: [[2026-10-07T08:00:00Z, 2026-10-07T10:00:00Z],"
        " [2026-10-07T09:00:00Z, 2026-10-07T11:00:00Z]]",
        # Wednesday 9:00; three hours wait; five are left of the day: three more on Thursday.
        [("low", "2026-10-08T10:00:00.000Z", None, "breached")],
    ),
    "workdays pass over a change of the clocks at the same local time": (
        # Friday 2026-10-23 10:00 CEST to Tuesday 10:00 CET.
        "opened: 2026-10-23T08:00:00Z, severity: low, plan: gold",
        [("low", "2026-10-26T09:00:00.000Z", None, "breached"), ("gold", "2026-10-27T09:00:00.000Z", None, "breached")],
    ),
    "waiting is added to workdays in the clock's time": (
        # Due Friday 10:00; three hours of waiting in the office, two outside: Friday 13:00.
        "opened: 2026-10-07T08:00:00Z, severity: low, plan: gold, waiting: [[2026-10-07T12:00:00Z,"
         " 2026-10-07T17:00:00Z]]",
        [("low", "2026-10-08T11:00:00.000Z", None, "breached"), ("gold", "2026-10-09T11:00:00.000Z", None, "breached")],
    ),
    "a night with an hour twice is seven hours long": (
        # Saturday 2026-10-24 22:00 CEST to Sunday 04:00 CET: six hours are over at 03:00.
        "opened: 2026-10-24T20:00:00Z, severity: night",
        [("night", "2026-10-25T02:00:00.000Z", None, "breached")],
    ),
    "hours over midnight belong to the day on which they begin": (
        # Friday 2026-10-09 20:00 in New York: opens at 21:00, though Saturday has no window. The fifth date on which
        # one begins is Friday the 16th, 21:00.
        "opened: 2026-10-10T00:00:00Z, severity: late",
        [("late", "2026-10-17T01:00:00.000Z", None, "breached")],
    ),
    "two offices, by the clocks of the first": (
        # Friday 2026-10-09 22:30 at +01:00 is 15:30 at -06:00: open. Monday, Tuesday, Wednesday at 22:30 of +01:00.
        "opened: 2026-10-09T21:30:00Z, severity: two",
        [("two", "2026-10-14T21:30:00.000Z", None, "breached")],
    ),
    "what accepts begins, and the clock runs on": (
        "opened: 2026-10-10T12:00:00Z, severity: begun, reached: {acted: 2026-10-12T09:00:00Z}",
        [("begun", "2026-10-12T09:00:00.000Z", "2026-10-12T09:00:00.000Z", "met")],
    ),
    "opened in the last instant of the period": (
        "opened: 2026-10-31T23:59:59.999Z, severity: high, channel: phone",
        [("quick", "2026-11-01T00:29:59.999Z", None, "breached"), ("full",
         "2026-11-02T16:00:00.000Z", None, "breached")],
    ),
    "opened at the period's end belongs to the next": ("opened: 2026-11-01T00:00:00Z, severity: low", []),
}  # fmt: skip


@pytest.mark.parametrize("case", TICKETS)
def test_ticket_edge(case: str, tmp_path: Path) -> None:
    """When a ticket is due, and by which rules."""
    said, expected = TICKETS[case]
    found = judge(tmp_path, contract=SUPPORT, events=f"tickets: [{{id: T, {said}}}]")["tickets"]
    assert [(one["rule"], one["due"], one["reached"], one["verdict"]) for one in found] == expected


@pytest.mark.parametrize(
    ("now", "reached", "expected"),
    [
        ("2026-10-08T08:00:00Z", "", (None, "pending")),
        ("2026-10-08T08:00:00.001Z", "", (None, "breached")),
        ("2026-10-07T09:00:00Z", "2026-10-07T09:00:00Z", ("2026-10-07T09:00:00.000Z", "met")),
        ("2026-10-07T09:00:00Z", "2026-10-07T09:00:00.001Z", (None, "pending")),
    ],
)
def test_a_ticket_is_judged_as_known_now(
    now: str, reached: str, expected: tuple[str | None, str], tmp_path: Path
) -> None:
    """At the due instant it is pending yet; a milestone after now is not reached yet."""
    mark = f", reached: {{responded: {reached}}}" if reached else ""
    events = f"tickets: [{{id: T, opened: 2026-10-07T08:00:00Z, severity: low{mark}}}]"
    (found,) = judge(tmp_path, contract=SUPPORT, events=events, now=now)["tickets"]
    assert (found["reached"], found["verdict"]) == expected
