"""What a statement is made of: the judgement, and what was recorded around it. Pure values, no words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.sla.evaluation import Evaluation
from monitor.sla.values import TargetSpec


class Probe(NamedTuple):
    """One probe near an outage."""

    at: int
    target: str
    location: str
    scheduled: bool
    outcome: str
    duration_ms: int
    detail: str


class Hole(NamedTuple):
    """Slots of one target that were missed, and why."""

    target: str
    location: str
    start: int
    end: int
    slots: int
    reason: str


class Balance(NamedTuple):
    """What was to be probed and what became of it, for one target and location."""

    target: str
    location: str
    expected: int
    observed: int
    gaps: int


class Response(NamedTuple):
    """Durations of the good scheduled probes of one target, ms."""

    target: str
    good: int
    median: int
    p95: int
    p99: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """The clock over the period; the worst offset in microseconds, None without readings."""

    samples: int = 0
    worst_us: int | None = None
    unsynchronised: int = 0
    steps: tuple[tuple[int, int], ...] = ()
    """When it stepped, and by how much, ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A statement made again after a correction: which one, and what changed since."""

    number: int = 1
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What stands behind the pages, for the reader who compares: all of it is in the evidence too."""

    key: str = ""
    checkpoint: str = ""
    days: int = 0
    timestamps: int = 0
    evidence_sha256: str = ""
    signer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFacts:
    """Everything that the pages say. `made_at` dates the document: the same facts make the same bytes."""

    evaluation: Evaluation
    targets: tuple[TargetSpec, ...]
    locations: tuple[str, ...]
    made_at: int
    program: str
    probes: Mapping[tuple[str, int], tuple[Probe, ...]] = field(default_factory=dict)
    """(service, start of the outage within the period) to the probes around it, in order of time."""
    holes: tuple[Hole, ...] = ()
    balances: tuple[Balance, ...] = ()
    responses: tuple[Response, ...] = ()
    clock: ClockFacts = field(default_factory=ClockFacts)
    corrections: tuple[str, ...] = ()
    seal: Seal = field(default_factory=Seal)
    revision: Revision = field(default_factory=Revision)
    customer: str = ""
    generated: bool = False
    """True for data that was made up, as `slaproof demo` does: every page says so."""
    file_name: str = ""
