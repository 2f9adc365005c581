"""What is wrong now, read from the one judgement and from the monitor's own state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

from monitor.judgement.standing import ContractStanding, Deadline, OutageRef, ServiceStanding, Standing
from monitor.notify.conditions import Condition, burning
from monitor.notify.settings import NotifySettings
from monitor.sla.evaluation import plain
from monitor.sla.instants import write_instant
from monitor.store import WriterState
from monitor.times import short, span

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The monitor's own state."""

    location: str
    offline_since: int | None
    clock_offset_ms: int | None
    """How far the clock is off, as far as anybody knows."""
    writer: WriterState


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The certificate that a target showed last; `not_after` in seconds since the epoch."""

    target: str
    contract: str | None
    service: str | None
    not_after: int


def conditions(
    settings: NotifySettings,
    standing: Standing | None,
    own: Own,
    certificates: Sequence[Shown],
    first_failures: Mapping[str, tuple[str, str]],
    now: int,
) -> list[Condition]:
    """Everything that is wrong now. `first_failures`: an outage's id to the first failed probe's target and detail."""
    found = list(_of_the_monitor(settings, own, now))
    found += _certificates(settings, certificates, now)
    for contract in standing.contracts if standing else ():
        for service in contract.services:
            found += _of_service(contract, service, first_failures)
    for deadline in standing.deadlines if standing else ():
        found += _deadline(settings, deadline, now)
    return found


def unsure(standing: Standing | None) -> list[str]:
    """The keys' beginnings of what cannot be seen: the judgement is still being loaded."""
    return ["outage/", "budget", "burn_", "claim_deadline/", "ticket_due/"] if standing is None else []


# --- services -------------------------------------------------------------------------------------------------------


def budget_text(service: ServiceStanding) -> str:
    """What is left of the error budget, as people read it: ``2 min 10 s of 4 min 19 s left``."""
    budget = service.budget
    if budget is None:
        return ""
    checks = service.current.unit == "check"

    def said(amount: int) -> str:
        return f"{amount}" if checks else _seconds(amount)

    unit = " checks" if checks else ""
    if not budget.allowed:
        return f"none is allowed; {said(budget.used)}{unit} used" if budget.used else "none is allowed, none used"
    allowed = f"{said(floor(budget.allowed))}{unit}"
    if budget.left < 0:
        return f"{said(ceil(-budget.left))} beyond the {allowed} allowed"
    return f"{said(floor(budget.left))} of {allowed} left"


