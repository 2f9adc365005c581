"""The only reader of the clocks: wall, monotonic, boot time, and the sleep that belongs to them.

Everybody else takes a `Clock` in the constructor, so that a test puts `tests.fakes.FakeClock` in its place.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The time of this machine, in the three ways a monitor needs it."""

    def now_ms(self) -> int:
        """Wall clock: milliseconds UTC since the epoch, cut. May step both ways."""

    def monotonic(self) -> float:
        """Seconds since some moment, never stepping back; stands still while the machine is suspended."""

    def boottime(self) -> float:
        """As `monotonic`, but runs on while the machine is suspended: the difference of the two tells of a suspend."""

    async def sleep(self, seconds: float) -> None:
        """Wait so many monotonic seconds; zero or less only yields to the loop."""


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Wall clock: milliseconds UTC since the epoch, cut."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def boottime(self) -> float:
        """CLOCK_BOOTTIME in seconds; CLOCK_MONOTONIC where the system has no such clock."""
        return time.clock_gettime(_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(max(0.0, seconds))


_BOOTTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
