"""APScheduler as a trigger: on time, in batches, and awake again after the clock was set."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from monitor.clock import SystemClock
from monitor.probing.timer import SchedulerTimer, _Trigger

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def test_the_trigger_fires_when_something_is_due_and_never_before() -> None:
    """The next multiple of the width at or after the due time, and always later than now."""
    due: list[int | None] = [1_000_005]
    trigger = _Trigger(lambda: due[0], 60_000)
    assert trigger.get_next_fire_time(None, moment(999_000)) == moment(1_000_020)
    assert trigger.get_next_fire_time(None, moment(1_300_000)) == moment(1_300_001)
    due[0] = None
    assert trigger.get_next_fire_time(None, moment(1_000_000)) == moment(1_060_000)
    due[0] = 9_000_000  # it looks again within a minute, so that a clock set forward is not slept through
    assert trigger.get_next_fire_time(None, moment(1_000_000)) == moment(1_060_000)


async def test_everything_due_is_started_within_the_width() -> None:
    """Real time: each due instant is met, in its order and never early. (How late is a figure of `make bench`.)"""
    clock = SystemClock()
    start = clock.now_ms() + 50
    pending = [start + n * 35 for n in range(12)]
    late: list[int] = []
    done = asyncio.Event()

    def tick() -> None:
        now = clock.now_ms()
        while pending and pending[0] <= now:
            late.append(now - pending.pop(0))
        if not pending:
            done.set()

    timer = SchedulerTimer()
    timer.start(tick, lambda: pending[0] if pending else None)
    async with asyncio.timeout(60):
        await done.wait()
    timer.stop()
    assert len(late) == 12
    assert min(late) >= 0


async def test_poking_finds_what_became_due_earlier() -> None:
    """An extra probe that comes before the next slot is not slept through."""
    clock = SystemClock()
    due = [clock.now_ms() + 600_000]
    called: list[int] = []
    done = asyncio.Event()
    timer = SchedulerTimer()

    def tick() -> None:
        called.append(clock.now_ms())
        due[0] = clock.now_ms() + 600_000
        done.set()

    timer.start(tick, lambda: due[0])
    await asyncio.sleep(0.05)  # the timer has gone to sleep over the far one
    due[0] = clock.now_ms() + 40
    timer.poke()
    async with asyncio.timeout(40):  # before it would look by itself
        await done.wait()
    timer.stop()
    assert len(called) == 1
