"""Lengths of time as people write them: the one grammar of the whole configuration. Pure, and imports nothing of ours.

It stands here because the probes' settings need it and know nothing of the monitor; `monitor.durations` hands it on.
"""

import re

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds in each unit. A day is 24 hours here, whatever the clocks of a place do."""

PATTERN = r" *(?:\d+(?:\.\d+)? *(?:ms|s|m|h|d|w) *)+"
"""What a length of time looks like, as a regular expression for the whole text."""

_LONGEST_MS = 100 * 366 * UNITS_MS["d"]
_WHOLE = re.compile(PATTERN, re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?) *(ms|s|m|h|d|w)", re.ASCII)


def parse_duration(text: str) -> int:
    """Give the milliseconds in ``text``: numbers with a unit (ms, s, m, h, d, w), one after the other.

    Raises ValueError with a sentence that says what to write instead.
    """
    if not _WHOLE.fullmatch(text):
        bare = text.replace(" ", "")
        like = f"{bare}s" if bare.isascii() and bare.isdecimal() else "60s, 5m, 8h or 30d"
        raise ValueError(f"'{text}' is not a length of time: write a number and a unit, like {like}")
    total = 0
    for number, unit in _PART.findall(text):
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
