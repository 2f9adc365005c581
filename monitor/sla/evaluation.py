"""What comes out of the arithmetic: the answer, and what a report, a letter or a page shows of the way to it.

Instants and lengths are integer milliseconds; ratios are Fractions; money and percentages are Decimals. ``answer()``
gives the plain JSON value of arithmetic §9; everything else here is detail that adds up to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monitor.durations import say_duration
from monitor.sla.contract import Rule, Terms, Tier
from monitor.sla.instants import write_instant
from monitor.sla.period import Period
from monitor.sla.values import Ticket

Interval = tuple[int, int]
State = tuple[int, int, str]
"""Start, end and ``up``, ``down`` or ``unknown``."""


def amount_text(unit: str, value: int) -> str:
    """A counted value in its unit: ``12 checks`` where checks are counted, else a length of time."""
    return f"{value:,} check{'' if value == 1 else 's'}" if unit == "check" else say_duration(value)


WHYS = {
    "excluded": "left out",
    "kind_counted": "counts: the contract counts this kind of maintenance",
    "late": "counts: announced too late",
    "unannounced": "counts: no announcement is known, and the contract asks for notice",
    "always_counted": "counts: maintenance never excuses this service",
    "reason_not_accepted": "counts: the contract does not accept this reason",
}
"""Why a window or an exclusion is left out or counts: the codes of Excuse.why, and what they say in English."""


def cut(ratio: Fraction, digits: int = 14) -> str:
    """Write a ratio with ``digits`` decimals, cut and never rounded up."""
    scaled = ratio.numerator * 10**digits // ratio.denominator
    whole, rest = divmod(scaled, 10**digits)
    return f"{whole}.{rest:0{digits}d}"


def percent_text(ratio: Fraction, digits: int = 4) -> str:
    """Write a ratio as a percentage for a person, cut: 0.9998999… is ``99.9899 %`` and never ``99.99 %``."""
    return cut(ratio * 100, digits) + " %"


def plain(number: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros: ``10``, ``2.5``."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One observation of a counted outcome."""

    at: int
    target: str
    location: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A maximal down interval of a service, within the period and before exclusions (arithmetic §9)."""

    start: int
    end: int
    whole_start: int
    """Where it began, whatever the period."""
    whole_end: int
    """Where it ended, whatever the period, as far as observations go."""
    counted_ms: int
    """What of it is counted, before rounding."""
    counted_checks: int | None
    """How many of the checks that are counted lie in it, where the unit is ``check``; None in any other."""
    pieces: tuple[Interval, ...]
    """The counted pieces of it, in order."""
    outcome: str | None
    """The earliest counted outcome observed in it; None where none was."""
    claim_by: int | None
    first: Failure | None
    """The first failing observation in it, and the last."""
    last: Failure | None
    failures: int
    """How many observations in it failed with a counted outcome."""
    reported: int | None
    """The first report made within it, None without one (arithmetic §4, ``counts_from: report``)."""

    @property
    def counted(self) -> int:
        """What of it is counted, in the unit of its service's result."""
        return self.counted_ms if self.counted_checks is None else self.counted_checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """A maintenance window or an exclusion in the period, and what the contract makes of it for the service."""

    start: int
    end: int
    source: str
    """``maintenance`` or ``exclusion``."""
    what: str
    """The maintenance's kind, or the exclusion's reason."""
    applied: bool
    """True: left out. False: it counts."""
    why: str
    """A key of WHYS."""
    announced: int | None = None
    event_id: str | None = None
    note: str | None = None
    down_ms: int = 0
    """The service's down time within it and the period, whether left out or not."""

    @property
    def text(self) -> str:
        """Say in English why."""
        return WHYS[self.why]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may fail before the target is missed, in the service's unit (ms, or checks)."""

    allowed: Fraction
    """(1 - target) of what counts is out of."""
    used: int
    """What was counted."""

    @property
    def left(self) -> Fraction:
        """What may still fail; below 0 where the target is missed."""
        return self.allowed - self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResult:
    """One service in the period."""

    service: str
    target: Fraction | None
    target_text: str | None
    unit: str
    availability: Fraction | None
    worst_case: Fraction | None
    coverage: Fraction | None
    counted: int
    """Milliseconds, or checks where the unit is ``check``; so out_of and unknown."""
    out_of: int
    unknown: int
    excluded_ms: int
    """Down time that was left out."""
    verdict: str
    """``breached``, ``met``, ``unproven`` or ``no_target``."""
    outages: tuple[Outage, ...]
    states: tuple[State, ...]
    """The whole period, to ``to``, without holes: neighbours differ."""
    left_out: tuple[Interval, ...]
    """The union of the applied windows within the period."""
    excuses: tuple[Excuse, ...]
    """Every window and exclusion that touches the service within the period, applied or not."""
    pieces: tuple[Interval, ...]
    """The counted pieces on the timeline, for every unit (arithmetic §4)."""
    unknown_spans: tuple[Interval, ...]
    """Time in which the service is unknown and that is not left out."""
    not_left_out_ms: int
    budget: Budget | None
    """None without a target."""
    checks_up: int | None = None
    """Only where the unit is ``check``: scheduled observations outside what is left out; so checks_expected."""
    checks_expected: int | None = None

    def answer(self) -> dict[str, Any]:
        """Give the service's part of the answer."""
        return {
            "service": self.service,
            "target": self.target_text,
            "unit": self.unit,
            "availability": _ratio(self.availability),
            "worst_case": _ratio(self.worst_case),
            "coverage": _ratio(self.coverage),
            "counted": self.counted,
            "out_of": self.out_of,
            "unknown": self.unknown,
            "excluded_ms": self.excluded_ms,
            "verdict": self.verdict,
            "outages": [
                {
                    "start": write_instant(outage.start),
                    "end": write_instant(outage.end),
                    "counted_ms": outage.counted_ms,
                    "outcome": outage.outcome,
                    "claim_by": _instant(outage.claim_by),
                }
                for outage in self.outages
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditResult:
    """The credit and the steps to it (arithmetic §6)."""

    counted: int
    """Counted milliseconds of the union of the services, rounded as the contract's unit rounds."""
    out_of: int
    """The union's denominator."""
    percent: Decimal
    """After the cap."""
    amount: Decimal | None
    currency: str | None
    claim_by: int | None
    pieces: tuple[Interval, ...]
    """The union's counted pieces."""
    counted_exact: int
    """Counted before rounding."""
    availability: Fraction | None
    """The union's availability, what is unknown and what is to come taken as up."""
    tier: Tier | None
    """The tier that matched, with ``tiers``."""
    allowance_ms: Fraction
    """With ``blocks``: what is allowed before the first block; else 0."""
    beyond_ms: Fraction
    """Counted time beyond the allowance."""
    blocks: int
    """Blocks that count."""
    percent_before_cap: Decimal
    fee: Decimal | None
    amount_before_cap: Decimal | None
    """fee x percentage, rounded half up to the cent."""

    def answer(self) -> dict[str, Any]:
        """Give the credit's part of the answer."""
        return {
            "counted": self.counted,
            "out_of": self.out_of,
            "percent": plain(self.percent),
            "amount": None if self.amount is None else format(self.amount, "f"),
            "currency": self.currency,
            "claim_by": _instant(self.claim_by),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketResult:
    """One ticket under one rule (arithmetic §7)."""

    ticket: Ticket
    rule: Rule
    starts: int | None
    """When the ticket's time began to run."""
    due: int | None
    """None only where the clock's calendar never gives the time."""
    reached: int | None
    verdict: str
    """``met``, ``breached`` or ``pending``."""
    otherwise: bool = False
    """True: judged by this rule because it came by a channel that its own severity's rule does not take."""

    def answer(self) -> dict[str, Any]:
        """Give the ticket's line of the answer."""
        return {
            "id": self.ticket.id,
            "rule": self.rule.name,
            "milestone": self.rule.milestone,
            "due": _instant(self.due),
            "reached": _instant(self.reached),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A contract in a period."""

    terms: Terms
    period: Period
    services: tuple[ServiceResult, ...]
    credit: CreditResult | None
    tickets: tuple[TicketResult, ...]
    holidays: str | None = None
    """The version of the holidays package, where a calendar of the contract has holidays."""

    def service(self, name: str) -> ServiceResult:
        """Give the service of that name; KeyError if there is none."""
        for service in self.services:
            if service.service == name:
                return service
        raise KeyError(name)

    def answer(self) -> dict[str, Any]:
        """Give the JSON value of arithmetic §9."""
        return {
            "contract": self.terms.name,
            "period": {
                "name": self.period.name,
                "start": write_instant(self.period.start),
                "end": write_instant(self.period.end),
                "to": write_instant(self.period.to),
                "complete": self.period.complete,
            },
            "services": [service.answer() for service in self.services],
            "credit": None if self.credit is None else self.credit.answer(),
            "tickets": [ticket.answer() for ticket in self.tickets],
        }


def _ratio(ratio: Fraction | None) -> str | None:
    return None if ratio is None else cut(ratio)


def _instant(at: int | None) -> str | None:
    return None if at is None else write_instant(at)
