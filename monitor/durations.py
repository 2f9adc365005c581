"""Lengths of time as people write them (``60s``, ``5m``, ``7d``, ``1h30m``) to milliseconds and back. Pure."""

from __future__ import annotations

import re

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds in each unit. A day is 24 hours here, whatever the clocks of a place do."""

_LONGEST_MS = 100 * 366 * UNITS_MS["d"]
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+", re.ASCII)


def parse_duration(text: str) -> int:
    """Give the milliseconds in ``text``: numbers with a unit (ms, s, m, h, d, w), one after the other.

    Raises ValueError with a sentence that says what to write instead.
    """
    compact = text.replace(" ", "")
    if not _WHOLE.fullmatch(compact):
        hint = ", write 0s" if compact == "0" else f", write {compact}s" if compact.isdecimal() else ""
        raise ValueError(f"'{text}' is not a length of time: write a number and a unit like 60s, 5m, 8h or 30d{hint}")
    total = 0
    for number, unit in _PART.findall(compact):
        whole, _, fraction = number.partition(".")
        scale = UNITS_MS[unit]
        total += int(whole[:18]) * scale
        if fraction:
            part = int(fraction[:18]) * scale
            if part % 10 ** len(fraction[:18]):
                raise ValueError(f"'{text}' is not a whole number of milliseconds: write it in ms")
            total += part // 10 ** len(fraction[:18])
    if total > _LONGEST_MS:
        raise ValueError(f"'{text}' is longer than a hundred years")
    return total


def write_duration(ms: int) -> str:
    """Write ``ms`` as the shortest text that parse_duration reads back: ``90s`` is ``1m30s``."""
    if ms == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def say_duration(ms: int) -> str:
    """Write ``ms`` for a reader, exactly: ``4 min 19.2 s``, ``2 d 3 h``, ``0 s``."""
    sign, ms = ("-", -ms) if ms < 0 else ("", ms)
    parts = []
    for unit, word in (("d", "d"), ("h", "h"), ("m", "min")):
        count, ms = divmod(ms, UNITS_MS[unit])
        if count:
            parts.append(f"{count} {word}")
    if ms or not parts:
        seconds, rest = divmod(ms, 1000)
        parts.append(f"{seconds}.{rest:03d}".rstrip("0") + " s" if rest else f"{seconds} s")
    return sign + " ".join(parts)
