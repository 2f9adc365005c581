"""What the checks of a bundle share: where they read, and how they tell what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from monitor.proof.keyring import Keyring
from monitor.proof.ledger import NOTHING_EARLIER
from monitor.proof.note import VerifierKey
from monitor.proof.proven import Proven
from monitor.proof.verdict import BAD

Say = Callable[..., None]
MOST = 12
"""So many findings of one step are told one by one."""


class Findings:
    """The findings of one bundle's checks."""

    def __init__(self, proven: Proven, ring: Keyring, say: Say) -> None:
        self.proven = proven
        self.ring = ring
        self._say = say
        self._told = 0
        self.notes: dict[int, tuple[str, VerifierKey | None]] = {}
        """For each entry its signed checkpoint, and who signed."""
        self.heads: dict[str, dict[int, bytes]] = {}
        """The roots of the log, and of the opened logs of heartbeats, by origin and size."""
        self.earlier = NOTHING_EARLIER
        """The chain of the contract's events in the entries so far."""

    def bad(self, name: str, text: str, place: str) -> None:
        """Something is wrong. Beyond MOST findings of a step only their number grows."""
        self._told += 1
        if self._told <= MOST:
            self._say(name, BAD, text, place)


def some(names: Iterable[str]) -> str:
    """The first of the names, and how many more there are."""
    listed = list(names) if not isinstance(names, set) else sorted(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
