"""What is recorded of the kernel's readings of its clock: few events that leave no reading out.

An event stands for all readings since the one before: how many they were, and the largest of each error. So it is an
upper bound for the time between, though the clock is read every half minute and an event is made every six hours.
"""

from __future__ import annotations

from typing import Any

from monitor.probing.adjtime import ClockState

EVENT_S = 6 * 3_600.0
"""How often the readings are summed up in an event, at the least."""


class ClockRecord:
    """Collects readings, and sums them up. Reads no clock itself."""

    def __init__(self) -> None:
        self._readings: list[ClockState] = []
        self._summed_at = float("-inf")
        self._synchronised: bool | None = None

    def read(self, state: ClockState, now_s: float) -> list[dict[str, Any]]:
        """Take one reading at a monotonic time; the data of the events that are due.

        One is due for the first reading and every six hours; where the kernel begins or ceases to be synchronised one
        for what was before, and one for the new.
        """
        changed = self._synchronised not in (None, state.synchronised)
        due = self.rest() if changed else []
        self._readings.append(state)
        self._synchronised = state.synchronised
        if changed or now_s - self._summed_at >= EVENT_S:
            self._summed_at = now_s
            due += self.rest()
        return due

    def rest(self) -> list[dict[str, Any]]:
        """The data of the event for the readings since the last one; none where there are none."""
        read, self._readings = self._readings, []
        if not read:
            return []
        worst = max(read, key=lambda one: abs(one.offset_s))
        return [
            {
                "readings": len(read),
                "offset_us": round(worst.offset_s * 1e6),
                "estimated_error_us": round(max(one.estimated_error_s for one in read) * 1e6),
                "max_error_us": round(max(one.max_error_s for one in read) * 1e6),
                "synchronised": read[-1].synchronised,
            }
        ]
