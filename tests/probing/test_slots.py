"""The grid of slots: evenly spread, the same for everybody, and countable."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.probing.slots import count_slots, first_slot, offset_ms, slot_of

intervals = st.integers(1_000, 86_400_000)
instants = st.integers(0, 4_000_000_000_000)


def test_offset_is_written_in_stone() -> None:
    """A proof made today is checked with these numbers in ten years."""
    assert offset_ms("mail-api", 60_000) == 41_263
    assert offset_ms("relay", 60_000) == 57948


def test_offsets_spread_over_the_interval() -> None:
    """A thousand targets leave no second of the minute empty, and none crowded."""
    seconds = [0] * 60
    for n in range(6_000):
        seconds[offset_ms(f"target-{n}", 60_000) // 1000] += 1
    assert min(seconds) > 60
    assert max(seconds) < 150


@given(at=instants, interval=intervals, name=st.text(min_size=1, max_size=20))
def test_slot_of_an_observation_is_the_last_at_or_before_it(at: int, interval: int, name: str) -> None:
    """A slot holds until the next one."""
    offset = offset_ms(name, interval)
    slot = slot_of(at, interval, offset)
    assert slot <= at < slot + interval
    assert first_slot(slot, interval, offset) == slot
    assert first_slot(slot + 1, interval, offset) == slot + interval


@given(start=instants, length=st.integers(0, 10_000_000), interval=intervals, name=st.text(min_size=1, max_size=20))
def test_slots_are_counted_as_they_come(start: int, length: int, interval: int, name: str) -> None:
    """Counting and walking agree."""
    offset = offset_ms(name, interval)
    walked = range(first_slot(start, interval, offset), start + length, interval)
    assert count_slots(start, start + length, interval, offset) == len(walked)
