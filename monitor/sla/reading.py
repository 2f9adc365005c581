"""A contract's file, already plain data with every scalar as text, to a Contract (arithmetic §8). Pure.

``read_contract`` collects everything that is wrong before it gives up.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monitor.sla.contract import (
    LANGUAGES,
    PERIODS,
    QUORUMS,
    UNITS,
    Availability,
    Blocks,
    Claim,
    Contract,
    Credit,
    MaintenanceTerms,
    Rounding,
    Service,
    Tier,
)
from monitor.sla.fields import Path, Reading, listing, nearest
from monitor.sla.instants import zone
from monitor.sla.reading_support import read_support
from monitor.sla.values import OUTCOMES, PROVIDER_OUTCOMES

KEYS = (
    "name", "title", "source", "language", "clauses", "timezone", "period", "billing_day", "services", "availability",
    "maintenance", "exclusions", "credit", "claim", "support",
)  # fmt: skip
"""The keys of a contract's file."""

CLAUSES = (
    "services", "availability", "period", "counts_from", "maintenance", "exclusions", "credit", "cap", "claim",
    "support", "rules",
)  # fmt: skip
"""The keys of ``clauses``: parts of a contract whose place in the text can be named."""


def read_contract(data: Any) -> Contract:
    """Make a Contract of a file's content. Raises Faulty with every fault."""
    reading = Reading()
    contract = _contract(reading, data)
    reading.finish()
    assert contract is not None
    return contract


def _contract(reading: Reading, data: Any) -> Contract | None:
    if not isinstance(data, Mapping):
        reading.fault((), "a contract must be a mapping: begin with name: and services:")
        return None
    values = reading.mapping(data, (), KEYS, what="a contract")
    name = reading.name(values.get("name"), ("name",), what="name")
    if values.get("name") is None:
        reading.fault((), "a contract needs 'name'")
    services = _services(reading, values.get("services"))
    names = tuple(service.name for service in services)
    calendars, rules = read_support(reading, values.get("support"), ("support",))
    clauses = {}
    for key, value in reading.mapping(values.get("clauses"), ("clauses",), CLAUSES, what="clauses").items():
        text = reading.text(value, ("clauses", key), what=f"the clause of {key}")
        if text is not None:
            clauses[key] = text
    return Contract(
        name=name or "",
        title=reading.text(values.get("title"), ("title",), what="title"),
        source=reading.text(values.get("source"), ("source",), what="source"),
        language=reading.choice(values.get("language"), ("language",), LANGUAGES, "en", what="language"),
        clauses=clauses,
        timezone=read_zone(reading, values.get("timezone"), ("timezone",)),
        period=reading.choice(values.get("period"), ("period",), PERIODS, "calendar_month", what="period"),
        billing_day=reading.count(values.get("billing_day"), ("billing_day",), what="billing_day", most=31),
        services=services,
        availability=_availability(reading, values.get("availability")),
        maintenance=_maintenance(reading, values.get("maintenance"), names),
        exclusions=reading.names(values.get("exclusions"), ("exclusions",), what="exclusions"),
        credit=_credit(reading, values.get("credit")),
        claim=_claim(reading, values.get("claim")),
        calendars=calendars,
        rules=rules,
    )


def read_zone(reading: Reading, data: Any, path: Path) -> str:
    """Give a timezone's name; UTC where none is said or it is wrong."""
    text = reading.text(data, path, what="timezone")
    if text is None:
        return "UTC"
    try:
        zone(text)
    except ValueError as error:
        reading.fault(path, str(error))
        return "UTC"
    return text


def _services(reading: Reading, data: Any) -> tuple[Service, ...]:
    services = []
    for name, value in reading.open_mapping(data, ("services",), what="services").items():
        path: Path = ("services", name)
        fields = reading.mapping(value, path, ("target", "down_when"), what=f"service '{name}'")
        text = fields.get("target")
        target = reading.share(text, (*path, "target"), what="target")
        services.append(
            Service(
                name=name,
                target=target,
                target_text=text if target is not None else None,
                down_when=reading.choice(
                    fields.get("down_when"), (*path, "down_when"), ("any", "all"), None, what="down_when"
                ),
            )
        )
    return tuple(services)


