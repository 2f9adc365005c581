"""Uptime Kuma's SQLite database (``kuma.db``, versions 1 and 2): every heartbeat that it still keeps.

Its times are UTC. A check that failed and is tried again is ``pending`` there: it failed all the same. During its own
maintenance it checks nothing, and there is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.importers.results import CannotImport, Naming, outcome_of
from monitor.sla.values import Observation
from monitor.store.foreign import table
from monitor.times import parse

_DOWN, _UP, _PENDING, _MAINTENANCE = range(4)


def read(path: Path, naming: Naming) -> Iterator[Observation | None]:
    """The observations. Raises StoreError and CannotImport."""
    names: dict[int, str] = {}
    for id, name in table(path, "monitor", ("id", "name")):
        if name in names.values() and name not in naming.names:
            name = f"{name}-{id}"
        names[id] = str(name)
    naming.seen.update(names.values())
    before: dict[int, int] = {}
    for id, status, time, text, ping in table(
        path, "heartbeat", ("monitor_id", "status", "time"), optional=("msg", "ping"), order=("monitor_id", "time")
    ):
        last = before.get(id)
        before[id] = status
        if id not in names or status == _MAINTENANCE:
            continue
        try:
            at = parse(str(time))
        except ValueError as error:
            raise CannotImport(f"A heartbeat of “{names[id]}” has no time that can be read: {error}.") from error
        outcome = "ok" if status == _UP else outcome_of(str(text or ""), None, naming.failed_as)
        yield naming.observation(at, names[id], outcome, scheduled=last != _PENDING, duration_ms=round(ping or 0))
