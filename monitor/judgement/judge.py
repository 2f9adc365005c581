"""The one judgement that everybody reads: metrics, pages, messages, reports, claims and statements ask here.

1. Nobody else counts availability. Every number is `monitor.sla`'s, from the store's observations and what people
   stated.
2. A period that is over is judged once, and again only when something was added that may change it.
3. In a daemon the running period is counted as it grows, with each commit, at a constant cost for each observation.
4. What is not loaded yet is not known: `current` gives None, and nobody shows a 0 or a 1 for it.

Everything here may be called from any thread; `fed` never blocks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from monitor.clock import Clock
from monitor.judgement.claims import Claim, gather
from monitor.judgement.events import PEOPLE, Stated, fold
from monitor.judgement.standing import (
    ContractStanding,
    Deadline,
    OutageRef,
    ServiceStanding,
    Standing,
    TargetStanding,
    budget_now,
    burn_rates,
    outage_refs,
    parse_outage_id,
    state_now,
)  # fmt: skip
from monitor.sla import period as periods
from monitor.sla.contract import Contract, Service, Terms
from monitor.sla.evaluate import evaluate_within
from monitor.sla.evaluation import Evaluation
from monitor.sla.incremental import Meter
from monitor.sla.instants import DAY_MS
from monitor.sla.period import Period, PeriodError
from monitor.sla.series import SCHEDULED, Observations
from monitor.sla.series import Series as Column
from monitor.sla.values import OUTCOME_CODES, OUTCOMES, Observation, TargetSpec
from monitor.store import Event, Gap, Reader, Row

LONE = ""
"""In place of a contract's name: the targets that belong to none."""
FRESH_MS = 1_000
"""How long a judgement of the running period stands while nothing new is committed."""
REACH_MS = DAY_MS
"""How far beyond a period observations are looked at, for runs and holds; further while a run of failures goes on."""


