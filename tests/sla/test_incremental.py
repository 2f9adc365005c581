"""What is counted as results arrive is what is counted of them all together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from types import FrameType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.sla.contract import Terms
from monitor.sla.evaluate import evaluate, evaluate_within
from monitor.sla.incremental import Meter
from monitor.sla.period import Period
from monitor.sla.reading import read_contract
from monitor.sla.values import Events, Maintenance, Observation, TargetSpec
from tests.sla.strategies import SEEDS, START, Case, cases
from tests.sla.test_bruteforce import NO_SHRINKING, events_of, targets_of, terms_of


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), phases=NO_SHRINKING)
@given(cases(), SEEDS, st.booleans())
def test_a_snapshot_is_the_evaluation_of_what_has_come(case: Case, seed: bytes, in_order: bool) -> None:
    """At any moment, with events entered midway and results late, twice or in disorder, both are equal throughout."""
    random = Random(seed)
    rows = sorted(case.rows) if in_order else case.rows
    start, end, to = case.period
    terms, targets = terms_of(case), targets_of(case)
    loaded = random.randrange(0, len(rows) + 1) if rows and random.random() < 0.3 else 0
    meter = Meter(terms, targets, observations=[Observation(*row) for row in rows[:loaded]])
    events = Events()
    stops = {random.randrange(0, len(rows) + 1) for _ in range(4)} | {len(rows)}
    for count in range(loaded, len(rows) + 1):
        if count in stops:
            if random.random() < 0.6:
                events = meter.events = events_of(case.events)
            now = random.choice([to, end, start + 500 * random.randrange(0, (end - start) // 500)])
            period = Period(name="2026-11", start=start, end=end, to=now)
            everything = [Observation(*row) for row in rows[:count]]
            expected = evaluate_within(terms, targets, everything, events, period=period, now=now)
            assert meter.snapshot_within(period, now) == expected
        if count < len(rows):
            meter.add(Observation(*rows[count]))


def _terms(unit: str) -> tuple[Terms, list[TargetSpec]]:
    contract = read_contract(
        {"name": "c", "services": {"api": {"target": "99.9%"}}, "availability": {"unit": unit, "confirm": "2"}}
    )
    return Terms(name="c", contract=contract), [TargetSpec(name="t", service="api", interval_ms=60_000)]


def test_the_running_month_by_name() -> None:
    """Without a name, the period is the one in which now falls; other contracts' targets are passed over."""
    terms, targets = _terms("time")
    meter = Meter(terms, targets)
    rows = [
        Observation(START + 60_000 * index, "t", "main", True, "timeout" if 3 <= index < 6 else "ok", 5)
        for index in range(10)
    ]
    for row in rows:
        meter.add(row)
        meter.add(row._replace(target="another"))
    now = START + 600_000
    snapshot = meter.snapshot(now)
    assert snapshot == evaluate(terms, targets, rows, Events(), period="2026-11", now=now)
    assert snapshot.services[0].counted == 180_000
    assert meter.late == 0
    meter.events = Events(maintenance=(Maintenance(start=START, end=now),))
    assert meter.snapshot(now).services[0].excluded_ms == 0


def _steps(work: Callable[[], object]) -> int:
    """How many lines of Python are gone through: the same on every machine, however busy."""
    count = 0

    def trace(_frame: FrameType, what: str, _value: object) -> object:
        nonlocal count
        count += what == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_adding_does_not_grow_dearer() -> None:
    """A result costs the same after 40,000 of them as at the start, and a snapshot does not go over them all."""
    for unit in ("time", "second", "check"):
        terms, targets = _terms(unit)
        meter = Meter(terms, targets)

        def add(first: int, count: int, meter: Meter = meter) -> None:
            for index in range(first, first + count):
                outcome = "timeout" if index % 977 < 4 else "ok"
                meter.add(Observation(START + 60_000 * index, "t", "main", True, outcome, 5))

        early = _steps(lambda add=add: add(0, 977))  # type: ignore[misc]
        add(977, 977 * 40)
        late = _steps(lambda add=add: add(977 * 41, 977))  # type: ignore[misc]
        assert late <= early
        now = START + 60_000 * 42_000
        meter.snapshot(now)
        assert _steps(lambda meter=meter, now=now: meter.snapshot(now)) < 977 * 42 / 2  # type: ignore[misc]
