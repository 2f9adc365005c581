"""Stand-ins for the ports of the daemon."""

import asyncio
import heapq
import itertools


class FakeClock:
    """A clock that moves only when a test says so.

    `advance` moves all three clocks and wakes the sleepers in order of their time; `step` moves the wall clock alone,
    as a person or NTP does; `suspend` moves wall and boot time, as a closed lid does.
    """

    def __init__(self, now_ms: int = 1_790_812_800_000) -> None:  # 2026-10-01T00:00:00Z
        self._wall_ns = now_ms * 1_000_000
        self._mono_ns = 1_000_000_000_000
        self._boot_ns = 1_000_000_000_000
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._wall_ns // 1_000_000

    def monotonic(self) -> float:
        return self._mono_ns / 1e9

    def boottime(self) -> float:
        return self._boot_ns / 1e9

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._mono_ns + round(seconds * 1e9), next(self._order), future))
        await future

    @property
    def sleepers(self) -> int:
        """How many wait for this clock."""
        return sum(1 for _, _, future in self._sleepers if not future.done())

    def step(self, seconds: float) -> None:
        """Move the wall clock alone, forward or back."""
        self._wall_ns += round(seconds * 1e9)

    def set_ms(self, now_ms: int) -> None:
        """Put the wall clock alone at an instant."""
        self._wall_ns = now_ms * 1_000_000

    def suspend(self, seconds: float) -> None:
        """Wall clock and boot time run on, the monotonic clock stands still."""
        self._wall_ns += round(seconds * 1e9)
        self._boot_ns += round(seconds * 1e9)

    def tick(self, seconds: float) -> None:
        """Move all clocks at once without letting the loop run: what a stalled loop sees."""
        ns = round(seconds * 1e9)
        self._wall_ns += ns
        self._mono_ns += ns
        self._boot_ns += ns

    async def advance(self, seconds: float) -> None:
        """Move all clocks and let everybody whose sleep ends on the way run at their own instant."""
        await settle()
        end = self._mono_ns + round(seconds * 1e9)
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self.tick((max(due, self._mono_ns) - self._mono_ns) / 1e9)
            future.set_result(None)
            await settle()
        self.tick((end - self._mono_ns) / 1e9)
        await settle()


async def settle(turns: int = 20) -> None:
    """Let everything that can run without time passing run."""
    for _ in range(turns):
        await asyncio.sleep(0)
