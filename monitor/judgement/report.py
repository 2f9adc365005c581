"""What is said of a period: every number with the probes and gaps behind it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

from monitor.clock import Clock
from monitor.judgement.balance import Balance, balance, plan
from monitor.judgement.events import Statement
from monitor.judgement.judge import LONE, Judge, Settled
from monitor.judgement.standing import outage_id
from monitor.probing.slots import first_slot, offset_ms
from monitor.sla.evaluation import Evaluation, Failure, Outage, percent_text, plain
from monitor.sla.instants import write_instant
from monitor.sla.period import PeriodError
from monitor.sla.series import SCHEDULED
from monitor.store import Event, Gap, Reader, Row

_SCHEDULED = bytes(1 if code & SCHEDULED else 0 for code in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageReport:
    """An outage with the probes at its ends."""

    id: str
    outage: Outage
    first: Row | None
    """The first failing probe, and the last; None where it began before the period's probes."""
    last: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GapReport:
    """Time in which the monitor did not probe, put together over targets."""

    start: int
    end: int
    reason: str
    detail: str
    targets: tuple[tuple[str, int], ...]
    """Each target, and how many of its slots were missed."""

    @property
    def slots(self) -> int:
        """All of them."""
        return sum(count for _, count in self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReport:
    """One contract in one period."""

    name: str
    """Empty: the targets that belong to no contract."""
    evaluation: Evaluation
    outages: dict[str, tuple[OutageReport, ...]]
    """By service, in order."""
    gaps: tuple[GapReport, ...]
    balances: tuple[Balance, ...]
    statements: tuple[Statement, ...]
    """What people stated that touches the period."""
    left: tuple[str, ...] = ()
    """Targets that were observed in the period for this contract and that the configuration no longer names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report of a period."""

    location: str
    made_at: int
    asked: str
    contracts: tuple[ContractReport, ...]
    generated: bool = False
    """True where the database holds a generated history: nothing in it was measured."""


GENERATED = "GENERATED DATA: an example, not a measurement."
"""What stands over every report of a generated history."""


def gather(
    judge: Judge, reader: Reader, config: Settled, clock: Clock, *, location: str, period: str, contract: str | None
) -> Report:
    """Put a report together; blocks. Raises KeyError for an unknown contract, and PeriodError."""
    names = [contract] if contract is not None else list(config.contracts)
    if contract is None and any(target.contract is None for target in config.targets):
        names.append(LONE)
    configs = reader.events(kinds=["config"])
    parts: list[ContractReport] = []
    refused: PeriodError | None = None
    for name in names:
        try:
            evaluation = judge.evaluate(name, period)
        except PeriodError as error:
            refused = error
            continue
        targets = [target for target in config.targets if (target.contract or LONE) == name]
        part = _contract(judge, reader, configs, name, evaluation, targets, clock.now_ms())
        here, its = {target.name for target in config.targets}, evaluation.period
        parts.append(replace(part, left=_left(reader, configs, name, here, its.start, its.to)))
    if not parts and refused is not None:
        raise refused
    generated = bool(reader.events(kinds=["demo"]))
    return Report(location=location, made_at=clock.now_ms(), asked=period, contracts=tuple(parts), generated=generated)


def _contract(
    judge: Judge, reader: Reader, configs: Sequence[Event], name: str, evaluation: Evaluation, targets: Sequence[Any],
    now: int,
) -> ContractReport:  # fmt: skip
    period = evaluation.period
    outages = {
        result.service: tuple(
            OutageReport(
                id=outage_id(name, result.service, outage.whole_start),
                outage=outage,
                first=_row(reader, outage.first),
                last=_row(reader, outage.last),
            )
            for outage in result.outages
        )
        for result in evaluation.services
    }
    watched = [target.name for target in targets]
    gaps = reader.gaps(period.start, period.to, targets=watched)
    statements = tuple(one for one in judge.stated(name).statements if _touches(one, period.start, period.to))
    return ContractReport(
        name=name,
        evaluation=evaluation,
        outages=outages,
        gaps=_together(gaps),
        balances=tuple(_balances(reader, configs, targets, gaps, period.start, period.to, now)),
        statements=statements,
    )


def _left(
    reader: Reader, configs: Sequence[Event], contract: str, here: Collection[str], start: int, end: int
) -> tuple[str, ...]:
    """Whose observations are not judged: what a target that was taken out or renamed saw must not vanish unsaid."""
    belonged = {
        name: known.get("contract") or LONE
        for event in configs
        for name, known in event.data.get("targets", {}).items()
        if name not in here
    }
    names = [name for name in sorted(belonged) if belonged[name] == contract]
    return tuple(name for name in names if reader.counts(start, end, targets=[name]))


def _balances(
    reader: Reader,
    configs: Sequence[Event],
    targets: Sequence[Any],
    gaps: Sequence[Gap],
    start: int,
    end: int,
    now: int,
) -> list[Balance]:
    found = []
    places: dict[str, list[str]] = {}
    for series in reader.series():
        places.setdefault(series.target, []).append(series.location)
    for target in targets:
        interval = target.spec.interval_ms
        for location in places.get(target.name, []):
            column = reader.columns(start, end + interval, targets=[target.name], location=location).series.get(
                (target.name, location)
            )
            at, code = (column.at, column.code) if column is not None else ((), b"")
            scheduled = list(compress(at, code.translate(_SCHEDULED)))
            extra = bisect_left(at, end) - bisect_left(scheduled, end)
            own = [gap for gap in gaps if (gap.target, gap.location) == (target.name, location)]
            # The newest slots of a running period may have their probe under way: they are due one interval later, or
            # as soon as they are accounted for.
            until = end
            if end >= now - interval:
                newest = max([*scheduled[-1:], *(gap.end - 1 for gap in own if gap.slots)], default=start)
                after = first_slot(newest + 1, interval, offset_ms(target.name, interval))
                until = min(end, max(now - 2 * interval, after))
            stretches = plan(configs, target.name, start, max(start, until))
            found.append(balance(stretches, scheduled, own, target=target.name, location=location, extra=extra))
    return found


def _row(reader: Reader, failure: Failure | None) -> Row | None:
    if failure is None:
        return None
    rows = reader.rows(failure.at, failure.at + 1, targets=[failure.target], location=failure.location)
    return rows[0] if rows else None


def _together(gaps: Sequence[Gap]) -> tuple[GapReport, ...]:
    """Gaps of one reason that overlap are one line: a daemon that stood still stood still for all its targets."""
    found: list[dict[str, Any]] = []
    for gap in sorted(gaps, key=lambda one: (one.reason, one.detail, one.start, one.end)):
        last = found[-1] if found else None
        if (
            last is not None
            and (last["reason"], last["detail"]) == (gap.reason, gap.detail)
            and gap.start <= last["end"]
        ):
            last["end"] = max(last["end"], gap.end)
            last["targets"][gap.target] = last["targets"].get(gap.target, 0) + gap.slots
        else:
            found.append(
                {"start": gap.start, "end": gap.end, "reason": gap.reason, "detail": gap.detail,
                 "targets": {gap.target: gap.slots}}
            )  # fmt: skip
    reports = [GapReport(**{**one, "targets": tuple(sorted(one["targets"].items()))}) for one in found]
    return tuple(sorted(reports, key=lambda one: (one.start, one.end, one.reason)))


def _touches(statement: Statement, start: int, end: int) -> bool:
    value = statement.value
    first = getattr(value, "start", statement.event.at)
    last = getattr(value, "end", first + 1)
    return bool(first < end and last > start)


# -- as JSON -----------------------------------------------------------------------------------------------------------


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON: each contract's answer of arithmetic §9, and the detail beside it."""
    return {
        "location": report.location,
        "made": write_instant(report.made_at),
        "generated": report.generated,
        "contracts": [_contract_json(part) for part in report.contracts],
    }


def _contract_json(part: ContractReport) -> dict[str, Any]:
    answer = part.evaluation.answer()
    for result, service in zip(part.evaluation.services, answer["services"], strict=True):
        for outage, one in zip(service["outages"], part.outages[result.service], strict=True):
            outage["id"] = one.id
            outage["failed_probes"] = one.outage.failures
            outage["first"] = _probe_json(one.first)
            outage["last"] = _probe_json(one.last)
        service["availability_percent"] = None if result.availability is None else percent_text(result.availability)
        service["left_out"] = [
            {
                "start": write_instant(excuse.start),
                "end": write_instant(excuse.end),
                "source": excuse.source,
                "what": excuse.what,
                "left_out": excuse.applied,
                "why": excuse.text,
                "down_ms": excuse.down_ms,
                "event": excuse.event_id,
            }
            for excuse in result.excuses
        ]
    credit = part.evaluation.credit
    if credit is not None:
        answer["credit"]["steps"] = {
            "counted_exact": credit.counted_exact,
            "allowance_ms": str(credit.allowance_ms),
            "beyond_ms": str(credit.beyond_ms),
            "blocks": credit.blocks,
            "tier": None if credit.tier is None else credit.tier.below_text,
            "percent_before_cap": plain(credit.percent_before_cap),
            "fee": None if credit.fee is None else str(credit.fee),
            "amount_before_cap": None if credit.amount_before_cap is None else str(credit.amount_before_cap),
        }
    return {
        **answer,
        "contract": part.name or None,
        "no_longer_configured": list(part.left),
        "holidays": part.evaluation.holidays,
        "gaps": [
            {
                "start": write_instant(gap.start),
                "end": write_instant(gap.end),
                "reason": gap.reason,
                "detail": gap.detail,
                "slots": gap.slots,
                "targets": dict(gap.targets),
            }
            for gap in part.gaps
        ],
        "balance": [
            {
                "target": one.target,
                "location": one.location,
                "expected": one.expected,
                "observed": one.observed,
                "missed": one.missed,
                "difference": one.difference,
                "extra": one.extra,
                "reasons": dict(one.reasons),
            }
            for one in part.balances
        ],
    }


def _probe_json(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "at": write_instant(row.at),
        "target": row.target,
        "location": row.location,
        "outcome": row.outcome,
        "code": row.code,
        "detail": row.detail,
        "duration_ms": row.duration_ms,
        "probe_id": row.probe_id,
    }


# -- as CSV ------------------------------------------------------------------------------------------------------------

COLUMNS = (
    "record", "contract", "period", "service", "target", "unit", "availability", "worst_case", "coverage", "counted",
    "out_of", "unknown", "excluded_ms", "verdict", "start", "end", "duration_ms", "counted_ms", "outcome", "claim_by",
    "slots", "reason", "detail", "percent", "amount", "currency",
)  # fmt: skip
"""The columns of the CSV: a line is a service, an outage, a gap or a credit, as `record` says."""


def to_csv(report: Report) -> list[dict[str, object]]:
    """The report as lines of one table; what a column does not say of a record is empty."""
    lines: list[dict[str, object]] = []
    for part in report.contracts:
        answer = _contract_json(part)
        base = {"contract": part.name, "period": answer["period"]["name"]}
        for service in answer["services"]:
            own = {key: value for key, value in service.items() if key in COLUMNS and value is not None}
            lines.append({"record": "service", **base, **own})
            for outage in service["outages"]:
                first = outage["first"] or {}
                end = part.outages[service["service"]]
                length = next(one.outage.end - one.outage.start for one in end if one.id == outage["id"])
                kept = {key: outage[key] for key in ("start", "end", "counted_ms", "outcome", "claim_by")}
                lines.append(
                    {"record": "outage", **base, "service": service["service"], "duration_ms": length, **kept,
                     "detail": first.get("detail", "")}
                )  # fmt: skip
        lines += [
            {"record": "gap", **base, "target": " ".join(name for name, _ in gap.targets), "slots": gap.slots,
             "start": write_instant(gap.start), "end": write_instant(gap.end), "duration_ms": gap.end - gap.start,
             "reason": gap.reason, "detail": gap.detail}
            for gap in part.gaps
        ]  # fmt: skip
        if answer["credit"] is not None:
            kept = {key: answer["credit"][key] for key in ("counted", "out_of", "percent", "amount", "currency")}
            lines.append({"record": "credit", **base, **kept, "claim_by": answer["credit"]["claim_by"]})
    return lines
