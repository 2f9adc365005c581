"""What can be claimed, and until when: from evaluations alone. Pure.

1. The credit, its steps and its deadlines are the evaluation's; nothing is counted here.
2. A period's claim is listed as long as one of its outages can still be claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.sla.contract import Contract, Terms
from monitor.sla.evaluation import CreditResult, Evaluation, plain
from monitor.sla.instants import DAY_MS, write_instant
from monitor.sla.period import PeriodError, bounds, next_month_end

NEXT_MONTH_MS = 63 * DAY_MS
"""More than a period's end can lie before the end of the calendar month after it."""
OPEN_ENDED_MS = 366 * DAY_MS
"""How far back credits are listed under a contract that names no deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A credit that is due."""

    evaluation: Evaluation
    credit: CreditResult
    state: str
    """``running``: the period is not over and the credit may grow; ``open``; ``over``: too late."""
    claim_by: int | None
    """The next deadline; of one that is over the last. None: the contract names none."""
    days_left: int | None
    """Whole days until then; negative when it is past."""
    outages: int
    """Outages of which something is counted."""
    past: int
    """Those of them whose deadline is past."""

    @property
    def contract(self) -> str:
        """The contract's name in the configuration."""
        return self.evaluation.terms.name

    @property
    def period(self) -> str:
        """The period's name."""
        return self.evaluation.period.name

    def answer(self) -> dict[str, Any]:
        """As plain JSON."""
        period = self.evaluation.period
        return {
            "contract": self.contract,
            "period": self.period,
            "start": write_instant(period.start),
            "end": write_instant(period.end),
            "complete": period.complete,
            "percent": plain(self.credit.percent),
            "amount": None if self.credit.amount is None else format(self.credit.amount, "f"),
            "currency": self.credit.currency,
            "claim_by": None if self.claim_by is None else write_instant(self.claim_by),
            "days_left": self.days_left,
            "state": self.state,
            "outages": self.outages,
            "outages_past": self.past,
        }


def look_back_ms(contract: Contract) -> int:
    """How long after a period's end one of its outages may still be claimed, at the most."""
    if contract.claim is None:
        return OPEN_ENDED_MS
    if contract.claim.kind == "next_calendar_month":
        return NEXT_MONTH_MS
    return (contract.claim.after_ms or 0) + DAY_MS


def claim_of(evaluation: Evaluation, now: int) -> Claim | None:
    """The claim of one period; None where no credit is due."""
    credit = evaluation.credit
    if credit is None or not credit.percent:
        return None
    counted = [outage for service in evaluation.services for outage in service.outages if outage.counted_ms]
    deadlines = sorted(outage.claim_by for outage in counted if outage.claim_by is not None)
    ahead = [at for at in deadlines if at > now]
    over = bool(deadlines) and not ahead
    claim_by = ahead[0] if ahead else deadlines[-1] if deadlines else None
    return Claim(
        evaluation=evaluation,
        credit=credit,
        state="over" if over else "open" if evaluation.period.complete else "running",
        claim_by=claim_by,
        days_left=None if claim_by is None else (claim_by - now) // DAY_MS,
        outages=len(counted),
        past=len(deadlines) - len(ahead),
    )


class Judging(Protocol):
    """What the claims are read from; `monitor.judgement.judge.Judge` is one."""

    def periods(self, contract: str, since: int | None = None) -> list[str]:
        """The names of a contract's periods, oldest first."""

    def evaluate(self, contract: str, period: str = "current") -> Evaluation:
        """A contract in a period. Raises PeriodError."""


def gather(
    judge: Judging,
    terms: Iterable[Terms],
    now: int,
    *,
    every: bool = False,
    passed_over: Callable[[PeriodError], None] = lambda _: None,
) -> list[Claim]:
    """The claims of these contracts, for whoever lists them: commands, pages, API, metrics and messages.

    With ``every`` those too whose deadline is past. ``passed_over`` is told of periods that cannot be judged any more.
    """
    evaluations: list[Evaluation] = []
    for one in terms:
        if one.contract.credit is None:
            continue
        since = None if every else now - look_back_ms(one.contract)
        for period in judge.periods(one.name, since):
            if not every and _too_late(one, period, now):
                continue
            try:
                evaluations.append(judge.evaluate(one.name, period))
            except PeriodError as error:
                passed_over(error)
    return _all(evaluations, now) if every else due(evaluations, now)


def _too_late(terms: Terms, period: str, now: int) -> bool:
    """Tell by the period alone that nothing of it can be claimed, so that it need not be judged."""
    contract = terms.contract
    if contract.claim is None or contract.claim.kind != "next_calendar_month":
        return False
    _, end = bounds(contract.period, contract.timezone, terms.billing_day, period)
    return next_month_end(contract.timezone, end - 1) <= now


def due(evaluations: Iterable[Evaluation], now: int) -> list[Claim]:
    """What can be claimed now, the nearest deadline first; those without one last."""
    return [claim for claim in _all(evaluations, now) if claim.state != "over"]


def _all(evaluations: Iterable[Evaluation], now: int) -> list[Claim]:
    found = [claim for one in evaluations if (claim := claim_of(one, now)) is not None]
    return sorted(found, key=lambda one: (one.claim_by is None, one.claim_by or 0, one.contract, one.period))
