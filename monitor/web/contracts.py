"""What the pages of the contracts say: plain words, claims, tickets, and what people stated."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.judgement.claims import Claim, claim_of, gather
from monitor.judgement.events import Stated
from monitor.sla.contract import Terms
from monitor.sla.evaluation import Evaluation, TicketResult
from monitor.web.ports import Source, Target

MONTHS_MS = 400 * 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractPage:
    """One contract."""

    terms: Terms
    targets: tuple[Target, ...]
    evaluations: tuple[Evaluation, ...]
    """Newest first."""
    claims: tuple[Claim, ...]
    """Those too that are over, newest first."""
    tickets: tuple[TicketResult, ...]
    """Newest first."""
    stated: Stated


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractLine:
    """One contract of the list."""

    terms: Terms
    evaluation: Evaluation
    open_claims: int
    open_tickets: int


def one(source: Source, name: str) -> ContractPage:
    """Everything about one contract of the last thirteen months. Blocks. Raises KeyError."""
    terms = source.contract(name)
    now = source.clock.now_ms()
    evaluations = source.recent(name, now, 400)[::-1]
    return ContractPage(
        terms=terms,
        targets=tuple(source.targets(name)),
        evaluations=tuple(evaluations),
        claims=tuple(claim for evaluation in evaluations if (claim := claim_of(evaluation, now)) is not None),
        tickets=tuple(ticket for evaluation in evaluations for ticket in reversed(evaluation.tickets)),
        stated=source.judge.stated(name),
    )


def every(source: Source) -> list[ContractLine]:
    """Each contract with what is open. Blocks."""
    now = source.clock.now_ms()
    found = []
    for terms in source.terms():
        evaluations = source.recent(terms.name, now, 90)
        found.append(
            ContractLine(
                terms=terms,
                evaluation=evaluations[-1],
                open_claims=len(gather(source.judge, [terms], now)),
                open_tickets=sum(1 for e in evaluations for ticket in e.tickets if ticket.verdict == "pending"),
            )
        )
    return found
