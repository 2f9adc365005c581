"""Random contracts, observations and events, small enough to be counted by half-seconds."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.sla.bruteforce import Row

START = 1_793_491_200_000
"""2026-11-01T00:00:00Z: the periods begin here, and what is before falls into another month."""

LENGTH = 240_000
SERVICES = ("api", "smtp")
OUTCOMES = ("ok", "ok", "ok", "timeout", "timeout", "timeout", "server_error", "server_error", "rejected", "offline")
REASONS = ("customer_error", "ddos", "other")


SEEDS = st.binary(min_size=8, max_size=8)


class Case(NamedTuple):
    """A whole random case."""

    contract: dict[str, Any]
    targets: list[dict[str, Any]]
    rows: list[Row]
    events: dict[str, list[dict[str, Any]]]
    period: tuple[int, int, int]
    fee: tuple[str, str] | None


@st.composite
def contracts(draw: st.DrawFn, services: list[str]) -> dict[str, Any]:
    """The plain data of a contract's file."""
    availability: dict[str, Any] = {
        "unit": draw(st.sampled_from(["time", "minute", "second", "check"])),
        "denominator": draw(st.sampled_from(["elapsed", "elapsed_minus_excluded", "200s", "4m"])),
        "confirm": draw(st.sampled_from(["1", "1", "2", "3"])),
        "quorum": draw(st.sampled_from(["majority", "any", "all", "1", "2", "majority", "any", "3"])),
        "counts_from": draw(st.sampled_from(["outage", "outage", "report"])),
        "round": {
            "mode": draw(st.sampled_from(["nearest", "up", "down"])),
            "apply": draw(st.sampled_from(["total", "each"])),
        },
    }
    if draw(st.booleans()):
        some = [["timeout"], ["timeout", "server_error"], ["timeout", "server_error", "rejected"], []]
        availability["counted_outcomes"] = draw(st.sampled_from(some))
    maintenance: dict[str, Any] = {
        "scheduled": draw(st.sampled_from(["excluded", "excluded", "counted"])),
        "emergency": draw(st.sampled_from(["excluded", "counted"])),
        "always_counted": draw(st.lists(st.sampled_from(services), unique=True, max_size=1)),
    }
    if draw(st.booleans()):
        maintenance["notice"] = draw(st.sampled_from(["0s", "30s", "60s"]))
    contract: dict[str, Any] = {
        "name": "case",
        "services": {
            name: {
                "target": draw(st.sampled_from(["100%", "99%", "90%", "50%"])),
                "down_when": draw(st.sampled_from(["any", "all"])),
            }
            for name in services
        },
        "availability": availability,
        "maintenance": maintenance,
        "exclusions": draw(st.lists(st.sampled_from(REASONS), unique=True, max_size=2)),
    }
    if draw(st.booleans()):
        del contract["services"][services[0]]["target"]
    kind = draw(st.sampled_from(["none", "tiers", "blocks", "blocks"]))
    if kind == "tiers":
        count = draw(st.integers(1, 4))
        contract["credit"] = {
            "tiers": [
                {
                    "below": draw(st.sampled_from(["100%", "99.9%", "95%", "90%", "60%"])),
                    "credit": draw(st.sampled_from(["5%", "10%", "12.5%", "50%", "100%"])),
                }
                for _ in range(count)
            ]
        }
    elif kind == "blocks":
        contract["credit"] = {
            "blocks": {
                "each": draw(st.sampled_from(["5s", "10s", "1m"])),
                "credit": draw(st.sampled_from(["2.5%", "5%", "33%"])),
                "after": draw(st.sampled_from(["0%", "0.01%", "1%", "10%"])),
                "partial": draw(st.sampled_from(["true", "false"])),
            }
        }
    if kind != "none" and draw(st.booleans()):
        cap: dict[str, str] = draw(st.sampled_from([{"percent": "50%"}, {"percent": "30%"}, {}]))
        if draw(st.booleans()):
            cap = {
                **cap,
                "amount": draw(st.sampled_from(["10", "0.35"])),
                "currency": draw(st.sampled_from(["USD", "EUR"])),
            }
        contract["credit"]["cap"] = cap
    claim = draw(st.sampled_from([None, "next_calendar_month", {"after_outage": "30d"}]))
    if claim is not None:
        contract["claim"] = claim
    return contract


