"""Looking at a database that a daemon writes, from another process: the judgement follows what is added."""

from __future__ import annotations

from monitor.clock import Clock
from monitor.judgement.judge import Judge, Settled
from monitor.judgement.standing import Standing
from monitor.store import Reader, Row

OVERLAP_MS = 60_000
"""How far behind the newest observation is looked for others: probes are recorded when they end, not as they start."""


class Follower:
    """A live judgement that is fed by looking, not by commits."""

    def __init__(self, reader: Reader, config: Settled, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._judge = Judge(reader, config, clock, live=True)
        self._newest = 0
        self._seen: dict[tuple[str, str, int], None] = {}

    def begin(self) -> None:
        """Read the running periods; blocks for a moment."""
        self._newest = self._clock.now_ms()
        self._seen = {(row.target, row.location, row.at): None for row in self._since()}
        self._judge.load()

    def look(self) -> Standing:
        """How everything stands now, with whatever was recorded since the last look."""
        fresh = [row for row in self._since() if (row.target, row.location, row.at) not in self._seen]
        self._judge.fed(fresh)
        self._newest = max([self._newest, *(row.at for row in fresh)])
        horizon = self._newest - 2 * OVERLAP_MS
        self._seen = {key: None for key in self._seen if key[2] >= horizon}
        self._seen.update({(row.target, row.location, row.at): None for row in fresh})
        standing = self._judge.current()
        assert standing is not None
        return standing

    def _since(self) -> list[Row]:
        return self._reader.rows(self._newest - OVERLAP_MS, 1 << 62)
