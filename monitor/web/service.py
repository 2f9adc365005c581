"""What the page of one service says about one period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.judgement.standing import BudgetNow, OutageRef, budget_now, outage_refs, state_now
from monitor.sla.contract import Terms
from monitor.sla.evaluation import Evaluation, ServiceResult
from monitor.sla.instants import DAY_MS
from monitor.sla.values import Observation
from monitor.store import Gap, Row
from monitor.web import chart
from monitor.web.days import Day, service_days
from monitor.web.overview import shown_state, used_share
from monitor.web.ports import Source, Target

SAMPLES = 8
"""Of a long range so many probes a bucket are read for the phases."""
BUCKETS = 96
SHORT_MS = 2 * DAY_MS
LEAST_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One target seen from one location, in the period."""

    target: str
    kind: str
    location: str
    probes: int
    failed: int
    outcomes: tuple[tuple[str, int], ...]
    """The failures by outcome, most first."""
    p50_ms: int | None
    p95_ms: int | None
    last: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One target's phases over the range shown."""

    target: str
    stack: chart.Stack | None
    sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoom:
    """Other ranges that are one step away; None where there is nothing more."""

    closer: chart.Range | None
    wider: chart.Range | None
    earlier: chart.Range | None
    later: chart.Range | None
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """The whole page."""

    terms: Terms
    evaluation: Evaluation
    result: ServiceResult
    state: str
    since: int | None
    running: bool
    budget: BudgetNow | None
    used: float | None
    before: str | None
    after: str | None
    weeks: tuple[tuple[Day | None, ...], ...]
    range: chart.Range
    zoom: Zoom
    lanes: tuple[chart.Lane, ...]
    ticks: tuple[chart.Tick, ...]
    outages: tuple[OutageRef, ...]
    burn: chart.Burn | None
    burn_ticks: tuple[chart.Tick, ...]
    latencies: tuple[Latency, ...]
    places: tuple[Place, ...]
    gaps: tuple[Gap, ...]
    targets: tuple[Target, ...]


def build(
    source: Source, contract: str, service: str, period: str | None, start: int | None, end: int | None
) -> ServiceView:
    """Everything about one service in one period. Blocks. Raises KeyError and PeriodError."""
    terms = source.contract(contract)
    terms.contract.service(service)
    now = source.clock.now_ms()
    current = source.period_at(contract, now)
    if period is None:
        period = current if start is None else source.period_at(contract, start)
    names = source.judge.periods(contract)
    evaluation = source.judge.evaluate(contract, period)
    result = evaluation.service(service)
    its = evaluation.period
    state, since = state_now([*source.recent(contract, now, 31)], service)
    newest = source.judge.evaluate(contract, current)
    budget = budget_now(evaluation, result)
    share = used_share(budget)
    shown = _range(its.start, max(its.to, its.start + LEAST_MS), start, end)
    targets = source.targets(contract, service)
    span = source.reader.span()
    seen = source.reader.observations(its.start, its.to, targets=[t.name for t in targets])
    gaps = source.reader.gaps(its.start, its.to, targets=[t.name for t in targets])
    after = names[names.index(period) + 1 :][:1] if period in names else []
    return ServiceView(
        terms=terms,
        evaluation=evaluation,
        result=result,
        state=shown_state(state, newest.service(service), newest.period.to) if targets else "unknown",
        since=since,
        running=not its.complete,
        budget=budget,
        used=None if share is None else float(share),
        before=names[names.index(period) - 1] if period in names and names.index(period) > 0 else None,
        after=after[0] if after else None,
        weeks=_weeks(
            service_days(
                [(evaluation, result)],
                terms.contract.timezone,
                its.start,
                its.end,
                watched_from=span.first if span else None,
            )
        ),
        range=shown,
        zoom=_zoom(shown, its.start, its.to),
        lanes=_lanes(terms, result, targets, seen, gaps, shown),
        ticks=tuple(shown.ticks(terms.contract.timezone)),
        outages=tuple(outage_refs(contract, [evaluation], service)),
        burn=None
        if budget is None
        else chart.burn_down(its.start, its.end, its.to, result.pieces, budget.allowed, budget.used),
        burn_ticks=tuple(chart.Range(start=its.start, end=its.end).ticks(terms.contract.timezone)),
        latencies=tuple(_latency(source, target, shown) for target in targets),
        places=tuple(_places(source, targets, seen)),
        gaps=tuple(gap for gap in gaps if gap.end > shown.start and gap.start < shown.end),
        targets=tuple(targets),
    )


