"""All that a letter may say of a claim: outages with evidence, what was left out, what the provider admitted. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from monitor.judgement.claims import Claim, claim_of
from monitor.judgement.events import Statement
from monitor.judgement.report import OutageReport
from monitor.sla.contract import Contract
from monitor.sla.evaluation import CreditResult, Evaluation, Excuse, Outage
from monitor.sla.instants import parse_instant
from monitor.store import Event, Row

AROUND_MS = 3_600_000
"""How far from an outage an incident of the provider's page may lie and still speak of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What a provider's own page said of an incident, as it was last read."""

    id: str
    feed: str
    name: str
    status: str
    impact: str
    start: int
    end: int | None
    """None: not resolved, as far as the page said."""
    published: int | None
    url: str | None
    read_at: int
    """When this was read there."""
    services: tuple[str, ...] = ()
    """Those of which it speaks; none named: all."""

    def touches(self, service: str, start: int, end: int) -> bool:
        """Whether it may speak of an outage of a service in [start, end)."""
        if self.services and service not in self.services:
            return False
        return self.start < end + AROUND_MS and (self.end is None or self.end > start - AROUND_MS)


def incidents(events: Iterable[Event], contract: str) -> tuple[Incident, ...]:
    """The incidents of a contract's feeds, each as its last event has it, by start."""
    found: dict[tuple[str, str], Incident] = {}
    for event in events:
        data = event.data
        if event.kind != "feed_incident" or data.get("contract") != contract:
            continue
        one = Incident(
            id=str(data["incident"]),
            feed=str(data["feed"]),
            name=str(data.get("name", "")),
            status=str(data.get("status", "")),
            impact=str(data.get("impact", "")),
            start=parse_instant(data["start"]),
            end=parse_instant(data["end"]) if data.get("end") else None,
            published=parse_instant(data["published"]) if data.get("published") else None,
            url=data.get("url"),
            read_at=event.entered_at,
            services=tuple(data.get("services") or ()),
        )
        found[one.feed, one.id] = one
    return tuple(sorted(found.values(), key=lambda one: (one.start, one.id)))


# -- a letter ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Excused:
    """A window or exclusion that touches an outage, with the services for which it was judged alike."""

    excuse: Excuse
    services: tuple[str, ...]
    down_ms: int
    """Downtime of these services in it, each for itself."""
    moved: tuple[tuple[int, int, int], ...] = ()
    """The spans that it had before, each with the time at which the change was entered."""
    begun: bool = False
    """It was declared only when it had begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageCase:
    """An outage with its evidence."""

    number: int
    id: str
    service: str
    outage: Outage
    first: Row | None
    last: Row | None
    targets: tuple[str, ...]
    """What the service is watched by."""
    excused: tuple[Excused, ...]
    """The windows and exclusions that touch it and are left out."""
    admitted: tuple[Incident, ...]
    """What the provider's page said at that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a letter may say; the names are those of its template."""

    contract: Contract
    name: str
    customer: str
    location: str
    made_at: int
    evaluation: Evaluation
    credit: CreditResult
    claim: Claim
    fee: Decimal | None
    currency: str | None
    outages: tuple[OutageCase, ...]
    """Those of which something is counted."""
    left_out: tuple[OutageCase, ...]
    """Those of which nothing is."""
    excused: tuple[Excused, ...]
    """Every window and exclusion with downtime in it."""
    followed: bool
    """Whether the provider's page is read."""

    @property
    def clauses(self) -> Mapping[str, str]:
        """Where in the contract's text each part stands."""
        return self.contract.clauses

    @property
    def admitted(self) -> int:
        """How many of the outages claimed the provider's page spoke of."""
        return sum(1 for one in self.outages if one.admitted)


def make_case(
    evaluation: Evaluation,
    outages: Mapping[str, Sequence[OutageReport]],
    statements: Sequence[Statement],
    known: Sequence[Incident],
    *,
    targets: Mapping[str, Sequence[str]],
    followed: bool,
    customer: str,
    location: str,
    now: int,
) -> Case | None:
    """All that there is to say of a period's credit; None where none is due.

    ``outages`` are by service with their probes, ``targets`` the names of each service's targets.
    """
    claim = claim_of(evaluation, now)
    if claim is None:
        return None
    excused = _excused(evaluation, statements)
    flat = sorted(
        ((service, one) for service, found in outages.items() for one in found),
        key=lambda pair: (pair[1].outage.start, pair[0]),
    )
    counted: list[OutageCase] = []
    other: list[OutageCase] = []
    for service, one in flat:
        outage = one.outage
        into = counted if outage.counted_ms else other
        into.append(
            OutageCase(
                number=len(into) + 1,
                id=one.id,
                service=service,
                outage=outage,
                first=one.first,
                last=one.last,
                targets=tuple(targets.get(service, ())),
                excused=tuple(
                    found
                    for found in excused
                    if found.excuse.applied
                    and service in found.services
                    and found.excuse.start < outage.end
                    and found.excuse.end > outage.start
                ),
                admitted=tuple(incident for incident in known if incident.touches(service, outage.start, outage.end)),
            )
        )
    terms = evaluation.terms
    return Case(
        contract=terms.contract,
        name=terms.name,
        customer=customer,
        location=location,
        made_at=now,
        evaluation=evaluation,
        credit=claim.credit,
        claim=claim,
        fee=terms.fee,
        currency=terms.currency,
        outages=tuple(counted),
        left_out=tuple(other),
        excused=excused,
        followed=followed,
    )


def _excused(evaluation: Evaluation, statements: Sequence[Statement]) -> tuple[Excused, ...]:
    by_id = {statement.event.id: statement for statement in statements}
    found: dict[tuple[Any, ...], tuple[Excuse, list[str], int]] = {}
    for service in evaluation.services:
        for excuse in service.excuses:
            if not excuse.down_ms:
                continue
            key = (excuse.event_id, excuse.start, excuse.end, excuse.what, excuse.why)
            first, names, down = found.get(key, (excuse, [], 0))
            found[key] = (first, [*names, service.service], down + excuse.down_ms)
    made = []
    for excuse, names, down in found.values():
        statement = by_id.get(excuse.event_id or "")
        moved, begun = ((), False) if statement is None else _history(statement, excuse)
        made.append(Excused(excuse=excuse, services=tuple(names), down_ms=down, moved=moved, begun=begun))
    return tuple(sorted(made, key=lambda one: (one.excuse.start, one.excuse.end)))


def _history(statement: Statement, excuse: Excuse) -> tuple[tuple[tuple[int, int, int], ...], bool]:
    spans = [
        (parse_instant(version.data["start"]), parse_instant(version.data["end"]), version.entered_at)
        for version in statement.versions
        if version.data is not None and "end" in version.data
    ]
    moved = tuple(
        (start, end, after) for (start, end, _), (*new, after) in itertools.pairwise(spans) if [start, end] != new
    )
    begun = excuse.source == "maintenance" and excuse.announced is not None and excuse.announced >= excuse.start
    return moved, begun
