"""After a start: which slots passed while nobody probed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.config.in_force import same
from monitor.config.load import Config
from monitor.probing.slots import count_slots, first_slot, slot_of
from monitor.store import Gap, Reader

_CHUNK_MS = 6 * 3_600_000
_UNDER_WAY_MS = 30_000
"""How long beyond its deadline a probe may have been under way, its row waiting for its commit included."""


def missed_while_away(
    reader: Reader, config: Config, data: Mapping[str, Any], now: int
) -> tuple[list[Gap], dict[str, int], bool]:
    """The gaps since each target was last accounted for; from when on each goes on; and whether ``data`` is news.

    The targets are those of the last ``config`` event: their slots were expected until now, whatever the configuration
    says from now on. A daemon that died without a word (power, ``kill -9``) is no different from one that was stopped.
    """
    recorded = reader.events(kinds=["config"])
    if not recorded:
        return [], {}, True
    last = recorded[-1]
    gaps, cursors = [], {}
    for name, known in last.data.get("targets", {}).items():
        interval, offset = int(known["interval_ms"]), int(known["offset_ms"])
        begin = int(known.get("since", last.at))
        cursor = _accounted_until(reader, name, config.location, interval, offset, now, begin)
        slots = count_slots(cursor, now, interval, offset)
        if slots:
            end = now + (offset - now) % interval
            gaps.append(
                Gap(target=name, location=config.location, start=cursor, end=end, slots=slots, reason="not_running",
                    detail="slaproof was not running")
            )  # fmt: skip
        reach = int(known.get("timeout_ms", interval)) + interval + _UNDER_WAY_MS
        gaps += _broken_off(reader, name, config.location, interval, offset, max(begin, cursor - reach), cursor)
        cursors[name] = cursor
    for name, known in data.get("targets", {}).items():
        if name not in cursors and _was_here(reader, name, config.location, known, now):
            cursors[name] = now
    return gaps, cursors, not same(last.data, data)


def _was_here(reader: Reader, name: str, location: str, known: Mapping[str, Any], now: int) -> bool:
    """Whether a target that is new was watched before, and the slot that has begun is accounted for from then."""
    slot = slot_of(now, int(known["interval_ms"]), int(known["offset_ms"]))
    rows = reader.observations(slot, now + 1, targets=[name], location=location)
    gaps = reader.gaps(slot, slot + 1, targets=[name], location=location)
    return any(row.scheduled for row in rows) or any(gap.slots for gap in gaps)


def _broken_off(
    reader: Reader, name: str, location: str, interval: int, offset: int, start: int, end: int
) -> list[Gap]:
    """The slots in [start, end) that nothing accounts for, though something later does.

    While a probe was under way the slots after it became gaps, and those were written; then the daemon died with it.
    """
    rows = reader.observations(start, end + interval, targets=[name], location=location)
    filled = {slot_of(row.at, interval, offset) for row in rows if row.scheduled}
    gaps = [gap for gap in reader.gaps(start, end, targets=[name], location=location) if gap.slots]
    return [
        Gap(target=name, location=location, start=slot, end=slot + interval, slots=1, reason="shutdown",
            detail="the probe was under way when slaproof ended")
        for slot in range(first_slot(start, interval, offset), end, interval)
        if slot not in filled and not any(gap.start <= slot < gap.end for gap in gaps)
    ]  # fmt: skip


def _accounted_until(reader: Reader, name: str, location: str, interval: int, offset: int, now: int, since: int) -> int:
    """The end of the last slot of a target that an observation or a gap accounts for; ``since`` if there is none."""
    until = since
    for gap in reader.gaps(since, now + interval, targets=[name], location=location):
        if gap.slots:
            until = max(until, gap.end)
    end, reach = now + interval, 8 * interval
    while end > until:  # further back in longer and longer steps: a restart that was quick reads next to nothing
        start = max(until, end - reach)
        rows = reader.observations(start, end, targets=[name], location=location)
        scheduled = [row.at for row in rows if row.scheduled]
        if scheduled:
            return max(until, slot_of(scheduled[-1], interval, offset) + interval)
        end, reach = start, min(8 * reach, max(_CHUNK_MS, reach))
    return until
