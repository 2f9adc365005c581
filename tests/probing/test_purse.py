"""Probes that cost money never exceed their budget of the day."""

from pathlib import Path

from monitor.probing.purse import DAY_MS, Purse
from monitor.store import open_store
from tests.fakes import FakeClock


async def test_the_budget_holds_over_restarts_and_begins_anew_each_day(tmp_path: Path) -> None:
    """Three a day are three a day, also when the daemon was killed in between."""
    clock = FakeClock()
    day = clock.now_ms() // DAY_MS * DAY_MS
    with open_store(tmp_path / "s.db", "main", clock) as store:
        purse = Purse(store.reader, store.writer)
        assert [await purse.spend("sms", day + n, 3) for n in range(2)] == [True, True]
        again = Purse(store.reader, store.writer)
        assert [await again.spend("sms", day + n, 3) for n in range(5, 8)] == [True, False, False]
        assert await again.spend("other", day + 9, 1)
        assert await again.spend("sms", day + DAY_MS, 3)
        store.writer.close()
        assert not await again.spend("other", day + DAY_MS, 1), "what cannot be written down is not spent"
