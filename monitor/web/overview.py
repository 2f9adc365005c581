"""What the first page says: every contract and service, and what will soon be due."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from monitor.judgement.claims import gather
from monitor.judgement.standing import BudgetNow, budget_now, state_now
from monitor.sla.contract import Terms
from monitor.sla.evaluation import CreditResult, Evaluation, ServiceResult
from monitor.sla.instants import DAY_MS
from monitor.store import Row
from monitor.web.days import Day, Run, runs, service_days
from monitor.web.ports import Source

BAR_DAYS = 90
CERTIFICATE_DAYS = 21
"""A certificate that ends within so many days is a deadline."""
FACT_CERTIFICATE = "cert_not_after"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """One service as the overview shows it."""

    contract: str
    name: str
    judged: str
    """``up``, ``down`` or ``unknown``."""
    state: str
    """The same, or ``excused``: not up in a span that the contract leaves out."""
    since: int | None
    """Since when; None where it was never otherwise."""
    budget: BudgetNow | None
    """Of the whole period."""
    result: ServiceResult
    days: tuple[Day, ...]
    runs: tuple[Run, ...]
    used_share: Fraction | None
    """Of the budget, 0 to 1; None without a target."""
    targets: int

    def tally(self) -> dict[str, int]:
        """How many days of the bar were of each kind."""
        found: dict[str, int] = {}
        for day in self.days:
            found[day.kind] = found.get(day.kind, 0) + 1
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractView:
    """One contract as the overview shows it."""

    terms: Terms
    evaluation: Evaluation
    credit: CreditResult | None
    services: tuple[ServiceView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """A target that is watched for its own sake."""

    name: str
    kind: str
    state: str
    last: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Something that has to be done by an instant."""

    kind: str
    """``claim``, ``ticket`` or ``certificate``."""
    at: int
    contract: str
    what: str
    """The period of a claim, the id of a ticket, the target of a certificate."""
    credit: CreditResult | None = None
    milestone: str | None = None
    service: str | None = None
    """Of a certificate, the service whose page shows it."""
    left_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole page."""

    now: int
    contracts: tuple[ContractView, ...]
    others: tuple[TargetView, ...]
    deadlines: tuple[Deadline, ...]

    def tally(self) -> dict[str, int]:
        """How many of the services that are watched are in each state."""
        found = {"up": 0, "down": 0, "unknown": 0, "excused": 0}
        for contract in self.contracts:
            for service in contract.services:
                if service.targets:
                    found[service.state] += 1
        return found

    def broken(self) -> int:
        """How many services miss their target in the running period."""
        return sum(1 for c in self.contracts for s in c.services if s.result.verdict == "breached")

    def down(self) -> list[ServiceView]:
        """The services that are down."""
        return [s for c in self.contracts for s in c.services if s.state == "down"]


def shown_state(state: str, result: ServiceResult, to: int) -> str:
    """The judged state, or ``excused`` where a service is not up in a span that the contract leaves out."""
    return "excused" if state != "up" and result.left_out and result.left_out[-1][1] >= to else state


def used_share(budget: BudgetNow | None) -> Fraction | None:
    """How much of the budget is used, from 0 to 1."""
    if budget is None:
        return None
    if budget.allowed <= 0:
        return Fraction(1 if budget.used else 0)
    return min(Fraction(1), budget.used / budget.allowed)


def build(source: Source) -> Overview:
    """Read and judge everything for the first page. Blocks."""
    now = source.clock.now_ms()
    span = source.reader.span()
    first = span.first if span else None
    contracts = []
    deadlines: list[Deadline] = []
    for terms in source.terms():
        recent = source.recent(terms.name, now, BAR_DAYS)
        current = recent[-1]
        services = []
        for result in current.services:
            targets = len(source.targets(terms.name, result.service))
            days = tuple(
                service_days(
                    [(e, e.service(result.service)) for e in recent],
                    terms.contract.timezone,
                    now - (BAR_DAYS - 1) * DAY_MS,
                    now + 1,
                    watched_from=first,
                )
            )[-BAR_DAYS:]
            state, since = state_now(recent, result.service)
            budget = budget_now(current, result)
            services.append(
                ServiceView(
                    contract=terms.name,
                    name=result.service,
                    judged=state,
                    state=shown_state(state, result, current.period.to),
                    since=since if state != "unknown" or first is None or (since or 0) > first else None,
                    result=result,
                    days=days,
                    runs=tuple(runs(days)),
                    budget=budget,
                    used_share=used_share(budget),
                    targets=targets,
                )
            )
        contracts.append(ContractView(terms=terms, evaluation=current, credit=current.credit, services=tuple(services)))
        deadlines += _claims(source, terms, now) + _tickets(terms, recent, now)
    others, certificates = _targets(source, now)
    deadlines += certificates
    return Overview(
        now=now,
        contracts=tuple(contracts),
        others=tuple(others),
        deadlines=tuple(sorted(deadlines, key=lambda d: (d.at, d.contract, d.what))),
    )


def _claims(source: Source, terms: Terms, now: int) -> list[Deadline]:
    return [
        Deadline(
            kind="claim",
            at=claim.claim_by,
            contract=terms.name,
            what=claim.period,
            credit=claim.credit,
            left_ms=claim.claim_by - now,
        )
        for claim in gather(source.judge, [terms], now)
        if claim.claim_by is not None
    ]


def _tickets(terms: Terms, recent: list[Evaluation], now: int) -> list[Deadline]:
    return [
        Deadline(
            kind="ticket",
            at=ticket.due,
            contract=terms.name,
            what=ticket.ticket.id,
            milestone=ticket.rule.milestone,
            left_ms=ticket.due - now,
        )
        for evaluation in recent
        for ticket in evaluation.tickets
        if ticket.verdict == "pending" and ticket.reached is None and ticket.due is not None
    ]


def _targets(source: Source, now: int) -> tuple[list[TargetView], list[Deadline]]:
    """The targets without a contract, and the certificates near their end."""
    views: list[TargetView] = []
    deadlines: list[Deadline] = []
    location = source.config().location
    for target in source.config().targets:
        last = source.reader.last_row(target.name, location)
        if target.contract is None:
            hold = target.stale_after_ms or 2 * target.interval_ms
            fresh = last is not None and now - last.at < hold
            state = "unknown" if last is None or not fresh else "up" if last.outcome == "ok" else "down"
            views.append(TargetView(name=target.name, kind=target.kind, state=state, last=last))
        ends = certificate_end(last)
        if ends is not None and ends - now < CERTIFICATE_DAYS * DAY_MS:
            deadlines.append(
                Deadline(
                    kind="certificate",
                    at=ends,
                    contract=target.contract or "",
                    what=target.name,
                    service=target.service,
                    left_ms=ends - now,
                )
            )
    return views, deadlines


def certificate_end(row: Row | None) -> int | None:
    """When the certificate that a probe saw ends, ms."""
    if row is None:
        return None
    value = row.facts.get(FACT_CERTIFICATE)
    return int(value) * 1000 if isinstance(value, int | float) else None
