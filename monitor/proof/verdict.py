"""What a verification found: its steps in sentences, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GOOD, NOTE, BUT, BAD = "good", "note", "but", "bad"
VALID, VALID_BUT, INVALID = "VALID", "VALID BUT", "INVALID"

STEPS = {
    "file": "the file and its members",
    "signature": "the signature of the bundle",
    "key": "the key",
    "chain": "the chain of days",
    "timestamps": "the timestamps",
    "trees": "observations and events in their trees",
    "heartbeats": "the heartbeats",
    "received": "checkpoints that the reader had received",
    "balance": "expected slots = observations + gaps",
    "contract": "the contract",
    "evaluation": "the evaluation",
    "days": "the days of the period",
    "statement": "the pages of the statement",
}
"""The steps in their order, and what each looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was checked."""

    name: str
    """A key of STEPS."""
    state: str
    """``good``, ``note`` (good, and worth knowing), ``but`` (something is missing) or ``bad``."""
    text: str
    """A sentence."""
    place: str | None = None
    """Where; always named where the state is ``bad``."""


@dataclass(slots=True)
class Verdict:
    """All steps, in the order in which they were made."""

    steps: list[Step] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """What the bundle says it is: contract, period, revision, origin, sha256."""

    @property
    def status(self) -> str:
        """VALID, VALID BUT or INVALID."""
        states = {step.state for step in self.steps}
        return INVALID if BAD in states or not self.steps else VALID_BUT if BUT in states else VALID

    @property
    def exit_code(self) -> int:
        """0, 1 for INVALID, 2 for VALID BUT."""
        return {VALID: 0, INVALID: 1, VALID_BUT: 2}[self.status]

    def places(self) -> list[str]:
        """Where it is wrong."""
        return [step.place or step.name for step in self.steps if step.state == BAD]

    def of(self, name: str) -> list[Step]:
        """The findings of one step."""
        return [step for step in self.steps if step.name == name]
