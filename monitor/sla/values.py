"""What goes into the arithmetic: observations, events, targets. Instants are milliseconds UTC since the epoch.

Every interval is half-open, [start, end). See docs/arithmetic.md; sections are cited as "arithmetic §N".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

OUTCOMES: Mapping[str, str | None] = {
    "ok": None,
    "timeout": "provider",
    "connect_timeout": "provider",
    "refused": "provider",
    "reset": "provider",
    "tls": "provider",
    "dns": "provider",
    "server_error": "provider",
    "wrong_answer": "provider",
    "protocol": "provider",
    "undelivered": "provider",
    "listed": "provider",
    "rejected": "customer",
    "throttled": "customer",
    "network": "network",
    "local": "monitor",
    "offline": "monitor",
}
"""Each outcome and whose fault it is (arithmetic §1); ``ok`` is nobody's."""

OUTCOME_CODES: Mapping[str, int] = {name: code for code, name in enumerate(OUTCOMES)}
"""A small number for each outcome, for columns of bytes. Not a stored format."""

OUTCOME_NAMES: tuple[str, ...] = tuple(OUTCOMES)

PROVIDER_OUTCOMES: frozenset[str] = frozenset(name for name, fault in OUTCOMES.items() if fault == "provider")

MILESTONES: tuple[str, ...] = ("acted", "responded", "resolved")
MAINTENANCE_KINDS: tuple[str, ...] = ("scheduled", "emergency")


class Observation(NamedTuple):
    """One probe of one target from one location (arithmetic §1)."""

    at: int
    """When the probe started."""
    target: str
    location: str
    scheduled: bool
    """True for a probe on the target's interval, False for an extra probe sent to follow a failure."""
    outcome: str
    """A key of OUTCOMES."""
    duration_ms: int = 0
    """How long it took; 0 where unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A maintenance window of the provider's (arithmetic §4)."""

    start: int
    end: int
    announced: int | None = None
    """When the provider announced it; None where nobody knows."""
    kind: str = "scheduled"
    """``scheduled`` or ``emergency``."""
    services: tuple[str, ...] = ()
    """The services it touches; none named: all."""
    id: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A span that a person entered, with the reason for which it should not count (arithmetic §4)."""

    start: int
    end: int
    reason: str
    services: tuple[str, ...] = ()
    id: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The customer told the provider of an outage (arithmetic §4, ``counts_from: report``)."""

    at: int
    services: tuple[str, ...] = ()
    id: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A request to the provider's support (arithmetic §7)."""

    id: str
    opened: int
    severity: str
    channel: str | None = None
    plan: str | None = None
    """The customer's plan for this ticket; None: the configuration's."""
    reached: Mapping[str, int] = field(default_factory=dict)
    """Milestone (``acted``, ``responded``, ``resolved``) to the instant at which it was reached."""
    waiting: tuple[tuple[int, int | None], ...] = ()
    """Spans in which the provider waited for the customer; an end of None: waiting still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Everything that people know and a probe cannot see."""

    maintenance: tuple[Maintenance, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    reports: tuple[Report, ...] = ()
    tickets: tuple[Ticket, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """What the arithmetic must know of a target."""

    name: str
    service: str
    """The service of the contract that it watches."""
    interval_ms: int
    stale_after_ms: int | None = None
    """How long an observation's state may hold; None: twice the interval."""

    @property
    def hold_ms(self) -> int:
        """How long an observation's state holds without another: never less than one interval (arithmetic §2)."""
        if self.stale_after_ms is None:
            return 2 * self.interval_ms
        return max(self.stale_after_ms, self.interval_ms)
