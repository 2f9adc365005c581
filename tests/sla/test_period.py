"""Periods have the length that they really have (arithmetic §3)."""

from __future__ import annotations

from datetime import date

import pytest

from monitor.sla.instants import local_instant, parse_instant, write_instant, zone
from monitor.sla.period import PeriodError, bounds, containing, next_month_end, resolve

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("kind", "where", "day", "name", "start", "end"),
    [
        ("calendar_month", "UTC", 1, "2026-10", "2026-10-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z"),
        ("calendar_month", "+01:00", 1, "2026-10", "2026-09-30T23:00:00.000Z", "2026-10-31T23:00:00.000Z"),
        ("calendar_month", "-06:00", 1, "2026-12", "2026-12-01T06:00:00.000Z", "2027-01-01T06:00:00.000Z"),
        # The clocks go forward and back: 743 and 745 hours.
        ("calendar_month", "Europe/Berlin", 1, "2026-03", "2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z"),
        ("calendar_month", "Europe/Berlin", 1, "2026-10", "2026-09-30T22:00:00.000Z", "2026-10-31T23:00:00.000Z"),
        # Half an hour of summer time.
        ("calendar_month", "Australia/Lord_Howe", 1, "2026-10", "2026-09-30T13:30:00.000Z", "2026-10-31T13:00:00.000Z"),
        # The billing day does not exist in a short month: its last day stands in.
        ("billing_month", "UTC", 31, "2026-01", "2026-01-31T00:00:00.000Z", "2026-02-28T00:00:00.000Z"),
        ("billing_month", "UTC", 31, "2026-02", "2026-02-28T00:00:00.000Z", "2026-03-31T00:00:00.000Z"),
        ("billing_month", "UTC", 30, "2028-02", "2028-02-29T00:00:00.000Z", "2028-03-30T00:00:00.000Z"),
        ("billing_month", "UTC", 29, "2027-01", "2027-01-29T00:00:00.000Z", "2027-02-28T00:00:00.000Z"),
        # The billing day means nothing for a calendar month.
        ("calendar_month", "UTC", 15, "2026-10", "2026-10-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z"),
        # On 1 November 2026 in Havana the clocks go back from 01:00 to 00:00: midnight comes twice, the first is meant.
        ("calendar_month", "America/Havana", 1, "2026-11", "2026-11-01T04:00:00.000Z", "2026-12-01T05:00:00.000Z"),
        # On 8 March 2026 in Havana they go from 00:00 to 01:00: there is no midnight, the change stands in.
        ("billing_month", "America/Havana", 8, "2026-03", "2026-03-08T05:00:00.000Z", "2026-04-08T04:00:00.000Z"),
        # In 1919 Toronto's clocks went from 23:30 to 00:30.
        ("billing_month", "America/Toronto", 31, "1970-03", "1970-03-31T05:00:00.000Z", "1970-04-30T04:00:00.000Z"),
    ],
)
def test_bounds(kind: str, where: str, day: int, name: str, start: str, end: str) -> None:
    """A month begins and ends at the midnights of its zone."""
    assert tuple(map(write_instant, bounds(kind, where, day, name))) == (start, end)


def test_a_midnight_in_the_middle_of_a_gap_is_the_instant_of_the_change() -> None:
    """Toronto's clocks went from 23:30 on 30 March 1919 to 00:30: the change came at 04:30 UTC."""
    assert write_instant(local_instant("America/Toronto", date(1919, 3, 31), 0)) == "1919-03-31T04:30:00.000Z"
    # Samoa left out the whole of 30 December 2011, at 10:00 UTC.
    assert write_instant(local_instant("Pacific/Apia", date(2011, 12, 30), 0)) == "2011-12-30T10:00:00.000Z"
    assert write_instant(local_instant("Pacific/Apia", date(2011, 12, 31), 0)) == "2011-12-30T10:00:00.000Z"


def test_a_running_period_ends_now() -> None:
    """It is complete at its end and not before; one that begins now has begun, one that begins later has not."""
    start, end = bounds("calendar_month", "UTC", 1, "2026-10")
    for now, to, complete in ((start, start, False), (start + 5, start + 5, False), (end - 1, end - 1, False),
                              (end, end, True), (end + DAY, end, True), (None, end, True)):  # fmt: skip
        period = resolve("calendar_month", "UTC", 1, "2026-10", now)
        assert (period.to, period.end, period.complete) == (to, end, complete)
    with pytest.raises(PeriodError, match="has not begun"):
        resolve("calendar_month", "UTC", 1, "2026-10", start - 1)


@pytest.mark.parametrize("name", ["2026-13", "2026-00", "2026", "26-10", "2026-1", "2026-10-01", ""])
def test_a_name_that_is_none(name: str) -> None:
    """A period is a year and a month."""
    with pytest.raises(PeriodError, match="is not a period"):
        bounds("calendar_month", "UTC", 1, name)


@pytest.mark.parametrize("day", [1, 15, 28, 29, 30, 31])
@pytest.mark.parametrize("where", ["UTC", "Europe/Berlin", "+14:00", "-11:00"])
def test_periods_follow_one_another_without_holes(day: int, where: str) -> None:
    """Each ends where the next begins, and every instant is found in its own."""
    end = None
    for month in range(36):
        name = f"{2026 + month // 12}-{month % 12 + 1:02d}"
        start, stop = bounds("billing_month", where, day, name)
        assert end is None or start == end
        assert containing("billing_month", where, day, start) == name
        assert containing("billing_month", where, day, stop - 1) == name
        end = stop


def test_the_end_of_the_next_calendar_month() -> None:
    """It is reckoned from the period's last millisecond, in the contract's zone."""
    october = parse_instant("2026-10-31T23:00:00Z") - 1
    assert write_instant(next_month_end("Europe/Berlin", october)) == "2026-11-30T23:00:00.000Z"
    assert write_instant(next_month_end("UTC", october)) == "2026-12-01T00:00:00.000Z"
    assert write_instant(next_month_end("UTC", parse_instant("2026-11-15T00:00:00Z") - 1)) == "2027-01-01T00:00:00.000Z"


@pytest.mark.parametrize("name", ["Europe/Berlim", "+1:00", "+24:00", "+01:60", "", "../etc/passwd", "CET+1"])
def test_a_zone_that_is_none(name: str) -> None:
    """A zone is an IANA name or an offset."""
    with pytest.raises(ValueError, match="is not a"):
        zone(name)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T00:00:00.0019999Z", 1),
        ("1970-01-01T01:00:00.5+01:00", 500),
        ("1969-12-31T18:30:00-05:30", 0),
        ("1970-01-01t00:00:01z", 1000),
        ("2026-10-01T00:00:00.000Z", 1_790_812_800_000),
    ],
)
def test_instants_are_read(text: str, ms: int) -> None:
    """RFC 3339 in all its forms, cut to the millisecond."""
    assert parse_instant(text) == ms
    assert parse_instant(write_instant(ms)) == ms


@pytest.mark.parametrize(
    "text",
    ["2026-10-01", "2026-10-01T00:00Z", "2026-10-01T00:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
     "2026-10-01T24:00:00Z", "2026-10-01T00:00:60Z", "2026-10-01T00:00:00+24:00", "٢٠٢٦-10-01T00:00:00Z", ""],
)  # fmt: skip
def test_what_is_no_instant(text: str) -> None:
    """An instant without its offset, or on a day that does not exist, is refused."""
    with pytest.raises(ValueError, match=r"instant|exist"):
        parse_instant(text)
