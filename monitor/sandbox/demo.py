"""Enters a generated month into a database of its own, as a daemon that ran through it would have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor.clock import SystemClock
from monitor.config.in_force import config_data
from monitor.config.load import Config
from monitor.judgement.events import make
from monitor.sandbox.history import DAY, Watched, gaps, readings, rows, tell
from monitor.sla.period import bounds
from monitor.store import Event, open_store

BATCH = 5_000
"""How many observations wait for their commit at a time."""

Progress = Callable[[str, int, int], None]
"""Told of each target by name, how many observations it has, and how many targets are done."""


class StoryClock(SystemClock):
    """A wall clock that stands where the story is."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at

    def now_ms(self) -> int:
        """Where the story is, ms."""
        return self.at


def span(config: Config, month: str, now: int) -> tuple[int, int]:
    """From when to when a history must reach for every contract's period of this name, as far as that is past, ms.

    A billing month may end weeks after the calendar's. Raises PeriodError.
    """
    found = [bounds("calendar_month", "UTC", 1, month)]
    for one in config.contracts.values():
        contract = one.terms.contract
        found.append(bounds(contract.period, contract.timezone, one.terms.billing_day, month))
    return min(start for start, _ in found), min(max(end for _, end in found), (now // DAY - 1) * DAY)


def watched(config: Config) -> list[Watched]:
    """The targets of a configuration, as the generator takes them."""
    return [
        Watched(target.name, target.kind, target.interval_ms, target.contract, target.service)
        for target in config.targets
    ]


async def fill(config: Config, path: Path, *, start: int, end: int, seed: int, progress: Progress) -> int:
    """Fills a new database with [start, end) and a day on each side; returns how many observations it has.

    An event of the kind `demo` marks it for good. Raises StoreRefused where the file holds something else.
    """
    clock = StoryClock(start - DAY)
    targets = watched(config)
    story = tell(targets, start, end, seed)
    count = 0
    with open_store(path, config.location, clock) as store:
        marked = {"seed": seed, "note": "generated history: an example, not a measurement"}
        await store.writer.put_event(make("demo", marked, source="demo", at=clock.at))
        await store.writer.put_event(Event(kind="config", at=clock.at, data={**config_data(config), "generated": True}))
        events = [make(kind, data, source="demo") for kind, data in story.events]
        events += [Event(kind="clock_offset", at=at, data=data) for at, data in readings(start - DAY, end, seed)]
        for event in sorted(events, key=lambda one: one.at):
            clock.at = min(max(event.at, start - DAY), end - 1)
            await store.writer.put_event(event)
        clock.at = end + DAY
        for number, target in enumerate(targets, 1):
            made = 0
            for row in rows(target, story, start - DAY, end + DAY, location=config.location, seed=seed):
                waiting = store.writer.put_row(row)
                made += 1
                if made % BATCH == 0:
                    await waiting
            await waiting
            for gap in gaps(target, story, start - DAY, end + DAY, location=config.location):
                await store.writer.put_gap(gap)
            count += made
            progress(target.name, made, number)
    return count
