"""The arithmetic agrees with a count by half-seconds that was written from the text alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from monitor.sla.contract import Terms
from monitor.sla.evaluate import evaluate_within
from monitor.sla.evaluation import Evaluation
from monitor.sla.period import Period
from monitor.sla.reading import read_contract
from monitor.sla.values import Events, Exclusion, Maintenance, Observation, Report, TargetSpec
from tests.sla.bruteforce import Count
from tests.sla.strategies import Case, cases


def terms_of(case: Case) -> Terms:
    return Terms(
        name="case",
        contract=read_contract(case.contract),
        fee=None if case.fee is None else Decimal(case.fee[0]),
        currency=None if case.fee is None else case.fee[1],
    )


def targets_of(case: Case) -> list[TargetSpec]:
    return [
        TargetSpec(
            name=target["name"], service=target["service"], interval_ms=target["interval"],
            stale_after_ms=target["stale"],
        )
        for target in case.targets
    ]  # fmt: skip


def events_of(events: dict[str, list[dict[str, Any]]]) -> Events:
    return Events(
        maintenance=tuple(Maintenance(**{**row, "services": tuple(row["services"])}) for row in events["maintenance"]),
        exclusions=tuple(Exclusion(**{**row, "services": tuple(row["services"])}) for row in events["exclusions"]),
        reports=tuple(Report(**{**row, "services": tuple(row["services"])}) for row in events["reports"]),
    )


def evaluation_of(case: Case) -> Evaluation:
    start, end, to = case.period
    return evaluate_within(
        terms_of(case),
        targets_of(case),
        [Observation(*row) for row in case.rows],
        events_of(case.events),
        period=Period(name="2026-11", start=start, end=end, to=to),
        now=to,
    )


NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""The rows come from a seed, and a smaller seed is no smaller case."""


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), phases=NO_SHRINKING)
@given(cases())
def test_every_figure_agrees(case: Case) -> None:
    """Services, outages, verdicts and credit are those of the count by half-seconds."""
    answer = evaluation_of(case).answer()
    expected = Count(*case).answer()
    assert {key: answer[key] for key in ("services", "credit")} == expected


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), phases=NO_SHRINKING)
@given(cases())
def test_the_detail_adds_up(case: Case) -> None:
    """States fill the period without holes, and what is counted is made of the pieces that are shown."""
    evaluation = evaluation_of(case)
    start, _, to = case.period
    for service in evaluation.services:
        assert sum(end - begin for begin, end, _ in service.states) == to - start
        for before, after in zip(service.states, service.states[1:], strict=False):
            assert before[1] == after[0]
            assert before[2] != after[2]
        pieces = [piece for outage in service.outages for piece in outage.pieces]
        assert tuple(pieces) == service.pieces
        assert sum(outage.counted_ms for outage in service.outages) == sum(end - begin for begin, end in pieces)
        for outage in service.outages:
            assert (outage.first is None) == (outage.failures == 0) == (outage.outcome is None)
        assert service.not_left_out_ms == to - start - sum(end - begin for begin, end in service.left_out)
    if evaluation.credit is not None:
        assert evaluation.credit.percent <= evaluation.credit.percent_before_cap