def _seconds(ms: int) -> str:
    return span(ms // 1000 * 1000)


def _of_service(
    contract: ContractStanding, service: ServiceStanding, first_failures: Mapping[str, tuple[str, str]]
) -> Iterator[Condition]:
    name, what = contract.name, service.service
    path = f"/services/{name}/{what}"
    period = contract.evaluation.period
    common: dict[str, Any] = {"period": period.name}
    if text := budget_text(service):
        common["budget"] = text
    outage = service.outage
    if outage is not None:
        target, detail = first_failures.get(outage.id, ("", ""))
        facts = {**common, "outcome": outage.outcome or "", "target": target, "detail": detail}
        facts |= _counted(outage)
        yield Condition(
            kind="outage",
            key=f"outage/{outage.id}",
            since=outage.start,
            contract=name,
            service=what,
            facts=facts,
            path=f"{path}/outages/{write_instant(outage.start)}",
        )
    budget = service.budget
    if budget is not None and budget.used:
        spent = budget.used >= budget.allowed
        half = budget.used * 2 >= budget.allowed
        for kind, holds in (("budget_half", half and not spent), ("budget_spent", spent)):
            if holds:
                yield Condition(
                    kind=kind,
                    key=f"{kind}/{name}/{what}/{period.name}",
                    since=period.start,
                    contract=name,
                    service=what,
                    facts=common,
                    path=path,
                )
    rates = {window: None if rate is None else float(rate) for window, rate in service.burn.items()}
    for kind, (window, rate) in burning(rates).items():
        yield Condition(
            kind=kind,
            key=f"{kind}/{name}/{what}/{period.name}",
            since=outage.start if outage is not None else period.start,
            contract=name,
            service=what,
            facts={**common, "window": window, "rate": f"{rate:.1f}"},
            path=path,
        )


def _counted(outage: OutageRef) -> dict[str, Any]:
    """What of it counts: checks too, where the contract counts these."""
    value, unit = outage.counted
    return {"counted_ms": outage.counted_ms, **({"counted_checks": value} if unit == "check" else {})}


def ended(condition: Condition, outage: OutageRef | None, standing: Standing) -> Condition:
    """The same outage when it is over: where it ended and what it costs, as it is judged now.

    None for the outage: what was seen or stated since has changed the judgement, and there is none any more.
    """
    facts = dict(condition.facts)
    try:
        facts["budget"] = budget_text(standing.service(condition.contract or "", condition.service or ""))
    except KeyError:  # no longer in the configuration
        facts.pop("budget", None)
    if outage is None:
        facts |= {"withdrawn": True, "counted_ms": 0}
        facts.pop("counted_checks", None)
    else:
        facts |= {"ended": outage.end, **_counted(outage)}
        if _unseen_from(outage, standing):
            facts["unseen"] = True
    return replace(condition, facts=facts)


def _unseen_from(outage: OutageRef, standing: Standing) -> bool:
    """Whether nothing was known of the service as the outage ended: nobody saw it up."""
    try:
        service = standing.service(outage.contract, outage.service)
    except KeyError:
        return False
    results = [result for result in (service.previous, service.current) if result is not None]
    return any(start == outage.end and name == "unknown" for one in results for start, _, name in one.states)


# --- deadlines ------------------------------------------------------------------------------------------------------


def _deadline(settings: NotifySettings, one: Deadline, now: int) -> Iterator[Condition]:
    if one.kind == "claim" and one.credit is not None:
        if one.at - now <= settings.deadline_days * _DAY_MS:
            credit = one.credit
            yield Condition(
                kind="claim_deadline",
                key=f"claim_deadline/{one.contract}/{one.period}",
                since=now,
                contract=one.contract,
                facts={
                    "period": one.period,
                    "percent": plain(credit.percent),
                    "amount": None if credit.amount is None else f"{credit.amount:.2f}",
                    "currency": credit.currency,
                    "deadline": short(one.at),
                },
                path=f"/contracts/{one.contract}",
            )
    elif one.ticket is not None and one.at - now <= settings.ticket_before:
        ticket = one.ticket
        yield Condition(
            kind="ticket_due",
            key=f"ticket_due/{one.contract}/{ticket.ticket.id}/{ticket.rule.name}/{ticket.rule.milestone}",
            since=now,
            contract=one.contract,
            facts={
                "id": ticket.ticket.id,
                "rule": ticket.rule.name,
                "milestone": ticket.rule.milestone,
                "due": short(one.at),
            },
            path=f"/contracts/{one.contract}",
        )


# --- certificates and the monitor itself ------------------------------------------------------------------------------


def _certificates(settings: NotifySettings, shown: Sequence[Shown], now: int) -> Iterator[Condition]:
    for one in shown:
        days = (one.not_after * 1000 - now) // _DAY_MS
        if days < settings.certificate_days:
            yield Condition(
                kind="certificate",
                key=f"certificate/{one.target}/{one.not_after}",
                since=now,
                contract=one.contract,
                service=one.service,
                facts={"target": one.target, "days": days, "not_after": short(one.not_after * 1000)},
            )


def _of_the_monitor(settings: NotifySettings, own: Own, now: int) -> Iterator[Condition]:
    if own.offline_since is not None:
        yield Condition(
            kind="monitor_offline",
            key=f"monitor_offline/{own.location}/{own.offline_since}",
            since=own.offline_since,
            facts={"location": own.location},
            path="/monitor",
        )
    if own.clock_offset_ms is not None and abs(own.clock_offset_ms) >= settings.clock_offset:
        yield Condition(
            kind="clock_wrong",
            key=f"clock_wrong/{own.location}",
            since=now,
            facts={"location": own.location, "offset": span(own.clock_offset_ms)},
            path="/monitor",
        )
    if own.writer.failing_since is not None:
        yield Condition(
            kind="store_failing",
            key=f"store_failing/{own.location}/{own.writer.failing_since}",
            since=own.writer.failing_since,
            facts={
                "location": own.location,
                "error": own.writer.last_error or "",
                "queued": own.writer.queued,
                "dropped": own.writer.dropped,
            },
            path="/monitor",
        )
