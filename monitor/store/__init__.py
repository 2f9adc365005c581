"""What is kept, and who may read and write it: the row types and the ports of the store.

The only package that speaks SQL. `open_store` opens the engine that a location's configuration names; everybody else
is given a `Reader` or a `Writer`. Times are milliseconds UTC since the epoch; intervals are half-open.

1. What a `put_...` resolved is durable: it survives `kill -9` and a lost power line.
2. Observations, gaps, events and evidence are append-only; triggers refuse the rest. Only
   `monitor.store.retention` removes observations, and only those that were sealed and exported.
3. A write that cannot be made waits in bounded memory; what had to be dropped becomes a gap with the
   reason `store_full`.
4. A store that would mislabel what it holds is not opened: `StoreRefused` says why and what to do.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from monitor.errors import Refused

if TYPE_CHECKING:
    from monitor.clock import Clock
    from monitor.sla.series import Observations
    from monitor.sla.values import Observation
    from monitor.store.sqlite import SqliteStore

__all__ = [
    "Event", "Evidence", "Gap", "Reader", "Row", "Scalar", "Series", "Span", "StoreConflict", "StoreError", "StoreFull",
    "StoreRefused", "Writer", "WriterState", "derive_probe_id", "open_store",
]  # fmt: skip

Scalar = str | int | float | bool | None
T = TypeVar("T")


class StoreError(Refused):
    """Something about the store; the text is a sentence for the operator."""


class StoreRefused(StoreError):
    """The store is not opened, because what it would hold afterwards could not be trusted."""


class StoreConflict(StoreError):
    """Another observation of the same target and location already stands at that millisecond."""


class StoreFull(StoreError):
    """The write was given up: it could not be made, and there was no more room to let it wait."""


class Series(NamedTuple):
    """Who is observed, and from where."""

    target: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One observation with all that is kept about it."""

    at: int
    """When the probe started, ms."""
    target: str
    location: str
    scheduled: bool
    """False for an extra probe that follows a failure."""
    outcome: str
    """A name of contract arithmetic §1."""
    duration_ms: int
    code: int | None = None
    """What the protocol answered: HTTP status, SMTP reply, SMPP command_status."""
    detail: str = ""
    """A sentence about what happened."""
    phases: Mapping[str, float] = field(default_factory=dict)
    """Name to duration in ms, in order; kept to 10 µs."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able: peer, tls_version, cert_not_after ... What stays the same from probe to probe costs nothing."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """What the provider calls the exchange: request id, queue id, message id."""
    probe_id: str = ""
    """What the probe called itself; costs nothing where it is `derive_probe_id(target, location, at)`."""
    evidence: bytes | None = None
    """zlib of the canonical JSON of a failed result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Slots of one target and location in which no probe was made, and why."""

    target: str
    location: str
    start: int
    """The first missed slot, ms."""
    end: int
    """The first slot that was kept again, ms (exclusive)."""
    slots: int
    """How many scheduled probes were missed."""
    reason: str
    """One word: `not_running`, `loop_stalled`, `clock_stepped_forward`, `suspended`, `overrun`, `store_full` ..."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a person or the monitor stated. Never changed: a correction is a new event naming the old one."""

    kind: str
    at: int
    """The time spoken of, ms."""
    data: Mapping[str, Any] = field(default_factory=dict)
    corrects: str | None = None
    """The id of the event that this one replaces or withdraws."""
    entered_at: int = 0
    """The time of entry, ms; set by the writer."""
    source: str = "monitor"
    """Who entered it: `monitor`, `cli`, `api:<token name>`, `feed:<name>`, `csv:<file>` ..."""
    id: str = ""
    """Unique and sorting by time of entry; set by the writer where empty."""


class Evidence(NamedTuple):
    """What was kept of a failed probe."""

    target: str
    location: str
    at: int
    blob: bytes
    """zlib of canonical JSON."""


