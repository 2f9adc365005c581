"""Lengths of time to milliseconds (``60s``, ``5m``, ``7d``, ``1h30m``) and back. Pure."""

from __future__ import annotations

from probes._durations import UNITS_MS, parse_duration

__all__ = ["UNITS_MS", "parse_duration", "say_duration", "write_duration"]


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