@st.composite
def target_lists(draw: st.DrawFn, services: list[str]) -> list[dict[str, Any]]:
    """One to three targets; a service may have none."""
    return [
        {
            "name": f"t{index}",
            "service": draw(st.sampled_from(services)),
            "interval": draw(st.sampled_from([5_000, 10_000, 20_000])),
            "stale": draw(st.sampled_from([None, None, 7_500, 30_000])),
        }
        for index in range(draw(st.integers(1, 3)))
    ]


@st.composite
def observations(draw: st.DrawFn, targets: list[dict[str, Any]]) -> list[Row]:
    """Rows of every target from one to three locations: on time, late, missing, twice, and in any order.

    They are drawn from one seed: left to itself, hypothesis would rarely give an outage at all.
    """
    seed = Random(draw(SEEDS))
    rows: list[Row] = []
    troubled = seed.choice([0.05, 0.3, 0.6])
    for target in targets:
        for location in ("a", "b", "c")[: seed.choice([1, 1, 1, 2, 2, 3, 3, 3, 0])]:
            at = START - 500 * seed.randrange(0, 130)
            until = START + LENGTH + 500 * seed.randrange(-40, 120)
            outcome = seed.choice(OUTCOMES)
            while at < until:
                if seed.random() < troubled:
                    outcome = seed.choice(OUTCOMES)
                rows.append((at, target["name"], location, seed.random() < 0.7, outcome))
                step = seed.choice([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.2, 0.1, 1.5, 2.0, 2.1, 4.0])
                at += max(500, round(target["interval"] * step) // 500 * 500)
    if rows and seed.random() < 0.5:
        again = seed.choices(rows, k=3)
        rows += [(at, target, location, not scheduled, "timeout") for at, target, location, scheduled, _ in again]
    if seed.random() < 0.3:
        seed.shuffle(rows)
    return rows


@st.composite
def event_lists(draw: st.DrawFn, services: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Maintenance, exclusions and reports in and around the period."""
    seed = Random(draw(SEEDS))

    def named() -> list[str]:
        return seed.choice([[], [], *([name] for name in services)])

    def instant() -> int:
        return START + 500 * seed.randrange(-60, LENGTH // 500 + 60)

    def span() -> dict[str, int]:
        start = instant()
        return {"start": start, "end": start + 500 * seed.randrange(1, 200)}

    maintenance = []
    for _ in range(seed.randrange(0, 4)):
        window: dict[str, Any] = {**span(), "services": named(), "kind": seed.choice(["scheduled", "emergency"])}
        notice = seed.choice([None, 0, 29_500, 30_000, 60_000])
        window["announced"] = None if notice is None else window["start"] - notice
        maintenance.append(window)
    exclusions = [{**span(), "services": named(), "reason": seed.choice(REASONS)} for _ in range(seed.randrange(0, 3))]
    reports = [{"at": instant(), "services": named()} for _ in range(seed.randrange(0, 6))]
    return {"maintenance": maintenance, "exclusions": exclusions, "reports": reports}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A whole case."""
    services = list(SERVICES[: draw(st.integers(1, 2))])
    targets = draw(target_lists(services))
    end = START + LENGTH
    to = end if draw(st.booleans()) else START + 1000 * draw(st.integers(0, LENGTH // 1000))
    return Case(
        contract=draw(contracts(services)),
        targets=targets,
        rows=draw(observations(targets)),
        events=draw(event_lists(services)),
        period=(START, end, to),
        fee=draw(st.sampled_from([None, ("90", "USD"), ("33.35", "EUR")])),
    )
