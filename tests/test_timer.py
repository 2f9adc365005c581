"""APScheduler as a trigger: on time, in batches, and awake again after the clock was set."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from monitor.clock import SystemClock
from monitor.timer import WIDTH_MS, SchedulerTimer, _Trigger

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
    """Real time: each due instant is met within the batch's width and a little."""
    clock = SystemClock()
    start = clock.now_ms() + 50
    pending = [start + n * 35 for n in range(12)]
    late: list[int] = []

    def tick() -> None:
        now = clock.now_ms()
        while pending and pending[0] <= now:
            late.append(now - pending.pop(0))

    timer = SchedulerTimer()
    timer.start(tick, lambda: pending[0] if pending else None)
    await asyncio.sleep(0.7)
    timer.stop()
    assert len(late) == 12
    assert sorted(late)[6] <= WIDTH_MS + 15


async def test_poking_finds_what_became_due_earlier() -> None:
    """An extra probe that comes before the next slot is not slept through."""
    clock = SystemClock()
    due = [clock.now_ms() + 30_000]
    called: list[int] = []
    timer = SchedulerTimer()

    def tick() -> None:
        called.append(clock.now_ms())
        due[0] = clock.now_ms() + 30_000

    timer.start(tick, lambda: due[0])
    await asyncio.sleep(0.05)
    due[0] = clock.now_ms() + 40
    timer.poke()
    await asyncio.sleep(0.2)
    timer.stop()
    assert len(called) == 1
