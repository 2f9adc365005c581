"""What wakes the schedule: APScheduler, one job for all targets.

APScheduler is a trigger here and nothing else. Its one job fires when the ledger says that something is due, in
steps of `WIDTH_MS`, and starts the whole batch: a job a target would cost more than the probe. When the wall clock
is set, `poke` has it look again: by itself it would sleep until the clock has come round.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

WIDTH_MS = 20
"""Probes due within so long are started together. Longer saves work; but probes started at once slow each other."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timer(Protocol):
    """Calls back whenever something is due."""

    def start(self, tick: Callable[[], None], next_due: Callable[[], int | None]) -> None:
        """Call ``tick`` from the running loop at each time that ``next_due`` (ms since the epoch) gives."""

    def poke(self) -> None:
        """Something earlier has become due, or the clock was set: look again."""

    def stop(self) -> None:
        """Call back no more."""


class _Trigger(BaseTrigger):  # type: ignore[misc]
    """Fires when the ledger has something due."""

    def __init__(self, next_due: Callable[[], int | None], idle_ms: int) -> None:
        self._next_due = next_due
        self._idle_ms = idle_ms

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The next multiple of the width at or after the next due time, always later than ``now``.

        It must be later: APScheduler asks for every run that it may have missed, one after the other, until the answer
        lies ahead. What was missed is the ledger's business.
        """
        now_ms = (now - _EPOCH) // timedelta(milliseconds=1)
        due = self._next_due()
        if due is None:
            due = now_ms + self._idle_ms
        due = -(-due // WIDTH_MS) * WIDTH_MS
        return _EPOCH + timedelta(milliseconds=min(max(due, now_ms + 1), now_ms + self._idle_ms))


class SchedulerTimer:
    """The timer of a running daemon, on APScheduler."""

    IDLE_MS = 60_000
    """It looks at least this often, whatever is due."""

    def __init__(self) -> None:
        self._scheduler: AsyncIOScheduler | None = None

    def start(self, tick: Callable[[], None], next_due: Callable[[], int | None]) -> None:
        """Start APScheduler on the running loop."""
        # DebugExecutor runs the job in place: no thread and no task for what only starts tasks of its own.
        self._scheduler = AsyncIOScheduler(timezone=UTC, executors={"default": DebugExecutor()})
        self._scheduler.add_job(
            tick,
            trigger=_Trigger(next_due, self.IDLE_MS),
            id="slots",
            coalesce=False,
            misfire_grace_time=None,
            max_instances=1,
        )
        self._scheduler.start()

    def poke(self) -> None:
        """Compute the next run anew, by the clock as it is now."""
        if self._scheduler is not None:
            job = self._scheduler.get_job("slots")
            if job is not None:
                now = datetime.now(UTC)
                wanted = job.trigger.get_next_fire_time(None, now)
                # Where it will wake in time anyway, as when many probes fail at once, nothing need be changed.
                if not now <= job.next_run_time <= wanted:
                    self._scheduler.modify_job("slots", next_run_time=wanted)

    def stop(self) -> None:
        """End APScheduler."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
