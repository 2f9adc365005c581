"""What the pages and the API are given, and nothing more: readers, the judgement, and three narrow ways to act."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from monitor.clock import Clock
from monitor.judgement.judge import Judge, NotKept
from monitor.sla import period as periods
from monitor.sla.contract import Terms
from monitor.sla.evaluation import Evaluation
from monitor.sla.instants import DAY_MS
from monitor.store import Event, Reader
from monitor.web.settings import WebSettings

T = TypeVar("T")


class Target(Protocol):
    """One thing that is watched, as the configuration names it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def contract(self) -> str | None: ...
    @property
    def service(self) -> str | None: ...
    @property
    def interval_ms(self) -> int: ...
    @property
    def timeout_ms(self) -> int: ...
    @property
    def stale_after_ms(self) -> int | None: ...


class Missing(KeyError):
    """What was asked for is not there; its text says what, and is shown."""

    def __str__(self) -> str:
        return str(self.args[0])


class Settled(Protocol):
    """The part of the configuration that is read here."""

    @property
    def location(self) -> str: ...
    @property
    def contracts(self) -> Mapping[str, Any]: ...
    @property
    def targets(self) -> Sequence[Target]: ...
    @property
    def hash(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom a token was made for."""

    name: str
    scopes: frozenset[str]


class Tokens(Protocol):
    """Finds the owner of a token."""

    def find(self, secret: str) -> Caller | None:
        """Whose token this is; None where it is unknown, over or revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A statement that was made and kept."""

    contract: str
    period: str
    revision: int
    made_at: int
    sha256: str
    size: int
    language: str
    path: Path
    note: str = ""


class Proofs(Protocol):
    """The statements that were made."""

    def all(self) -> list[Proof]:
        """Newest period first, then by contract, newest revision first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The newest checkpoint of the ledger."""

    at: int
    day: str
    size: int
    """Entries in the ledger."""
    note: str
    """The signed checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the monitor itself is; what is not known is None."""

    started_at: int | None = None
    queued: int | None = None
    failing_since: int | None = None
    last_error: str | None = None
    last_commit_at: int | None = None
    dropped: int | None = None
    lateness_p50_ms: float | None = None
    lateness_p99_ms: float | None = None
    running: int | None = None
    clock_offset_ms: float | None = None
    clock_synchronised: bool | None = None
    online: bool | None = None
    offline_since: int | None = None
    reload_ok: bool | None = None
    reloaded_at: int | None = None


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(function, *arguments)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Everything that pages and API read from."""

    config: Callable[[], Settled]
    """The configuration in force; another one after a reload."""
    settings: Callable[[], WebSettings]
    reader: Reader
    judge: Judge
    clock: Clock
    health: Callable[[], Health] = Health
    tokens: Tokens | None = None
    proofs: Proofs | None = None
    seal: Callable[[], Seal | None] = lambda: None
    enter: Callable[[Event], Awaitable[Event]] | None = None
    """Records an event that a person stated; None where this process only reads."""
    reload: Callable[[], Awaitable[str | None]] | None = None
    """Reads the configuration anew; the sentence that says why not, or None."""
    metrics: Callable[[str], tuple[bytes, str]] | None = None
    """The metrics for an Accept header: the bytes and their type."""
    trouble: Callable[[], str | None] = lambda: None
    """What is wrong with the monitor, in a sentence; None while it works."""
    not_ready: Callable[[], str | None] = lambda: None
    """Why no probes go out yet, in a sentence; None once they do."""
    verifier: Callable[[], str] | None = None
    """The page that verifies a statement in the browser."""
    closing: Callable[[], None] = lambda: None
    """Lets go of what was opened for these pages alone."""
    run: Callable[..., Awaitable[Any]] = field(default=_in_thread)
    """Calls something that blocks, outside the event loop."""

    def terms(self) -> list[Terms]:
        """The contracts, in the configuration's order."""
        return [entry.terms for entry in self.config().contracts.values()]

    def contract(self, name: str) -> Terms:
        """One contract. Raises Missing."""
        found = self.config().contracts.get(name)
        if found is None:
            raise Missing(f"There is no contract “{name}”.")
        terms: Terms = found.terms
        return terms

    def targets(self, contract: str, service: str | None = None) -> list[Target]:
        """The targets of a contract, or of one of its services."""
        return [t for t in self.config().targets if t.contract == contract and service in (None, t.service)]

    def period_at(self, contract: str, at: int) -> str:
        """The name of the contract's period in which an instant falls."""
        terms = self.contract(contract)
        return periods.containing(terms.contract.period, terms.contract.timezone, terms.billing_day, at)

    def bounds(self, contract: str, period: str) -> tuple[int, int]:
        """Start and real end of a contract's period. Raises PeriodError."""
        terms = self.contract(contract)
        return periods.bounds(terms.contract.period, terms.contract.timezone, terms.billing_day, period)

    def recent(self, contract: str, now: int, days: int = 90) -> list[Evaluation]:
        """The evaluations of the periods that the last days touch, oldest first, as far as they are kept."""
        found = []
        for name in self.judge.periods(contract, now - days * DAY_MS):
            try:
                found.append(self.judge.evaluate(contract, name))
            except NotKept:  # removed after it was exported: nothing is shown of it
                continue
        return found
