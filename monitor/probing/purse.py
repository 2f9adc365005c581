"""The daily budget of probes that cost money: never exceeded, whatever happens to the daemon.

Each such probe is recorded as an event ``spend`` before it is made. A death between the two costs a message that was
not sent; the other way round, one too many could be sent.
"""

from __future__ import annotations

import asyncio
import logging

from monitor.store import Event, Reader, StoreError, Writer

log = logging.getLogger(__name__)

DAY_MS = 86_400_000


class Purse:
    """Counts what was spent today (UTC), from the store after a start."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._day = -1
        self._spent: dict[str, int] = {}
        self._lock = asyncio.Lock()

    async def spend(self, target: str, at: int, budget: int) -> bool:
        """Take one from the target's budget of the day of ``at``, durably; False where nothing is left.

        False too where it cannot be recorded: what is not written down could be spent twice.
        """
        async with self._lock:
            day = at // DAY_MS
            if day != self._day:
                loop = asyncio.get_running_loop()
                self._spent = await loop.run_in_executor(None, self._read, day)
                self._day = day
            if self._spent.get(target, 0) >= budget:
                return False
            try:
                await self._writer.put_event(Event(kind="spend", at=at, data={"target": target}))
            except StoreError as error:
                log.error("a probe that costs money was not made", extra={"target": target, "why": str(error)})
                return False
            self._spent[target] = self._spent.get(target, 0) + 1
            return True

    def _read(self, day: int) -> dict[str, int]:
        spent: dict[str, int] = {}
        for event in self._reader.events(day * DAY_MS, (day + 1) * DAY_MS, kinds=["spend"]):
            name = str(event.data.get("target"))
            spent[name] = spent.get(name, 0) + 1
        return spent