class _Watched(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def contract(self) -> str | None: ...
    @property
    def service(self) -> str | None: ...
    @property
    def spec(self) -> TargetSpec: ...


class _Entry(Protocol):
    @property
    def terms(self) -> Terms: ...


class Settled(Protocol):
    """The part of the configuration that is judged by; `monitor.config.load.Config` is one."""

    @property
    def contracts(self) -> Mapping[str, Any]: ...
    @property
    def targets(self) -> Sequence[Any]: ...


class NotKept(PeriodError):
    """The observations of the period were removed after they were sealed and exported."""


class _Running:
    """One contract's running period in memory."""

    __slots__ = ("added", "evaluation", "judged_added", "judged_at", "meter", "period", "stated")

    def __init__(self, period: str, meter: Meter) -> None:
        self.period = period
        self.meter = meter
        self.added = 0
        self.evaluation: Evaluation | None = None
        self.judged_at = 0
        self.judged_added = -1
        self.stated: Stated | None = None


class Judge:
    """See the module. With `live` the running periods are kept in memory and must be `fed`; else the store is asked."""

    def __init__(self, reader: Reader, config: Settled, clock: Clock, *, live: bool = False) -> None:
        self._reader = reader
        self._clock = clock
        self._live = live
        self._lock = threading.RLock()
        self._fresh: deque[Row] = deque()
        self._cache: dict[tuple[str, str], tuple[str, Evaluation]] = {}
        self._running: dict[str, _Running] = {}
        self._stated: tuple[str, list[Event], dict[str, Stated]] = ("", [], {})
        self._last: dict[tuple[str, str], TargetStanding] = {}
        self._late: set[tuple[str, str]] = set()
        self._loaded = False
        self._standing: tuple[int, int, Standing] | None = None
        self._count = 0
        self._terms: dict[str, Terms] = {}
        self._specs: dict[str, list[TargetSpec]] = {}
        self._targets: dict[str, Any] = {}
        self._lone = Terms(name=LONE, contract=_contract_of_lone(()))
        self.reconfigure(config)

    # -- life --------------------------------------------------------------------------------------------------------

    def reconfigure(self, config: Settled) -> None:
        """Judge by another configuration from now on.

        What is known of a contract that stays as it was, with its targets, is kept: a reload that has nothing to do
        with it costs nothing. May wait for a judgement under way, so it is no call for an event loop.
        """
        with self._lock:
            before = self._agreements()
            self._terms = {name: entry.terms for name, entry in config.contracts.items()}
            self._targets = {target.name: target for target in config.targets}
            lone = [target for target in config.targets if target.contract is None]
            self._lone = Terms(name=LONE, contract=_contract_of_lone(lone))
            self._specs = {name: [] for name in self._terms}
            for target in config.targets:
                if target.contract is None:
                    self._specs.setdefault(LONE, []).append(target.spec)
                elif target.contract in self._specs:
                    self._specs[target.contract].append(target.spec)
            kept = {name for name, agreed in self._agreements().items() if before.get(name) == agreed}
            self._cache = {key: one for key, one in self._cache.items() if key[0] in kept}
            self._running = {name: one for name, one in self._running.items() if name in kept}
            self._last = {
                key: replace(one, contract=target.contract, service=target.service)
                for key, one in self._last.items()
                if (target := self._targets.get(key[0])) is not None
            }
            self._standing = None

    def _agreements(self) -> dict[str, tuple[Terms, list[TargetSpec]]]:
        """By what each contract is judged."""
        named = {name: (terms, self._specs[name]) for name, terms in self._terms.items()}
        return named | {LONE: (self._lone, self._specs.get(LONE, []))}

    def load(self) -> None:
        """Read what the running periods need from the store. Blocks: call it in a thread, after a start or a reload."""
        self._drain()
        with self._lock:
            for series in self._reader.series():
                target = self._targets.get(series.target)
                # What was followed since the start is known better than a day's rows can tell.
                if target is not None and not (self._loaded and series in self._last):
                    self._last[series] = self._last_seen(target, series.target, series.location)
            for name in self._terms:
                self._evaluate(name, "current")
                self._try(name, "previous")
            self._loaded = True

    def fed(self, rows: Sequence[Row], gaps: Sequence[Gap] = (), events: Sequence[Event] = ()) -> None:
        """Take note of a commit; see `Writer.on_commit`. Never blocks."""
        self._fresh.extend(rows)
        self._count += len(rows) + len(gaps) + len(events)
        if len(self._fresh) > 20_000 and self._lock.acquire(blocking=False):
            try:
                self._take_in()
            finally:
                self._lock.release()

    # -- judging -----------------------------------------------------------------------------------------------------

    def evaluate(self, contract: str, period: str = "current") -> Evaluation:
        """A contract in a period: a name such as `2026-10`, or `current` or `previous`.

        `LONE` in place of a contract's name judges the targets that belong to none, each for itself, by the calendar
        month in UTC. Raises KeyError for an unknown contract, PeriodError for a period that has not begun or is none,
        and NotKept.
        """
        self._agreed(contract)
        self._drain()
        with self._lock:
            return self._evaluate(contract, period)

    def stated(self, contract: str) -> Stated:
        """What people stated of a contract, with all corrections."""
        with self._lock:
            return self._statements(contract)

    def period_name(self, contract: str, period: str = "current") -> str:
        """The name of the current or previous period; another name is given back. Raises PeriodError."""
        terms = self._agreed(contract)
        kind, zone, day = terms.contract.period, terms.contract.timezone, terms.billing_day
        if period in ("current", "previous"):
            name = periods.containing(kind, zone, day, self._clock.now_ms())
            if period == "current":
                return name
            return periods.containing(kind, zone, day, periods.bounds(kind, zone, day, name)[0] - 1)
        periods.parse_name(period)
        return period

    def periods(self, contract: str, since: int | None = None) -> list[str]:
        """The names of a contract's periods from the first observation (or `since`) to now, oldest first."""
        span = self._reader.span()
        if span is None:
            return [self.period_name(contract)]
        terms = self._agreed(contract)
        kind, zone, day = terms.contract.period, terms.contract.timezone, terms.billing_day
        names = [self.period_name(contract)]
        start = span.first if since is None else max(since, span.first)
        while (begin := periods.bounds(kind, zone, day, names[-1])[0]) > start:
            names.append(periods.containing(kind, zone, day, begin - 1))
        return names[::-1]

    def outages(self, contract: str, service: str | None = None, *, since: int | None = None) -> list[OutageRef]:
        """Every outage of a contract, oldest first; with `since` those of the periods from then on."""
        return outage_refs(contract, [self.evaluate(contract, name) for name in self.periods(contract, since)], service)

    def outage(self, id: str) -> OutageRef | None:
        """One outage by its name; None where there is none (any more). Raises ValueError for what is no name."""
        contract, service, start = parse_outage_id(id)
        if contract not in self._terms:
            return None
        return next((ref for ref in self.outages(contract, service, since=start - 1) if ref.id == id), None)

    def current(self) -> Standing | None:
        """How everything stands now; None as long as it is not loaded."""
        if self._live and not self._loaded:
            return None
        now = self._clock.now_ms()
        known = self._standing
        if known is not None and known[0] == self._count and 0 <= now - known[1] < FRESH_MS and self._live:
            return known[2]
        count = self._count
        self._drain()
        with self._lock:
            contracts = tuple(self._contract(name) for name in self._terms)
            for series in list(self._late) if self._live else self._reader.series():
                if (target := self._targets.get(series[0])) is not None:
                    self._last[series] = self._last_seen(target, *series)
            self._late.clear()
            targets = tuple(self._aged(one, now) for key, one in sorted(self._last.items()) if key[0] in self._targets)
            # One without a deadline has no place among the deadlines, and would be looked for a year back.
            claims = gather(self, [one for one in self._terms.values() if one.contract.claim is not None], now)
            standing = Standing(
                at=now, contracts=contracts, targets=targets, deadlines=_deadlines(contracts, claims, now)
            )
            self._standing = (count, now, standing)
            return standing

    def _agreed(self, contract: str) -> Terms:
        return self._lone if contract == LONE else self._terms[contract]

    # -- within the lock ---------------------------------------------------------------------------------------------

    def _evaluate(self, contract: str, period: str) -> Evaluation:
        terms = self._agreed(contract)
        now = self._clock.now_ms()
        name = self.period_name(contract, period)
        resolved = periods.resolve(terms.contract.period, terms.contract.timezone, terms.billing_day, name, now)
        stated = self._statements(contract)
        if not resolved.complete and self._live:
            return self._evaluate_running(contract, resolved, stated, now)
        return self._evaluate_stored(contract, resolved, stated, now)

    def _evaluate_running(self, contract: str, period: Period, stated: Stated, now: int) -> Evaluation:
        running = self._running.get(contract)
        if running is None or running.period != period.name:
            meter = Meter(
                self._agreed(contract), self._specs.get(contract, []), stated.events, self._read(contract, period)
            )
            running = self._running[contract] = _Running(period.name, meter)
            self._take_in()  # what was read and is fed too is one: a line keeps one observation for each instant
        if (
            running.evaluation is not None
            and running.added == running.judged_added
            and running.stated is stated
            and 0 <= now - running.judged_at < FRESH_MS
        ):
            return running.evaluation
        running.meter.events = stated.events
        running.evaluation = running.meter.snapshot_within(period, now)
        running.judged_at, running.judged_added, running.stated = now, running.added, stated
        return running.evaluation

    def _evaluate_stored(self, contract: str, period: Period, stated: Stated, now: int) -> Evaluation:
        # A ticket still pending becomes breached by time alone, and a running period grows: both are judged anew.
        timeless = period.complete
        version = self._reader.version(period.start - REACH_MS, period.end + REACH_MS)
        known = self._cache.get((contract, period.name))
        if known is not None and known[0] == version and timeless:
            pending = any(ticket.verdict == "pending" for ticket in known[1].tickets)
            if not pending:
                return known[1]
        self._check_kept(contract, period)
        evaluation = evaluate_within(
            self._agreed(contract),
            self._specs.get(contract, []),
            self._read(contract, period),
            stated.events,
            period=period,
            now=now,
        )
        self._cache[contract, period.name] = (version, evaluation)
        return evaluation

    def _try(self, contract: str, period: str) -> Evaluation | None:
        try:
            return self._evaluate(contract, period)
        except PeriodError:
            return None

    def _read(self, contract: str, period: Period) -> Observations:
        """A period's observations, and those before and after it as far as they take part in its runs and holds."""
        specs = self._specs.get(contract, [])
        names = [spec.name for spec in specs]
        counted = self._agreed(contract).contract.availability.counted_outcomes
        down = {OUTCOME_CODES[name] for name in counted}
        reach = max([REACH_MS, *(2 * spec.hold_ms for spec in specs)])
        start, end = period.start - reach, period.end + reach
        while True:
            found = self._reader.columns(start, end, targets=names)
            begun = any(_is_down(one, 0, down) for one in found.series.values())
            ends = any(_is_down(one, -1, down) for one in found.series.values())
            span = self._reader.span() if begun or ends else None
            more_before = begun and span is not None and span.first < start
            more_after = ends and span is not None and span.last >= end
            if not more_before and not more_after:
                return found
            start -= 7 * DAY_MS if more_before else 0
            end += 7 * DAY_MS if more_after else 0

    def _check_kept(self, contract: str, period: Period) -> None:
        gone = self._reader.removed(
            period.start, period.end, targets=[spec.name for spec in self._specs.get(contract, [])]
        )
        if gone:
            days = sorted({day for _, _, day in gone})
            raise NotKept(
                f"the observations of {contract} in {period.name} were removed after they were sealed and exported "
                f"({days[0]} to {days[-1]}, in {', '.join(sorted(set(gone.values())))}); the statement has the numbers"
            )

    def _statements(self, contract: str) -> Stated:
        version = self._reader.events_version()
        if self._stated[0] != version:
            self._stated = (version, self._reader.events(kinds=list(PEOPLE)), {})
        _, events, known = self._stated
        if contract not in known:
            known[contract] = fold(events, contract)
        return known[contract]

    # -- what was committed ------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        if self._fresh:
            with self._lock:
                self._take_in()

    def _take_in(self) -> None:
        fresh = self._fresh
        while fresh:
            row = fresh.popleft()
            target = self._targets.get(row.target)
            if target is None:
                continue
            key = (row.target, row.location)
            before = self._last.get(key)
            if before is None or before.at is None or before.at <= row.at:
                self._last[key] = _seen(target, row, before)
            if before is None or (before.at is not None and row.at < before.at and before.state != "up"):
                self._late.add(key)  # since when is to be read: there may be others before it
            running = self._running.get(target.contract if target.contract is not None else LONE)
            if running is not None:
                running.meter.add(
                    Observation(row.at, row.target, row.location, row.scheduled, row.outcome, row.duration_ms)
                )
                running.added += 1

    def _last_seen(self, target: _Watched, name: str, location: str) -> TargetStanding:
        newest = self._reader.last_row(name, location)
        if newest is None:
            return _unseen(target, name, location)
        seen: TargetStanding | None = None
        if _STATES[newest.outcome] != "up":
            recent = self._reader.rows(
                newest.at - DAY_MS, newest.at + 1, targets=[name], location=location, newest_first=True, limit=5_000
            )
            run = []
            for row in recent:
                if _STATES[row.outcome] != _STATES[newest.outcome]:
                    break
                run.append(row)
            for row in reversed(run):
                seen = _seen(target, row, seen)
        return seen or _seen(target, newest, None)

    def _aged(self, one: TargetStanding, now: int) -> TargetStanding:
        hold = self._targets[one.target].spec.hold_ms
        if one.at is None or now - one.at < hold:
            return one
        return replace(one, state="unknown", since=one.at + hold)

    # -- standing ----------------------------------------------------------------------------------------------------

    def _contract(self, name: str) -> ContractStanding:
        evaluation = self._evaluate(name, "current")
        previous = self._try(name, "previous")
        both = [one for one in (previous, evaluation) if one is not None]
        running = {ref.service: ref for ref in outage_refs(name, both) if ref.running}
        services = []
        for result in evaluation.services:
            before = previous.service(result.service) if previous is not None else None
            if before is not None and not any(state != "unknown" for _, _, state in before.states):
                before = None
            state, since = state_now(both, result.service)
            results = [one for one in (before, result) if one is not None]
            known = [start for one in results for start, _, name in one.states if name != "unknown"]
            services.append(
                ServiceStanding(
                    contract=name,
                    service=result.service,
                    target=result.target,
                    target_text=result.target_text,
                    state=state,
                    since=since,
                    outage=running.get(result.service),
                    current=result,
                    previous=before,
                    budget=budget_now(evaluation, result),
                    burn=burn_rates(
                        result.target,
                        [piece for one in results for piece in one.pieces],
                        [span for one in results for span in one.left_out],
                        evaluation.period.to,
                        min(known, default=evaluation.period.to),
                    ),
                )
            )
        seen = any(service.previous is not None for service in services)
        return ContractStanding(
            name=name,
            terms=self._terms[name],
            evaluation=evaluation,
            previous=previous if seen else None,
            services=tuple(services),
        )


_STATES = {
    name: "up" if name == "ok" else "down" if fault == "provider" else "unknown" for name, fault in OUTCOMES.items()
}


def _contract_of_lone(targets: Iterable[_Watched]) -> Contract:
    """What judges targets that belong to no contract: each a service of its own, by time, with nothing promised."""
    services = tuple(Service(name=target.service or target.name) for target in targets)
    return Contract(name=LONE, title="Targets without a contract", services=services)


def _is_down(column: Column, index: int, down: set[int]) -> bool:
    return bool(column.code) and (column.code[index] & ~SCHEDULED) in down


def _seen(target: _Watched, row: Row, before: TargetStanding | None) -> TargetStanding:
    state = _STATES[row.outcome]
    since = None
    if state != "up":
        since = before.since if before is not None and before.state == state and before.since is not None else row.at
    return TargetStanding(
        target=row.target,
        location=row.location,
        contract=target.contract,
        service=target.service,
        state=state,
        since=since,
        at=row.at,
        outcome=row.outcome,
        duration_ms=row.duration_ms,
        detail=row.detail,
    )


def _unseen(target: _Watched, name: str, location: str) -> TargetStanding:
    return TargetStanding(
        target=name, location=location, contract=target.contract, service=target.service, state="unknown", since=None,
        at=None, outcome=None, duration_ms=None, detail="",
    )  # fmt: skip


def _deadlines(contracts: Iterable[ContractStanding], claims: Iterable[Claim], now: int) -> tuple[Deadline, ...]:
    found = [
        Deadline(at=one.claim_by, kind="claim", contract=one.contract, period=one.period, credit=one.credit)
        for one in claims
        if one.claim_by is not None
    ]
    for one in contracts:
        for evaluation in (one.previous, one.evaluation):
            if evaluation is None:
                continue
            found += [
                Deadline(at=ticket.due, kind="ticket", contract=one.name, period=evaluation.period.name, ticket=ticket)
                for ticket in evaluation.tickets
                if ticket.verdict == "pending" and ticket.due is not None and ticket.due > now
            ]
    return tuple(sorted(found, key=lambda deadline: (deadline.at, deadline.contract)))