def _range(first: int, last: int, start: int | None, end: int | None) -> chart.Range:
    """What was asked for, within the period; the whole of it where nothing was."""
    begin = first if start is None else max(first, min(start, last - LEAST_MS))
    stop = last if end is None else min(last, max(end, begin + LEAST_MS))
    return chart.Range(start=begin, end=max(stop, begin + LEAST_MS))


def _zoom(shown: chart.Range, first: int, last: int) -> Zoom:
    middle, length = (shown.start + shown.end) // 2, shown.length

    def around(centre: int, size: int) -> chart.Range:
        size = min(size, last - first)
        start = max(first, min(centre - size // 2, last - size))
        return chart.Range(start=start, end=max(start + size, start + 1))

    whole = shown.start <= first and shown.end >= last
    return Zoom(
        closer=around(middle, length // 4) if length // 4 >= LEAST_MS else None,
        wider=None if whole else around(middle, length * 4),
        earlier=around(middle - length * 3 // 4, length) if shown.start > first else None,
        later=around(middle + length * 3 // 4, length) if shown.end < last else None,
        whole=whole,
    )


def _weeks(days: Sequence[Day]) -> tuple[tuple[Day | None, ...], ...]:
    """The days as weeks from Monday to Sunday, filled up with None."""
    cells: list[Day | None] = [None] * days[0].date.weekday() + list(days)
    cells += [None] * (-len(cells) % 7)
    return tuple(tuple(cells[i : i + 7]) for i in range(0, len(cells), 7))


def _lanes(
    terms: Terms,
    result: ServiceResult,
    targets: Sequence[Target],
    seen: Sequence[Observation],
    gaps: Sequence[Gap],
    shown: chart.Range,
) -> tuple[chart.Lane, ...]:
    counted = terms.contract.availability.counted_outcomes
    lanes = [chart.Lane("", shown.segments((a, b, kind, "") for a, b, kind in result.states))]
    if result.excuses:
        spans = [(e.start, e.end, "excused" if e.applied else "refused", e.note or "") for e in result.excuses]
        lanes.append(chart.Lane("windows", shown.segments(spans)))
    for target in targets:
        hold = target.stale_after_ms or 2 * target.interval_ms
        places = sorted({one.location for one in seen if one.target == target.name})
        for place in places:
            probes = [
                (one.at, "up" if one.outcome == "ok" else "down" if one.outcome in counted else "unknown")
                for one in seen
                if one.target == target.name and one.location == place and shown.start - hold <= one.at < shown.end
            ]
            label = target.name if len(places) == 1 else f"{target.name} · {place}"
            lanes.append(chart.Lane(label, shown.segments(chart.probe_lane(shown, probes, hold))))
    if gaps:
        lanes.append(chart.Lane("gaps", shown.segments((g.start, g.end, "unknown", g.reason) for g in gaps)))
    return tuple(lanes)


def _latency(source: Source, target: Target, shown: chart.Range) -> Latency:
    """All probes of a short range, a few of each bucket of a long one."""
    reader = source.reader
    if shown.length <= SHORT_MS:
        rows = reader.rows(shown.start, shown.end, targets=[target.name])
        return Latency(target=target.name, stack=chart.stack(shown, rows, BUCKETS), sampled=False)
    rows = []
    for index in range(BUCKETS):
        begin = shown.start + shown.length * index // BUCKETS
        stop = shown.start + shown.length * (index + 1) // BUCKETS
        rows += reader.rows(begin, stop, targets=[target.name], outcomes=["ok"], limit=SAMPLES)
    return Latency(target=target.name, stack=chart.stack(shown, rows, BUCKETS), sampled=True)


def _places(source: Source, targets: Sequence[Target], seen: Sequence[Observation]) -> list[Place]:
    found = []
    for target in targets:
        for place in sorted({one.location for one in seen if one.target == target.name}):
            mine = [one for one in seen if one.target == target.name and one.location == place]
            durations = sorted(one.duration_ms for one in mine if one.outcome == "ok")
            failures: dict[str, int] = {}
            for one in mine:
                if one.outcome != "ok":
                    failures[one.outcome] = failures.get(one.outcome, 0) + 1
            found.append(
                Place(
                    target=target.name,
                    kind=target.kind,
                    location=place,
                    probes=len(mine),
                    failed=sum(failures.values()),
                    outcomes=tuple(sorted(failures.items(), key=lambda pair: (-pair[1], pair[0]))),
                    p50_ms=chart.percentile(durations, 50),
                    p95_ms=chart.percentile(durations, 95),
                    last=source.reader.last_row(target.name, place),
                )
            )
    return found
