"""RFC 3339 instants outside, integer milliseconds UTC inside. Pure."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*([Zz]|[+-]\d\d:\d\d)?)?")


def iso(ms: int) -> str:
    """The instant as `2026-10-01T00:00:00.000Z`."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def short(ms: int) -> str:
    """The instant to the second, cut, as people read it: `2026-10-01 00:00:00`."""
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M:%S")


def parse(text: str) -> int:
    """Milliseconds of an RFC 3339 instant; a date alone is its UTC midnight, a missing offset is UTC.

    Digits beyond the millisecond are cut. Raises ValueError with a sentence.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time; write it as 2026-10-01T12:30:00Z")
    date, clock, offset = match.groups()
    whole, _, fraction = (clock or "00:00:00").partition(".")
    if whole.count(":") == 1:
        whole += ":00"
    zone = "+00:00" if offset in (None, "Z", "z") else offset
    try:
        moment = datetime.fromisoformat(f"{date}T{whole}{zone}")
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: {error}") from None
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int((fraction + "000")[:3])


def span(ms: int) -> str:
    """A length of time for people, exact to the millisecond below a minute: `2 min 10 s`, `1 d 3 h`, `0.250 s`."""
    if ms < 0:
        return "-" + span(-ms)
    if ms % 1000 and ms < 60_000:
        return f"{ms // 1000}.{ms % 1000:03d} s"
    seconds = ms // 1000
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
