"""Counting one service in one period (arithmetic §4 and §5). Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import compress, repeat
from operator import floordiv

from monitor.sla.contract import Availability, Contract, Rounding, Service
from monitor.sla.evaluation import Budget, Failure, Outage, ServiceResult
from monitor.sla.excuses import excuses, left_out
from monitor.sla.intervals import Interval, clip, holds, intersect, subtract, total, union
from monitor.sla.period import Period
from monitor.sla.series import Changes, SeriesLine
from monitor.sla.timeline import down_spans, states_within
from monitor.sla.values import Events, TargetSpec

MINUTE_MS = 60_000
_NOT_DOWN = bytes(0 if mark in b"dD" else 1 for mark in range(256))


class Seen:
    """What was observed of one service: its targets, the lines of their locations, and its timeline."""

    __slots__ = ("changes", "lines", "seconds", "service", "targets")

    def __init__(
        self,
        service: Service,
        targets: Sequence[TargetSpec],
        lines: Sequence[SeriesLine],
        changes: Changes,
        seconds: Callable[[], Sequence[int]] | None = None,
    ) -> None:
        self.service = service
        self.targets = targets
        self.lines = lines
        self.changes = changes
        self.seconds = seconds if seconds is not None else lambda: down_seconds(lines)
        """Gives the seconds of the epoch whose observations are all down, in order."""


def rounded(pieces: Iterable[Interval], rounding: Rounding) -> int:
    """Round counted pieces to whole minutes, in milliseconds (arithmetic §4, ``minute``)."""
    if rounding.apply == "each":
        return sum(_to_minute(end - start, rounding.mode) for start, end in pieces)
    return _to_minute(total(pieces), rounding.mode)


def _to_minute(ms: int, mode: str) -> int:
    lift = {"nearest": MINUTE_MS // 2, "up": MINUTE_MS - 1, "down": 0}[mode]
    return (ms + lift) // MINUTE_MS * MINUTE_MS


def counted_outages(
    contract: Contract, service: str, down: Sequence[Interval], events: Events
) -> list[tuple[Interval, int | None, Interval | None]]:
    """Give each whole outage with its first report and what of it can count (arithmetic §4, ``counts_from``)."""
    reports = sorted(report.at for report in events.reports if not report.services or service in report.services)
    found: list[tuple[Interval, int | None, Interval | None]] = []
    for start, end in down:
        index = bisect_left(reports, start)
        first = reports[index] if index < len(reports) and reports[index] < end else None
        part: Interval | None = (start, end)
        if contract.availability.counts_from == "report":
            part = None if first is None else (first, end)
        found.append(((start, end), first, part))
    return found


def down_seconds(lines: Sequence[SeriesLine]) -> list[int]:
    """Give the seconds of the epoch that have observations, all of them down (arithmetic §4, ``second``)."""
    seconds: set[int] = set()
    for line in lines:
        seconds.update(map(floordiv, line.down_at, repeat(1000)))
    if seconds:
        for line in lines:
            others = compress(line.at, line.marks.translate(_NOT_DOWN))
            seconds.difference_update(map(floordiv, others, repeat(1000)))
    return sorted(seconds)


def _counted_seconds(seen: Seen, period: Period, out: Sequence[Interval]) -> list[int]:
    """Give the seconds that count: begun in the period, observed in it, not left out at their start."""
    seconds = seen.seconds()
    low = bisect_left(seconds, -(-period.start // 1000))
    high = bisect_left(seconds, -(-period.to // 1000))
    counted = [second for second in seconds[low:high] if not holds(out, second * 1000)]
    if counted and counted[-1] * 1000 + 1000 > period.to:
        # The period ends within this second: it counts if one of its observations was made before that.
        at = counted[-1] * 1000
        if not any(bisect_left(line.down_at, at) < bisect_left(line.down_at, period.to) for line in seen.lines):
            counted.pop()
    return counted


def _ratio(part: int, whole: int) -> Fraction | None:
    """Give 1 - part / whole, never below 0; None with nothing to divide by (arithmetic §4)."""
    return None if whole == 0 else max(Fraction(0), 1 - Fraction(part, whole))


def verdict(target: Fraction | None, availability: Fraction | None, worst_case: Fraction | None) -> str:
    """Judge (arithmetic §5)."""
    if target is None:
        return "no_target"
    if availability is not None and availability < target:
        return "breached"
    if worst_case is not None and worst_case >= target:
        return "met"
    return "unproven"


def denominator(terms: Availability, length_ms: int, out_ms: int) -> int:
    """Give what counted time is out of (arithmetic §4), for a length of which ``out_ms`` is left out."""
    if terms.fixed_ms is not None:
        return terms.fixed_ms
    return length_ms - out_ms if terms.denominator == "elapsed_minus_excluded" else length_ms


def count_service(
    contract: Contract, seen: Seen, period: Period, events: Events, claim_by: Callable[[int], int | None]
) -> ServiceResult:
    """Count one service (arithmetic §4 and §5); ``claim_by`` gives the deadline of a counted outage from its end."""
    service, terms = seen.service, contract.availability
    out_always = left_out(contract, service.name, events)
    out = clip(out_always, period.start, period.to)
    out_ms = total(out)
    length = period.to - period.start
    kept = subtract([(period.start, period.to)] if length else [], out)
    whole_down = down_spans(seen.changes)
    down = clip(whole_down, period.start, period.to)
    states = states_within(seen.changes, period.start, period.to)
    unknown_spans = subtract([(start, end) for start, end, state in states if state == "unknown"], out)

    outages, pieces = _outages(contract, seen, period, events, whole_down, out, claim_by)
    up_checks = expected = None
    if terms.unit == "check":
        up_checks, counted = _checks(seen, kept)
        expected = _expected(seen, total(kept))
        unknown = max(0, expected - up_checks - counted)
        out_of = up_checks + counted
        availability, worst_case = _ratio(counted, out_of), _ratio(counted + unknown, out_of + unknown)
        coverage = _ratio(unknown, out_of + unknown)
    else:
        out_of = denominator(terms, length, out_ms)
        unknown = total(unknown_spans)
        if terms.unit == "second":
            seconds = _counted_seconds(seen, period, out_always)
            counted = 1000 * len(seconds)
            unseen = intersect(union([*unknown_spans, *down]), kept)
            unknown = total(subtract(unseen, union((second * 1000, second * 1000 + 1000) for second in seconds)))
        elif terms.unit == "minute":
            counted = rounded(pieces, terms.round)
        else:
            counted = total(pieces)
        availability, worst_case = _ratio(counted, out_of), _ratio(counted + unknown, out_of)
        coverage = _ratio(unknown, length - out_ms)
    return ServiceResult(
        service=service.name,
        target=service.target,
        target_text=service.target_text,
        unit=terms.unit,
        availability=availability,
        worst_case=worst_case,
        coverage=coverage,
        counted=counted,
        out_of=out_of,
        unknown=unknown,
        excluded_ms=total(intersect(down, out)),
        verdict=verdict(service.target, availability, worst_case),
        outages=tuple(outages),
        states=tuple(states),
        left_out=tuple(out),
        excuses=excuses(contract, service.name, events, (period.start, period.end), down),
        pieces=tuple(pieces),
        unknown_spans=tuple(unknown_spans),
        not_left_out_ms=length - out_ms,
        budget=None if service.target is None else Budget(allowed=(1 - service.target) * out_of, used=counted),
        checks_up=up_checks,
        checks_expected=expected,
    )


def _checks(seen: Seen, kept: Sequence[Interval]) -> tuple[int, int]:
    """Count the scheduled observations that are up, and that are down, within ``kept`` (arithmetic §4, ``check``)."""
    up = down = 0
    for line in seen.lines:
        for start, end in kept:
            first, stop = bisect_left(line.at, start), bisect_left(line.at, end)
            up += line.marks.count(b"U", first, stop)
            down += line.marks.count(b"D", first, stop)
    return up, down


def _expected(seen: Seen, kept_ms: int) -> int:
    """Count the checks that each target and location with an observation should have made (arithmetic §5)."""
    interval = {target.name: target.interval_ms for target in seen.targets}
    return sum(kept_ms // interval[line.target] for line in seen.lines if line.at)


def _outages(
    contract: Contract,
    seen: Seen,
    period: Period,
    events: Events,
    whole_down: Sequence[Interval],
    out: Sequence[Interval],
    claim_by: Callable[[int], int | None],
) -> tuple[list[Outage], list[Interval]]:
    """Give the outages within the period and, in order, all counted pieces."""
    outages: list[Outage] = []
    pieces: list[Interval] = []
    for (whole_start, whole_end), reported, part in counted_outages(contract, seen.service.name, whole_down, events):
        start, end = max(whole_start, period.start), min(whole_end, period.to)
        if start >= end:
            continue
        counted = [] if part is None else subtract(clip([part], period.start, period.to), out)
        pieces += counted
        first, last, failures = _failures(seen.lines, start, end)
        counted_ms = total(counted)
        checks = _checks(seen, subtract([(start, end)], out))[1] if contract.availability.unit == "check" else None
        outages.append(
            Outage(
                start=start,
                end=end,
                whole_start=whole_start,
                whole_end=whole_end,
                counted_ms=counted_ms,
                counted_checks=checks,
                pieces=tuple(counted),
                outcome=None if first is None else first.outcome,
                claim_by=claim_by(end) if counted_ms else None,
                first=first,
                last=last,
                failures=failures,
                reported=reported,
            )
        )
    return outages, pieces


def _failures(lines: Sequence[SeriesLine], start: int, end: int) -> tuple[Failure | None, Failure | None, int]:
    """Give the first and the last failing observation in a span, and how many there are (arithmetic §9)."""
    first = last = None
    count = 0
    for line in lines:
        low, high = bisect_left(line.down_at, start), bisect_left(line.down_at, end)
        if low == high:
            continue
        count += high - low
        early, late = _failure(line, low), _failure(line, high - 1)
        if first is None or _order(early) < _order(first):
            first = early
        if last is None or _order(late) > _order(last):
            last = late
    return first, last, count


def _failure(line: SeriesLine, index: int) -> Failure:
    return Failure(at=line.down_at[index], target=line.target, location=line.location, outcome=line.down_outcome(index))


def _order(failure: Failure) -> tuple[int, str, str]:
    return failure.at, failure.target, failure.location
