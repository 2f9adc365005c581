"""What a contract says, as values (arithmetic §8). ``monitor.sla.reading`` makes them from the text of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from monitor.sla.values import PROVIDER_OUTCOMES

UNITS = ("time", "minute", "second", "check")
PERIODS = ("calendar_month", "billing_month")
QUORUMS = ("majority", "all", "any")
LANGUAGES = ("en", "de", "sv", "es")
ALWAYS = "always"
"""The calendar without end, with a window each day in UTC (arithmetic §7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that the contract promises."""

    name: str
    target: Fraction | None = None
    """The availability promised, of 1; None where the contract names none."""
    target_text: str | None = None
    """The same as the contract writes it: ``100%``."""
    down_when: str | None = None
    """With several targets: ``any`` of them down, or ``all``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How counted time becomes whole minutes (arithmetic §4)."""

    mode: str = "nearest"
    """``nearest`` (a half goes up), ``up`` or ``down``."""
    apply: str = "total"
    """``total``: the sum is rounded; ``each``: every counted piece alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """How availability is measured (arithmetic §2 and §4)."""

    unit: str = "time"
    denominator: str = "elapsed"
    """``elapsed``, ``elapsed_minus_excluded`` or ``fixed``."""
    fixed_ms: int | None = None
    """The fixed length, where the denominator is ``fixed``."""
    denominator_text: str = "elapsed"
    """The denominator as the contract writes it: ``30d``."""
    round: Rounding = field(default_factory=Rounding)
    confirm: int = 1
    """How many consecutive down observations make a run that counts."""
    quorum: str | int = "majority"
    """``majority``, ``all``, ``any`` or a number of locations."""
    counts_from: str = "outage"
    """``outage`` or ``report``."""
    counted_outcomes: frozenset[str] = PROVIDER_OUTCOMES

    @property
    def needs_report(self) -> bool:
        """Whether a service's count begins with the report: in seconds and checks it plays no part (arithmetic §4)."""
        return self.counts_from == "report" and self.unit in ("time", "minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceTerms:
    """Which maintenance is left out (arithmetic §4)."""

    scheduled: str = "counted"
    emergency: str = "counted"
    notice_ms: int | None = None
    """How long before its start a scheduled window must have been announced; None: no notice is asked."""
    always_counted: tuple[str, ...] = ()
    """Services that maintenance never excuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Below this availability, this credit."""

    below: Fraction
    below_text: str
    credit: Decimal
    """Per cent of the fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A credit for each block of counted time."""

    each_ms: int
    credit: Decimal
    """Per cent of the fee for each block."""
    after: Fraction = Fraction(0)
    """The share of the denominator that is allowed first, of 1."""
    after_text: str = "0%"
    partial: bool = False
    """Whether a block that has begun counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What the provider owes (arithmetic §6): ``tiers`` or ``blocks``, and the caps."""

    tiers: tuple[Tier, ...] = ()
    blocks: Blocks | None = None
    cap_percent: Decimal = Decimal(100)
    cap_amount: Decimal | None = None
    cap_currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """By when a credit must be claimed (arithmetic §6)."""

    kind: str
    """``after_outage`` or ``next_calendar_month``."""
    after_ms: int | None = None
    """With ``after_outage``, how long after the outage's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A daily window of a calendar (arithmetic §7)."""

    timezone: str = "UTC"
    """An IANA name or an offset like ``+01:00``."""
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """Weekdays on which it begins, Monday is 0."""
    start_ms: int = 0
    """Local time of day at which it begins."""
    end_ms: int = 86_400_000
    """Local time of day at which it ends; not above start_ms: on the next day."""
    holidays: str | None = None
    """``DE``, ``DE-BY``, ``GB-ENG``: on that place's holidays no window begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The union of its windows."""

    name: str
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How soon a ticket must reach a milestone (arithmetic §7)."""

    name: str
    severity: str
    milestone: str
    clock: str
    """Name of the calendar whose time counts, or ``always``."""
    within_ms: int | None = None
    within_workdays: int | None = None
    """Exactly one of the two is set."""
    within_text: str = ""
    accepts: str | None = None
    """Name of the calendar in which a ticket may start; None: the clock."""
    plan: str | None = None
    channels: tuple[str, ...] = ()
    otherwise: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A whole contract."""

    name: str
    title: str | None = None
    source: str | None = None
    """The text that the contract was read from."""
    language: str = "en"
    """The language in which letters to this provider are written: en, de, sv or es."""
    clauses: Mapping[str, str] = field(default_factory=dict)
    """Where in the text each part stands, for statements and letters: ``credit: "3.3"``. Keys: monitor.sla.reading."""
    timezone: str = "UTC"
    period: str = "calendar_month"
    billing_day: int | None = None
    """Here where the contract itself fixes it; the configuration's goes first."""
    services: tuple[Service, ...] = ()
    availability: Availability = field(default_factory=Availability)
    maintenance: MaintenanceTerms = field(default_factory=MaintenanceTerms)
    exclusions: tuple[str, ...] = ()
    """The reasons that the contract accepts."""
    credit: Credit | None = None
    claim: Claim | None = None
    calendars: tuple[Calendar, ...] = ()
    rules: tuple[Rule, ...] = ()

    def service(self, name: str) -> Service:
        """Give the service of that name; KeyError if there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A contract as one customer has it: the text's terms with the fee, the billing day and the plan."""

    name: str
    """The contract's name in the configuration."""
    contract: Contract
    fee: Decimal | None = None
    """The fee of one period."""
    currency: str | None = None
    """The fee's currency, None with no fee."""
    billing_day: int = 1
    plan: str | None = None
