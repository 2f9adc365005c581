"""What other people's clocks say of ours: the Date headers of the services that are probed anyway."""

from __future__ import annotations

from statistics import median

SUSPECT_MS = 60_000
"""From which offset on our clock is held to be wrong: certificates' dates prove nothing then."""
_FRESH_S = 3_600.0
_WITNESSES = 2
"""How many independent providers must agree: one of them may be wrong itself."""


class ForeignClocks:
    """The newest offset that each provider's clock gave, in ms (ours less theirs)."""

    def __init__(self) -> None:
        self._offsets: dict[str, tuple[float, int]] = {}

    def told(self, provider: str, offset_ms: int, now: float) -> None:
        """Notes what one provider's clock says; `now` in monotonic seconds."""
        self._offsets[provider] = (now, offset_ms)

    def offset_ms(self, now: float) -> int | None:
        """The median of what independent providers said within the last hour; None with too few of them."""
        fresh = [offset for at, offset in self._offsets.values() if now - at <= _FRESH_S]
        return round(median(fresh)) if len(fresh) >= _WITNESSES else None

    def suspect(self, now: float) -> bool:
        """Whether our own clock is held to be wrong."""
        offset = self.offset_ms(now)
        return offset is not None and abs(offset) >= SUSPECT_MS
