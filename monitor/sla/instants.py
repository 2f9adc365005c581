"""Instants: RFC 3339 text to milliseconds UTC since the epoch and back, and local times of zones. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a local time without its zone, on purpose
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)


def parse_instant(text: str) -> int:
    """Give the instant that an RFC 3339 time names; what is finer than a millisecond is cut off.

    Raises ValueError with a sentence that says what to write instead.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not an instant: write it like 2026-10-01T00:00:00Z")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        raise ValueError(f"'{text}' names a day that does not exist") from None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        raise ValueError(f"'{text}' names a time of day that does not exist")
    at = days * DAY_MS + ((int(hour) * 60 + int(minute)) * 60 + int(second)) * 1000
    if fraction:
        at += int(fraction[:3].ljust(3, "0"))
    if zone not in "Zz":
        if int(zone[1:3]) > 23 or int(zone[4:6]) > 59:
            raise ValueError(f"'{text}' has an offset that does not exist")
        shift = (int(zone[1:3]) * 60 + int(zone[4:6])) * 60_000
        at += -shift if zone[0] == "+" else shift
    return at


def write_instant(at: int) -> str:
    """Write an instant as RFC 3339 with milliseconds and ``Z``."""
    days, rest = divmod(at, DAY_MS)
    seconds, ms = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{date.fromordinal(_EPOCH_ORDINAL + days).isoformat()}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}Z"


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """Give the zone of an IANA name or of an offset like ``+01:00``.

    Raises ValueError with a sentence that says what to write instead.
    """
    match = _OFFSET.fullmatch(name)
    if match is not None:
        hours, minutes = int(match[2]), int(match[3])
        if hours > 23 or minutes > 59:
            raise ValueError(f"'{name}' is not an offset: write it like +01:00")
        delta = timedelta(hours=hours, minutes=minutes)
        return timezone(-delta if match[1] == "-" else delta)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"'{name}' is not a timezone: write a name like Europe/Berlin, an offset like +01:00, or UTC"
        ) from None


def _offset_ms(local: datetime) -> int:
    offset = local.utcoffset()
    assert offset is not None
    return (offset.days * 86_400 + offset.seconds) * 1000


@lru_cache(maxsize=65_536)
def local_instant(zone_name: str, day: date, time_ms: int) -> int:
    """Give the instant at which a place's clocks show ``time_ms`` after midnight of ``day`` (it may exceed a day).

    Of two such instants the first; where the clocks skip that time, the instant of the change (arithmetic §3).
    """
    tz = zone(zone_name)
    naive = datetime(day.year, day.month, day.day) + timedelta(milliseconds=time_ms)  # noqa: DTZ001
    since = naive - _EPOCH
    wall = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    early = _offset_ms(naive.replace(tzinfo=tz, fold=0))
    late = _offset_ms(naive.replace(tzinfo=tz, fold=1))
    if early >= late:
        return wall - early
    # In a gap fold 0 has the offset from before the change and fold 1 that from after it: the change lies between.
    low, high = wall - late, wall - early
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_ms(utc_datetime(middle).astimezone(tz)) < late:
            low = middle
        else:
            high = middle
    return high


def utc_datetime(at: int) -> datetime:
    """Give an instant as an aware datetime in UTC."""
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=at)  # noqa: UP017  one name for both uses


def local_datetime(zone_name: str, at: int) -> datetime:
    """Give an instant as a zone's clocks show it."""
    return utc_datetime(at).astimezone(zone(zone_name))


def local_date(zone_name: str, at: int) -> date:
    """Give the date that a zone's calendar shows at an instant."""
    return local_datetime(zone_name, at).date()
