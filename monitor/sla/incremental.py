"""The same judgement as results arrive (arithmetic §9): the running period without counting it anew. Pure.

An observation in order costs a constant time. A snapshot costs what the outages, gaps and events of the period cost,
and not what its observations do. What comes late, or twice, costs the building of its own line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from monitor.sla.contract import Terms
from monitor.sla.count import down_seconds
from monitor.sla.evaluate import assemble, check_targets, conclude
from monitor.sla.evaluation import Evaluation
from monitor.sla.period import Period, containing, resolve
from monitor.sla.series import SCHEDULED, Observations, Series, SeriesLine, mark_table
from monitor.sla.values import OUTCOME_CODES, Events, Observation, TargetSpec


class _DownSeconds:
    """The seconds of one service whose observations are all down, kept as its lines grow."""

    __slots__ = ("_done", "_down", "_sorted")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again: a line was built anew."""
        self._down: set[int] = set()
        self._done: dict[tuple[str, str], int] | None = None
        self._sorted: list[int] | None = None

    def known(self, lines: Sequence[SeriesLine]) -> list[int]:
        """Give the seconds, in order, after looking at what is new in the lines."""
        if self._done is None:
            self._down = set(down_seconds(lines))
            self._sorted = None
        else:
            self._follow(lines, self._done)
        self._done = {(line.target, line.location): len(line.at) for line in lines}
        if self._sorted is None:
            self._sorted = sorted(self._down)
        return self._sorted

    def _follow(self, lines: Sequence[SeriesLine], done: dict[tuple[str, str], int]) -> None:
        fresh: set[int] = set()
        for line in lines:
            begin = done.get((line.target, line.location), 0)
            for index in range(begin, len(line.at)):
                fresh.add(line.at[index] // 1000)
        for second in fresh:
            if all(_only_down(line, second * 1000) for line in lines):
                if second not in self._down:
                    self._down.add(second)
                    self._sorted = None
            elif second in self._down:
                self._down.remove(second)
                self._sorted = None


def _only_down(line: SeriesLine, at: int) -> bool:
    """Tell whether a line has nothing but down observations, or none, in the second that begins at ``at``."""
    first = bisect_left(line.at, at)
    stop = bisect_left(line.at, at + 1000, first)
    return not line.marks[first:stop].strip(b"dD")


class Meter:
    """One contract, judged while results come in. Not for several threads at once."""

    def __init__(
        self,
        terms: Terms,
        targets: Sequence[TargetSpec],
        events: Events | None = None,
        observations: Observations | Iterable[Observation] = (),
    ) -> None:
        """Begin with what is known already, taking the observations over. ValueError: the targets do not fit."""
        check_targets(terms.contract, targets)
        self.terms = terms
        self.targets = tuple(targets)
        self.events = events if events is not None else Events()
        """What people know; put another value in its place whenever that changes."""
        self.late = 0
        """How many observations came late or twice, and had a line built anew."""
        self._table = mark_table(terms.contract.availability.counted_outcomes)
        self._holds = {target.name: target.hold_ms for target in targets}
        self._service = {target.name: target.service for target in targets}
        self._lines: dict[tuple[str, str], SeriesLine] = {}
        self._seconds = {service.name: _DownSeconds() for service in terms.contract.services}
        if not isinstance(observations, Observations):
            observations = Observations.of(observations)
        observations.tidy()
        for key, series in observations.series.items():
            if series.target in self._holds:
                self._lines[key] = self._line(series)

    def _line(self, series: Series) -> SeriesLine:
        return SeriesLine(series, self._table, self.terms.contract.availability.confirm, self._holds[series.target])

    def add(self, observation: Observation) -> None:
        """Take one observation; those of other contracts' targets are passed over. KeyError: an unknown outcome."""
        code = OUTCOME_CODES[observation.outcome] | (SCHEDULED if observation.scheduled else 0)
        target = observation.target
        if target not in self._holds:
            return
        key = (target, observation.location)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = self._line(Series(*key))
        if not line.grow(observation.at, code):
            self.late += 1
            self._seconds[self._service[target]].forget()

    def snapshot(self, now: int, period: str | None = None) -> Evaluation:
        """Judge the period of that name (default: the one in which ``now`` falls) as ``evaluate`` would.

        Raises PeriodError for a period that has not begun.
        """
        contract = self.terms.contract
        rhythm = contract.period, contract.timezone, self.terms.billing_day
        name = period if period is not None else containing(*rhythm, now)
        return self.snapshot_within(resolve(*rhythm, name, now), now)

    def snapshot_within(self, period: Period, now: int) -> Evaluation:
        """Judge any period that is already worked out."""
        by_target: dict[str, list[SeriesLine]] = {}
        for line in self._lines.values():
            by_target.setdefault(line.target, []).append(line)
        seen = assemble(self.terms.contract, self.targets, by_target)
        for one in seen:
            kept, lines = self._seconds[one.service.name], one.lines
            one.seconds = lambda kept=kept, lines=lines: kept.known(lines)  # type: ignore[misc]
        return conclude(self.terms, seen, self.events, period=period, now=now)
