"""A contract judged in a period: observations and events in, an Evaluation out (arithmetic §9). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from monitor.sla.calendars import holidays_version
from monitor.sla.contract import Contract, Terms
from monitor.sla.count import Seen, count_service
from monitor.sla.credit import deadline, work_out_credit
from monitor.sla.evaluation import Evaluation
from monitor.sla.period import Period, resolve
from monitor.sla.response import judge_tickets
from monitor.sla.series import Changes, Observations, SeriesLine, mark_table
from monitor.sla.timeline import of_locations, of_targets
from monitor.sla.values import Events, Observation, TargetSpec


def evaluate(
    terms: Terms,
    targets: Sequence[TargetSpec],
    observations: Observations | Iterable[Observation],
    events: Events,
    *,
    period: str,
    now: int | None,
) -> Evaluation:
    """Judge a contract in the period of that name, as known at ``now``.

    ``targets`` are the contract's own; observations of others are passed over. Observations may come in any order
    and should reach beyond the period on both sides: all take part in runs and holds. ``now`` None: the period is
    judged as if it were over and every deadline past. Raises PeriodError where the period has not begun, and
    ValueError where ``targets`` do not fit the contract.
    """
    contract = terms.contract
    resolved = resolve(contract.period, contract.timezone, terms.billing_day, period, now)
    return evaluate_within(terms, targets, observations, events, period=resolved, now=now)


def evaluate_within(
    terms: Terms,
    targets: Sequence[TargetSpec],
    observations: Observations | Iterable[Observation],
    events: Events,
    *,
    period: Period,
    now: int | None,
) -> Evaluation:
    """Judge a contract in any period that is already worked out."""
    if not isinstance(observations, Observations):
        observations = Observations.of(observations)
    observations.tidy()
    seen = see(terms.contract, targets, observations)
    return conclude(terms, seen, events, period=period, now=now)


def see(contract: Contract, targets: Sequence[TargetSpec], observations: Observations) -> list[Seen]:
    """Make every service's timeline from tidy observations (arithmetic §2)."""
    terms = contract.availability
    table = mark_table(terms.counted_outcomes)
    by_target: dict[str, list[SeriesLine]] = {target.name: [] for target in targets}
    holds = {target.name: target.hold_ms for target in targets}
    for series in observations.series.values():
        if series.target in by_target:
            by_target[series.target].append(SeriesLine(series, table, terms.confirm, holds[series.target]))
    return assemble(contract, targets, by_target)


def assemble(
    contract: Contract, targets: Sequence[TargetSpec], by_target: Mapping[str, Sequence[SeriesLine]]
) -> list[Seen]:
    """Put the lines of locations together to the services' timelines. Raises ValueError (see check_targets)."""
    check_targets(contract, targets)
    seen = []
    for service in contract.services:
        own = [target for target in targets if target.service == service.name]
        lines: list[SeriesLine] = []
        changes: list[Changes] = []
        for target in own:
            there = by_target.get(target.name, ())
            lines.extend(there)
            changes.append(of_locations([line.changes() for line in there], contract.availability.quorum))
        timeline = of_targets(changes, service.down_when) if changes else []
        seen.append(Seen(service, own, lines, timeline))
    return seen


def check_targets(contract: Contract, targets: Sequence[TargetSpec]) -> None:
    """Refuse targets that do not fit: an unknown service, or several for one without ``down_when``.

    Raises ValueError with a sentence.
    """
    known = {service.name: service for service in contract.services}
    watching: dict[str, int] = {}
    for target in targets:
        if target.service not in known:
            raise ValueError(f"target '{target.name}': the contract has no service '{target.service}'")
        watching[target.service] = watching.get(target.service, 0) + 1
    for name, count in watching.items():
        if count > 1 and known[name].down_when is None:
            raise ValueError(
                f"service '{name}' has {count} targets: the contract must say down_when: any or down_when: all"
            )


def conclude(terms: Terms, seen: Sequence[Seen], events: Events, *, period: Period, now: int | None) -> Evaluation:
    """Count and judge services whose timelines are there."""
    contract = terms.contract

    def claim_by(outage_end: int) -> int | None:
        return deadline(contract.claim, contract.timezone, period, outage_end)

    services = tuple(count_service(contract, one, period, events, claim_by) for one in seen)
    credit = None
    if contract.credit is not None:
        credit = work_out_credit(terms, contract.credit, period, services, events)
    tickets = judge_tickets(contract, events.tickets, terms.plan, period, _FOREVER if now is None else now)
    dated = any(window.holidays for calendar in contract.calendars for window in calendar.windows)
    return Evaluation(
        terms=terms,
        period=period,
        services=services,
        credit=credit,
        tickets=tickets,
        holidays=holidays_version() if dated else None,
    )


_FOREVER = 253_402_300_799_999
"""The last millisecond of the year 9999."""
