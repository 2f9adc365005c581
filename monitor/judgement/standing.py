"""How everything stands at one instant: the values that metrics, pages, messages and the status table are made from.
Pure.

Ratios are Fractions, lengths are ms; what is not known is None and is shown by nobody as 0 or 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from monitor.sla.contract import Terms
from monitor.sla.evaluation import CreditResult, Evaluation, Outage, ServiceResult, TicketResult
from monitor.sla.instants import DAY_MS, parse_instant, write_instant
from monitor.sla.intervals import Interval, clip, subtract, total, union
from monitor.sla.period import Period

HOUR_MS = 3_600_000
WINDOWS: Mapping[str, int] = {
    "5m": 300_000, "30m": 1_800_000, "1h": HOUR_MS, "6h": 6 * HOUR_MS, "1d": DAY_MS, "3d": 3 * DAY_MS,
}  # fmt: skip
"""Over how long a burn rate looks back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageRef:
    """An outage with the name by which pages, messages and letters speak of it."""

    id: str
    """`contract/service/2026-10-05T01:02:03.000Z`: where it began, whatever the period."""
    contract: str
    service: str
    running: bool
    parts: tuple[tuple[str, Outage], ...]
    """The period's name and the part that lies in it, in order; more than one where it crosses a month's end."""

    @property
    def start(self) -> int:
        """Where it began."""
        return self.parts[0][1].whole_start

    @property
    def end(self) -> int:
        """Where it ended; while it is running, until when it has been seen."""
        return self.parts[-1][1].whole_end if not self.running else self.parts[-1][1].end

    @property
    def counted_ms(self) -> int:
        """What of it is counted, in all periods."""
        return sum(part.counted_ms for _, part in self.parts)

    @property
    def counted_checks(self) -> int | None:
        """The same in checks, where these are counted; None where time is."""
        checks = [part.counted_checks for _, part in self.parts if part.counted_checks is not None]
        return sum(checks) if checks else None

    @property
    def counted(self) -> tuple[int, str]:
        """What of it is counted and in what: `check`, or `time` in ms."""
        return (self.counted_ms, "time") if self.counted_checks is None else (self.counted_checks, "check")

    @property
    def outcome(self) -> str | None:
        """What failed first."""
        return self.parts[0][1].outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetNow:
    """What may fail in the whole period before the target is missed, in ms, or in checks where the unit is `check`."""

    allowed: Fraction
    used: int

    @property
    def left(self) -> Fraction:
        """What may still fail; below 0 where the target is missed for good."""
        return self.allowed - self.used

    @property
    def left_ratio(self) -> Fraction | None:
        """The same as a share of what was allowed; None where nothing was."""
        return self.left / self.allowed if self.allowed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStanding:
    """One service of one contract, now."""

    contract: str
    service: str
    target: Fraction | None
    target_text: str | None
    state: str
    """`up`, `down` or `unknown`."""
    since: int | None
    """Since when, whatever the period; None where it was never otherwise."""
    outage: OutageRef | None
    """The one that is running."""
    current: ServiceResult
    previous: ServiceResult | None
    """None where nothing was seen in that period."""
    budget: BudgetNow | None
    burn: Mapping[str, Fraction | None]
    """By window: how many times too fast the budget is used up; None without a budget, or with an empty one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractStanding:
    """One contract, now."""

    name: str
    terms: Terms
    evaluation: Evaluation
    previous: Evaluation | None
    services: tuple[ServiceStanding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStanding:
    """One target from one location, by its last observation alone."""

    target: str
    location: str
    contract: str | None
    service: str | None
    state: str
    """`up`, `down` (the provider's fault) or `unknown` (any other, or too old)."""
    since: int | None
    """Of a target that is not up: the first observation that failed without a good one after it."""
    at: int | None
    outcome: str | None
    duration_ms: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Something that is due."""

    at: int
    kind: str
    """`claim` or `ticket`."""
    contract: str
    period: str
    credit: CreditResult | None = None
    ticket: TicketResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything, as of one instant."""

    at: int
    contracts: tuple[ContractStanding, ...]
    targets: tuple[TargetStanding, ...]
    deadlines: tuple[Deadline, ...]
    """Those not past, the nearest first."""

    def service(self, contract: str, service: str) -> ServiceStanding:
        """One service; KeyError if there is none."""
        for one in self.contracts:
            for found in one.services if one.name == contract else ():
                if found.service == service:
                    return found
        raise KeyError(f"{contract}/{service}")


def outage_id(contract: str, service: str, whole_start: int) -> str:
    """The name of an outage: the same in every report, message and page."""
    return f"{contract}/{service}/{write_instant(whole_start)}"


def parse_outage_id(id: str) -> tuple[str, str, int]:
    """Contract, service and start. Raises ValueError with a sentence."""
    parts = id.split("/")
    if len(parts) != 3:
        raise ValueError(f"'{id}' names no outage: it is contract/service/2026-10-05T01:02:03.000Z")
    return parts[0], parts[1], parse_instant(parts[2])


def outage_refs(contract: str, evaluations: Sequence[Evaluation], service: str | None = None) -> list[OutageRef]:
    """The outages of a contract's evaluations (oldest first) by start; those that cross a period's end are one."""
    found: dict[str, list[tuple[str, Outage]]] = {}
    owner: dict[str, str] = {}
    for evaluation in evaluations:
        for result in evaluation.services:
            if service is not None and result.service != service:
                continue
            for outage in result.outages:
                id = outage_id(contract, result.service, outage.whole_start)
                found.setdefault(id, []).append((evaluation.period.name, outage))
                owner[id] = result.service
    last = evaluations[-1].period if evaluations else None
    refs = [
        OutageRef(
            id=id,
            contract=contract,
            service=owner[id],
            running=last is not None and not last.complete and parts[-1][1].whole_end > last.to,
            parts=tuple(parts),
        )
        for id, parts in found.items()
    ]
    return sorted(refs, key=lambda ref: (ref.start, ref.service))


def budget_now(evaluation: Evaluation, result: ServiceResult) -> BudgetNow | None:
    """The error budget of the whole period, its rest taken as neither failing nor left out; None without a target."""
    if result.target is None or result.budget is None:
        return None
    period, availability = evaluation.period, evaluation.terms.contract.availability
    rest = period.end - period.to
    if availability.fixed_ms is not None:
        out_of = Fraction(availability.fixed_ms)
    elif result.unit == "check":
        seen = max(result.out_of + result.unknown, result.checks_expected or 0)
        # as many checks for each ms of the rest as were expected for each until now
        per_ms = (
            Fraction(result.checks_expected or 0, result.not_left_out_ms) if result.not_left_out_ms else Fraction(0)
        )
        out_of = seen + per_ms * rest
    elif availability.denominator == "elapsed_minus_excluded":
        out_of = Fraction(result.not_left_out_ms + rest)
    else:
        out_of = Fraction(period.end - period.start)
    return BudgetNow(allowed=(1 - result.target) * out_of, used=result.counted)


def burn_rates(
    target: Fraction | None, pieces: Sequence[Interval], left_out: Sequence[Interval], now: int, first: int
) -> dict[str, Fraction | None]:
    """How fast the budget burns: 1 uses it up exactly by the period's end (SRE workbook, alerting on SLOs).

    `pieces`: counted downtime; `left_out`: what the contract leaves out; `first`: since when anything was observed. A
    window that begins before that is as long as what was observed of it.
    """
    rates: dict[str, Fraction | None] = {}
    merged, out = union(pieces), union(left_out)
    for name, length in WINDOWS.items():
        start = max(now - length, first)
        whole = total(subtract([(start, now)], out)) if start < now else 0
        if target is None or target == 1 or whole == 0:
            rates[name] = None
            continue
        rates[name] = Fraction(total(clip(merged, start, now)), whole) / (1 - target)
    return rates


def state_now(evaluations: Sequence[Evaluation], service: str) -> tuple[str, int | None]:
    """A service's state at the end of the last evaluation, and since when it has been so."""
    state: str | None = None
    since: int | None = None
    after: Period | None = None
    for evaluation in reversed(evaluations):
        if after is not None and evaluation.period.to != after.start:
            break
        for start, end, name in reversed(evaluation.service(service).states):
            if state is None:
                if end != evaluation.period.to:
                    break
                state = name
            if name != state:
                return state, since
            since = start
        after = evaluation.period
    return state or "unknown", since
