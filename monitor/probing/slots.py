"""When a target's scheduled probes are due: a grid that anyone can compute from its name and interval. Pure.

The slots of a target stand at ``offset + k · interval`` milliseconds after the epoch. The offset is a hash of the
name, so that targets are spread evenly over the interval, and the same before and after a restart. A scheduled probe is
never started before its slot, and always before the next one: the slot that an observation fills is the last one at or
before its ``at``. Thus in any span: slots = scheduled observations + slots of the accounted gaps.
"""

from __future__ import annotations

import hashlib


def offset_ms(name: str, interval_ms: int) -> int:
    """Where in its interval a target stands: the first eight bytes of the name's SHA-256, modulo the interval."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % interval_ms


def slot_of(at: int, interval_ms: int, offset: int) -> int:
    """The slot (ms since the epoch) that a scheduled observation at ``at`` fills."""
    return at - (at - offset) % interval_ms


def first_slot(start: int, interval_ms: int, offset: int) -> int:
    """The first slot at or after ``start``."""
    return start + (offset - start) % interval_ms


def count_slots(start: int, end: int, interval_ms: int, offset: int) -> int:
    """How many slots stand in [start, end)."""
    if end <= start:
        return 0
    return (end - 1 - offset) // interval_ms - (start - 1 - offset) // interval_ms
