import asyncio
import time

import pytest

from monitor.clock import SystemClock
from monitor.times import iso, parse, short, span
from tests.fakes import FakeClock


async def test_system_clock_agrees_with_the_machine():
    """The wall clock is milliseconds since the epoch, cut; the other two never step back."""
    clock = SystemClock()
    earlier, now, later = time.time_ns(), clock.now_ms(), time.time_ns()
    assert earlier // 1_000_000 <= now <= later // 1_000_000
    before, boot = clock.monotonic(), clock.boottime()
    await clock.sleep(-1)
    assert clock.monotonic() >= before
    assert clock.boottime() >= boot >= before - 1


async def test_fake_clock_wakes_sleepers_in_order_at_their_instant():
    """Whoever sleeps wakes at its own instant, in order, however far the clock is moved at once."""
    clock, seen = FakeClock(), []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.now_ms() - 1_790_812_800_000))

    tasks = [asyncio.create_task(sleeper("late", 5)), asyncio.create_task(sleeper("early", 2.5))]
    await clock.advance(1)
    assert seen == []
    await clock.advance(10)
    assert seen == [("early", 2500), ("late", 5000)]
    await asyncio.gather(*tasks)


async def test_fake_clock_steps_and_suspends():
    """A step moves the wall clock alone; a suspend leaves the monotonic clock where it was."""
    clock = FakeClock(0)
    clock.step(-10)
    assert (clock.now_ms(), clock.monotonic(), clock.boottime()) == (-10_000, 1000.0, 1000.0)
    clock.suspend(60)
    assert (clock.now_ms(), clock.monotonic(), clock.boottime()) == (50_000, 1000.0, 1060.0)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01", 0),
        ("1970-01-01 00:01", 60_000),
        ("2026-10-01T00:00:00.123456Z", 1_790_812_800_123),
        ("2026-10-01T02:00:00.5+02:00", 1_790_812_800_500),
    ],
)
def test_parse_reads_rfc_3339(text, ms):
    """An instant is read to the millisecond, digits beyond it are cut, and the offset is honoured."""
    assert parse(text) == ms
    assert parse(iso(ms)) == ms


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-10-01T25:00:00Z", "2026-10-01T00:00:00+1"])
def test_parse_refuses_with_a_sentence(text):
    """What is no instant is refused, and the sentence quotes it."""
    with pytest.raises(ValueError, match="is no time"):
        parse(text)


def test_times_for_people():
    """Instants are cut to the second, lengths are exact."""
    assert short(1_790_812_800_999) == "2026-10-01 00:00:00"
    assert [span(ms) for ms in (0, 250, 1000, 130_000, 90_061_000, -5000)] == [
        "0 s", "0.250 s", "1 s", "2 min 10 s", "1 d 1 h 1 min 1 s", "-5 s"]  # fmt: skip
