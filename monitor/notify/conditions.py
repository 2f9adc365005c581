"""What is wrong now: conditions, each with a key that stays the same as long as it lasts. Pure.

A condition says everything that a message needs: what happened, since when, what it costs, where to look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much it matters. What is critical goes out in quiet hours too."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


KINDS: Mapping[str, tuple[Severity, bool]] = {
    "outage": (Severity.CRITICAL, True),
    "budget_half": (Severity.WARNING, False),
    "budget_spent": (Severity.CRITICAL, False),
    "burn_fast": (Severity.CRITICAL, True),
    "burn_slow": (Severity.WARNING, True),
    "certificate": (Severity.WARNING, True),
    "claim_deadline": (Severity.WARNING, False),
    "ticket_due": (Severity.WARNING, False),
    "monitor_offline": (Severity.CRITICAL, True),
    "clock_wrong": (Severity.CRITICAL, True),
    "store_failing": (Severity.CRITICAL, True),
}
"""Each kind of message: how severe it is, and whether its end is told too."""

OF_THE_MONITOR = frozenset({"monitor_offline", "clock_wrong", "store_failing"})
"""Kinds that concern every contract, because nothing is seen while they last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is wrong now."""

    kind: str
    key: str
    """Unique to this occurrence, and the same each time it is looked at."""
    since: int
    """When it began, ms."""
    contract: str | None = None
    service: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the message says, as plain JSON values."""
    path: str = "/"
    """The page to look at."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values, for the outbox and the memory."""
        names = ("kind", "key", "since", "contract", "service", "path")
        return {name: getattr(self, name) for name in names} | {"facts": dict(self.facts)}

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return KINDS[self.kind][0]

    @property
    def has_end(self) -> bool:
        """Whether its end is worth a message."""
        return KINDS[self.kind][1]


# --- burn rates: multi-window, multi-burn-rate alerts as the SRE workbook describes them (chapter 5) ------------------

BURNS: tuple[tuple[str, str, str, int], ...] = (
    # kind, long window, short window, rate: the budget of 30 days would be gone in 2 days, in 5 days, in 10 days
    ("burn_fast", "1h", "5m", 14),
    ("burn_fast", "6h", "30m", 6),
    ("burn_slow", "3d", "6h", 1),
)
"""Which burn rates are told: both windows must burn at least so fast, so that what is over is not told again."""


def burning(rates: Mapping[str, float | None]) -> dict[str, tuple[str, float]]:
    """The burn conditions that hold, by kind, with the window and its rate; `rates` is window to burn rate."""
    found: dict[str, tuple[str, float]] = {}
    for kind, long, short, rate in BURNS:
        slow, fast = rates.get(long), rates.get(short)
        if slow is not None and fast is not None and slow >= rate and fast >= rate and kind not in found:
            found[kind] = (long, slow)
    return found