def _availability(reading: Reading, data: Any) -> Availability:
    keys = ("unit", "denominator", "round", "confirm", "quorum", "counts_from", "counted_outcomes")
    path: Path = ("availability",)
    values = reading.mapping(data, path, keys, what="availability")
    denominator, fixed_ms, text = _denominator(reading, values.get("denominator"), (*path, "denominator"))
    rounding = reading.mapping(values.get("round"), (*path, "round"), ("mode", "apply"), what="round")
    round_path: Path = (*path, "round")
    return Availability(
        unit=reading.choice(values.get("unit"), (*path, "unit"), UNITS, "time", what="unit"),
        denominator=denominator,
        fixed_ms=fixed_ms,
        denominator_text=text,
        round=Rounding(
            mode=reading.choice(
                rounding.get("mode"), (*round_path, "mode"), ("nearest", "up", "down"), "nearest", what="mode"
            ),
            apply=reading.choice(
                rounding.get("apply"), (*round_path, "apply"), ("total", "each"), "total", what="apply"
            ),
        ),
        confirm=reading.count(values.get("confirm"), (*path, "confirm"), what="confirm", most=1000) or 1,
        quorum=_quorum(reading, values.get("quorum"), (*path, "quorum")),
        counts_from=reading.choice(
            values.get("counts_from"), (*path, "counts_from"), ("outage", "report"), "outage", what="counts_from"
        ),
        counted_outcomes=_counted(reading, values.get("counted_outcomes"), (*path, "counted_outcomes")),
    )


def _denominator(reading: Reading, data: Any, path: Path) -> tuple[str, int | None, str]:
    text = reading.text(data, path, what="denominator")
    if text is None:
        return "elapsed", None, "elapsed"
    if text in ("elapsed", "elapsed_minus_excluded"):
        return text, None, text
    if not text[:1].isdigit():
        near = nearest(text, ("elapsed", "elapsed_minus_excluded"))
        hint = f"did you mean '{near}'?" if near else "write elapsed, elapsed_minus_excluded or a length like 30d"
        reading.fault(path, f"denominator cannot be '{text}': {hint}")
        return "elapsed", None, "elapsed"
    return "fixed", reading.duration(text, path, what="denominator", positive=True), text


def _quorum(reading: Reading, data: Any, path: Path) -> str | int:
    text = reading.text(data, path, what="quorum")
    if text is None or text in QUORUMS:
        return text or "majority"
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= 1000:
        return int(text)
    near = nearest(text, QUORUMS)
    hint = f"did you mean '{near}'?" if near else "write majority, all, any or a number of locations from 1"
    reading.fault(path, f"quorum cannot be '{text}': {hint}")
    return "majority"


def _counted(reading: Reading, data: Any, path: Path) -> frozenset[str]:
    if data is None:
        return PROVIDER_OUTCOMES
    failures = [name for name in OUTCOMES if name != "ok"]
    found = set()
    for index, item in enumerate(reading.items(data, path, what="counted_outcomes")):
        if item == "ok":
            reading.fault((*path, index), "'ok' is no failure and cannot be counted as down: take it away")
            continue
        outcome = reading.choice(item, (*path, index), failures, None, what="an outcome")
        if outcome is not None:
            found.add(outcome)
    return frozenset(found)


def _maintenance(reading: Reading, data: Any, services: tuple[str, ...]) -> MaintenanceTerms:
    path: Path = ("maintenance",)
    keys = ("scheduled", "emergency", "notice", "always_counted")
    values = reading.mapping(data, path, keys, what="maintenance")
    ways = ("excluded", "counted")
    always = reading.names(values.get("always_counted"), (*path, "always_counted"), what="always_counted")
    for index, name in enumerate(always):
        if name not in services:
            near = nearest(name, services)
            hint = f"did you mean '{near}'?" if near else f"write {listing(services)}" if services else "it has none"
            reading.fault((*path, "always_counted", index), f"the contract has no service '{name}': {hint}")
    return MaintenanceTerms(
        scheduled=reading.choice(values.get("scheduled"), (*path, "scheduled"), ways, "counted", what="scheduled"),
        emergency=reading.choice(values.get("emergency"), (*path, "emergency"), ways, "counted", what="emergency"),
        notice_ms=reading.duration(values.get("notice"), (*path, "notice"), what="notice"),
        always_counted=always,
    )


