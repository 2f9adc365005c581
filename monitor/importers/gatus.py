"""Gatus' SQLite database: every result that it still keeps (``maximum-number-of-results``, 100 where nothing is said).

Results are known by their endpoint's key (``group_name``); their times are UTC, their durations nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from monitor.importers.results import CannotImport, Naming, outcome_of
from monitor.sla.values import Observation
from monitor.store.foreign import table
from monitor.times import parse

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)\s*(Z|[+-]\d\d:?\d\d)?")


def read(path: Path, naming: Naming) -> Iterator[Observation | None]:
    """The observations. Raises StoreError and CannotImport."""
    names = {id: str(key) for id, key in table(path, "endpoints", ("endpoint_id", "endpoint_key"))}
    naming.seen.update(names.values())
    for id, success, time, errors, status, duration in table(
        path, "endpoint_results", ("endpoint_id", "success", "timestamp"), optional=("errors", "status", "duration"),
        order=("endpoint_result_id",),
    ):  # fmt: skip
        if id not in names:
            continue
        outcome = "ok" if success else outcome_of(str(errors or ""), status, naming.failed_as)
        yield naming.observation(_instant(time), names[id], outcome, duration_ms=(duration or 0) // 1_000_000)


def _instant(value: object) -> int:
    """The time as the database's driver writes it: ``2026-10-01 00:00:00.123456789 +0000 UTC``."""
    match = _TIME.match(str(value))
    if match is None:
        raise CannotImport(f"A result has no time that can be read: “{value}”.")
    offset = match[3] or "Z"
    if offset != "Z" and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    return parse(f"{match[1]}T{match[2]}{offset}")