class Span(NamedTuple):
    """First and last instant of something, both inclusive, ms."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterState:
    """How the writing goes; every number is since the store was opened."""

    queued: int
    """Writes that wait for their commit."""
    committed: int
    """Observations made durable."""
    commits: int
    last_commit_at: int | None
    """Wall clock, ms."""
    last_commit_s: float
    """How long the last commit took."""
    failing_since: int | None
    """Wall clock, ms; None while writing works."""
    last_error: str | None
    dropped: int
    """Observations given up for want of room."""
    unaccounted: int
    """Those of them that no gap accounts for yet, because writing has not worked since."""


class Writer(Protocol):
    """Given to the daemon and to commands that record something. Callable from any thread with a loop."""

    @property
    def state(self) -> WriterState:
        """A snapshot, cheap."""

    def put_row(self, row: Row) -> asyncio.Future[None]:
        """Resolved when durable. Raises StoreConflict, or StoreFull where the row had to be dropped."""

    def put_gap(self, gap: Gap) -> asyncio.Future[None]:
        """Resolved when durable. The same gap given twice is one."""

    def put_event(self, event: Event) -> asyncio.Future[Event]:
        """Resolved when durable, with the event as kept: id and time of entry filled in."""

    def enter(self, event: Event, *, timeout_s: float = 10.0) -> Event:
        """The same for code without an event loop (commands): returns when durable, raises StoreError."""

    def on_commit(self, tell: Callable[[Sequence[Row], Sequence[Gap], Sequence[Event]], None]) -> None:
        """Have `tell` called, in the writer's thread, with each committed batch before its futures are resolved."""


class Reader(Protocol):
    """Given to everybody who only looks. Blocking: in an event loop, `await store.run(reader.rows, ...)`."""

    def series(self) -> list[Series]:
        """Every target and location that has an observation or a gap."""

    def observations(
        self, start: int, end: int, *, targets: Sequence[str] | None = None, location: str | None = None
    ) -> list[Observation]:
        """For the arithmetic: ordered by target, location, time."""

    def columns(
        self, start: int, end: int, *, targets: Sequence[str] | None = None, location: str | None = None
    ) -> Observations:
        """The same as columns, ten times as fast."""

    def neighbours(self, target: str, location: str, at: int, *, count: int = 1) -> tuple[list[Row], list[Row]]:
        """The `count` rows before `at` and those after it, each in order of time."""

    def rows(
        self,
        start: int,
        end: int,
        *,
        targets: Sequence[str] | None = None,
        location: str | None = None,
        outcomes: Sequence[str] | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        with_evidence: bool = False,
    ) -> list[Row]:
        """With all that is kept, ordered by time (then target, location)."""

    def last_row(self, target: str, location: str) -> Row | None:
        """The newest."""

    def gaps(
        self, start: int, end: int, *, targets: Sequence[str] | None = None, location: str | None = None
    ) -> list[Gap]:
        """Those that touch [start, end), ordered by start."""

    def events(
        self,
        start: int | None = None,
        end: int | None = None,
        *,
        kinds: Sequence[str] | None = None,
        entered_from: int | None = None,
        entered_until: int | None = None,
        after_id: str | None = None,
    ) -> list[Event]:
        """By the time spoken of and/or the time of entry; ordered by entry."""

    def event(self, id: str) -> Event | None:
        """One event."""

    def evidence(self, target: str, location: str, at: int) -> Evidence | None:
        """What was kept of one failed probe."""

    def counts(
        self, start: int, end: int, *, targets: Sequence[str] | None = None
    ) -> dict[tuple[str, str, bool, str], int]:
        """(target, location, scheduled, outcome) to the number of observations."""

    def span(self) -> Span | None:
        """First and last observation of all; None in an empty store."""

    def version(self, start: int | None = None, end: int | None = None) -> str:
        """Changes whenever something was added that may change a judgement of [start, end): the key of every cache."""

    def events_version(self) -> str:
        """Changes whenever an event was added; cheap."""

    def removed(self, start: int, end: int, *, targets: Sequence[str]) -> dict[tuple[str, str, str], str]:
        """(target, location, UTC day) whose observations were removed, to the bundle that holds them."""

    def size_bytes(self) -> int:
        """The database on disk, with its write-ahead log."""


def derive_probe_id(target: str, location: str, at: int) -> str:
    """Sixteen hex digits that name one probe; whoever has the row can compute it, so the store need not keep it."""
    return hashlib.sha256(f"{target}\n{location}\n{at}".encode()).hexdigest()[:16]


def open_store(
    path: str | Path,
    location: str,
    clock: Clock,
    *,
    daemon: bool = False,
    create: bool = True,
    queue_rows: int = 100_000,
) -> SqliteStore:
    """Open the database of a location.

    With `daemon` it is held against every other daemon, and its clock is checked; without, it may be read, and events
    may be entered, beside a running one. `queue_rows` bounds what waits in memory while nothing can be written.

    Raises StoreRefused: the clock stands behind the last row, the database is another location's, another daemon
    holds it, it is of a newer slaproof, it is no database of slaproof, or (without `create`) there is none.
    """
    from monitor.store.sqlite import SqliteStore

    return SqliteStore.open(Path(path), location, clock, daemon=daemon, create=create, queue_rows=queue_rows)