def _credit(reading: Reading, data: Any) -> Credit | None:
    if data is None:
        return None
    path: Path = ("credit",)
    values = reading.mapping(data, path, ("tiers", "blocks", "cap"), what="credit")
    if isinstance(data, Mapping) and (values.get("tiers") is None) == (values.get("blocks") is None):
        reading.fault(path, "credit needs either 'tiers' or 'blocks', and not both")
    cap = reading.mapping(values.get("cap"), (*path, "cap"), ("percent", "amount", "currency"), what="cap")
    cap_path: Path = (*path, "cap")
    percent = reading.percent(cap.get("percent"), (*cap_path, "percent"), what="percent", most=None)
    amount = reading.decimal(cap.get("amount"), (*cap_path, "amount"), what="amount")
    currency = reading.currency(cap.get("currency"), (*cap_path, "currency"))
    if cap.get("amount") is not None and cap.get("currency") is None:
        reading.fault((*cap_path, "amount"), "a cap's amount needs its 'currency': write it beside, like USD")
    if cap.get("currency") is not None and cap.get("amount") is None:
        reading.fault((*cap_path, "currency"), "a cap's currency means nothing without 'amount'")
    return Credit(
        tiers=_tiers(reading, values.get("tiers"), (*path, "tiers")),
        blocks=_blocks(reading, values.get("blocks"), (*path, "blocks")),
        cap_percent=Decimal(100) if percent is None else percent,
        cap_amount=amount,
        cap_currency=currency,
    )


def _tiers(reading: Reading, data: Any, path: Path) -> tuple[Tier, ...]:
    tiers = []
    for index, item in enumerate(reading.items(data, path, what="tiers")):
        here: Path = (*path, index)
        values = reading.mapping(item, here, ("below", "credit"), what="a tier")
        if not isinstance(item, Mapping):
            if item is None:
                reading.fault(here, "a tier needs 'below' and 'credit'")
            continue
        both = [reading.needed(values, key, here, what="a tier") for key in ("below", "credit")]
        below = reading.share(values.get("below"), (*here, "below"), what="below")
        credit = reading.percent(values.get("credit"), (*here, "credit"), what="credit", most=None)
        if all(both) and below is not None and credit is not None:
            tiers.append(Tier(below=below, below_text=str(values["below"]), credit=credit))
    return tuple(tiers)


def _blocks(reading: Reading, data: Any, path: Path) -> Blocks | None:
    if data is None:
        return None
    values = reading.mapping(data, path, ("each", "credit", "after", "partial"), what="blocks")
    if isinstance(data, Mapping):
        for key in ("each", "credit"):
            reading.needed(values, key, path, what="blocks")
    each = reading.duration(values.get("each"), (*path, "each"), what="each", positive=True)
    credit = reading.percent(values.get("credit"), (*path, "credit"), what="credit", most=None)
    after = reading.share(values.get("after"), (*path, "after"), what="after")
    partial = reading.flag(values.get("partial"), (*path, "partial"), False, what="partial")
    if each is None or credit is None:
        return None
    return Blocks(
        each_ms=each,
        credit=credit,
        after=Fraction(0) if after is None else after,
        after_text="0%" if after is None else str(values["after"]),
        partial=partial,
    )


def _claim(reading: Reading, data: Any) -> Claim | None:
    if data is None:
        return None
    path: Path = ("claim",)
    if isinstance(data, Mapping):
        values = reading.mapping(data, path, ("after_outage",), what="claim")
        if not reading.needed(values, "after_outage", path, what="claim"):
            return None
        after = reading.duration(values["after_outage"], (*path, "after_outage"), what="after_outage")
        return None if after is None else Claim(kind="after_outage", after_ms=after)
    kind = reading.choice(data, path, ("next_calendar_month",), None, what="claim")
    return None if kind is None else Claim(kind=kind)
