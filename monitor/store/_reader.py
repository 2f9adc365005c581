"""Reading, in connections of its own: one for each thread that asks."""

from __future__ import annotations

import json
import sqlite3
import threading
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monitor.sla.instants import write_instant
from monitor.sla.series import SCHEDULED, Observations
from monitor.sla.series import Series as ColumnSeries
from monitor.sla.values import OUTCOME_CODES, Observation
from monitor.store import Event, Evidence, Gap, Row, Series, Span
from monitor.store._codec import CODE_OF, NAME_OF, unpack
from monitor.store._schema import DAY_MS

_ROW = "SELECT o.series, o.at, o.kind, o.duration_ms, o.shared, o.phases, o.extra"
_TO_COLUMN = bytes(
    OUTCOME_CODES[NAME_OF[kind >> 1]] | (0 if kind & 1 else SCHEDULED) if kind >> 1 in NAME_OF else 255
    for kind in range(256)
)
"""From the stored kind to the byte of `monitor.sla.series`."""
_NO_FACTS: dict[str, Any] = {}


class SqliteReader:
    """Implements `monitor.store.Reader`."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` opens a connection that cannot write and may be closed by another thread."""
        self._path = path
        self._connect = connect
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []
        self._names: dict[int, Series] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._known = 0  # the highest number in them; a series is never changed
        self._shared: dict[int, dict[str, Any]] = {}

    def query(self, sql: str, args: Sequence[Any] = ()) -> list[Any]:
        """All rows of a SELECT; for the repositories of this package."""
        return self._conn().execute(sql, args).fetchall()

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for conn in self._open:
                conn.close()
            self._open.clear()

    def _conn(self) -> sqlite3.Connection:
        conn: sqlite3.Connection | None = getattr(self._local, "conn", None)
        if conn is None:
            conn = self._local.conn = self._connect()
            with self._lock:
                self._open.append(conn)
        return conn

    # -- observations ----------------------------------------------------------------------------------------------

    def series(self) -> list[Series]:
        """Every target and location, by name."""
        return sorted(self._all_series().values())

    def observations(
        self, start: int, end: int, *, targets: Sequence[str] | None = None, location: str | None = None
    ) -> list[Observation]:
        """For the arithmetic: ordered by target, location, time."""
        new = Observation._make
        names = {code * 2 + extra: (not extra, name) for code, name in NAME_OF.items() for extra in (0, 1)}
        found: list[Observation] = []
        for number, (target, place) in self._chosen(targets, location):
            found += [
                new((at, target, place, *names[kind], duration))
                for at, kind, duration in self._conn().execute(
                    "SELECT at, kind, duration_ms FROM observations"
                    " WHERE series = ? AND at >= ? AND at < ? ORDER BY at",
                    (number, start, end),
                )
            ]
        return found

    def columns(
        self, start: int, end: int, *, targets: Sequence[str] | None = None, location: str | None = None
    ) -> Observations:
        """The same as columns."""
        made = Observations()
        for number, (target, place) in self._chosen(targets, location):
            found = self.query(
                "SELECT at, kind FROM observations WHERE series = ? AND at >= ? AND at < ? ORDER BY at",
                (number, start, end),
            )
            if found:
                at, kinds = zip(*found, strict=True)
                series = made.series[target, place] = ColumnSeries(target, place)
                series.at = array("q", at)
                series.code = bytearray(bytes(kinds).translate(_TO_COLUMN))
        return made

    def rows(
        self,
        start: int,
        end: int,
        *,
        targets: Sequence[str] | None = None,
        location: str | None = None,
        outcomes: Sequence[str] | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        with_evidence: bool = False,
    ) -> list[Row]:
        """With all that is kept, ordered by time (then target, location)."""
        found: list[Row] = []
        order = "DESC" if newest_first else "ASC"
        kinds = None if outcomes is None else [CODE_OF[name] * 2 + extra for name in outcomes for extra in (0, 1)]
        chosen = "" if kinds is None else f" AND o.kind IN ({_marks(kinds)})"
        for number, _ in self._chosen(targets, location):
            found += self._rows(
                f" WHERE o.series = ? AND o.at >= ? AND o.at < ?{chosen} ORDER BY o.at {order} LIMIT ?",
                (number, start, end, *(kinds or ()), -1 if limit is None else limit),
                with_evidence,
            )
        found.sort(key=lambda row: (-row.at if newest_first else row.at, row.target, row.location))
        return found if limit is None else found[:limit]

    def neighbours(self, target: str, location: str, at: int, *, count: int = 1) -> tuple[list[Row], list[Row]]:
        """The `count` rows before `at` and those after it, each in order of time."""
        number = self._number(target, location)
        if number is None:
            return [], []
        before = self._rows(
            " WHERE o.series = ? AND o.at < ? ORDER BY o.at DESC LIMIT ?", (number, at, count), False
        )  # fmt: skip
        after = self._rows(" WHERE o.series = ? AND o.at > ? ORDER BY o.at LIMIT ?", (number, at, count), False)
        return before[::-1], after

    def last_row(self, target: str, location: str) -> Row | None:
        """The newest."""
        number = self._number(target, location)
        rows = self._rows(" WHERE o.series = ? ORDER BY o.at DESC LIMIT 1", (number,), False) if number else []
        return rows[0] if rows else None

    def evidence(self, target: str, location: str, at: int) -> Evidence | None:
        """What was kept of one failed probe."""
        number = self._number(target, location)
        found = self.query("SELECT blob FROM evidence WHERE series = ? AND at = ?", (number, at))
        return Evidence(target, location, at, found[0][0]) if found else None

    def counts(
        self, start: int, end: int, *, targets: Sequence[str] | None = None
    ) -> dict[tuple[str, str, bool, str], int]:
        """(target, location, scheduled, outcome) to the number of observations."""
        return {
            (target, location, not kind & 1, NAME_OF[kind >> 1]): count
            for number, (target, location) in self._chosen(targets, None)
            for kind, count in self._conn().execute(
                "SELECT kind, count(*) FROM observations WHERE series = ? AND at >= ? AND at < ? GROUP BY kind",
                (number, start, end),
            )
        }

    def span(self) -> Span | None:
        """First and last observation of all."""
        first: int | None = None
        last: int | None = None
        for number in list(self._all_series()):  # another thread may find a new series meanwhile
            for low, high in (
                (
                    self.query("SELECT min(at) FROM observations WHERE series = ?", (number,))[0][0],
                    self.query("SELECT max(at) FROM observations WHERE series = ?", (number,))[0][0],
                ),
            ):
                if low is not None:
                    first = low if first is None else min(first, low)
                    last = high if last is None else max(last, high)
        return None if first is None or last is None else Span(first, last)

    def _rows(self, tail: str, args: Sequence[Any], with_evidence: bool) -> list[Row]:
        conn = self._conn()
        if with_evidence:
            sql = f"{_ROW}, e.blob FROM observations o LEFT JOIN evidence e ON e.series = o.series AND e.at = o.at"
        else:
            sql = f"{_ROW}, NULL FROM observations o"
        return [
            unpack(*self._names[number], at, kind, duration, self._facts(shared), phases, extra, blob)
            for number, at, kind, duration, shared, phases, extra, blob in conn.execute(sql + tail, args)
        ]

    def _facts(self, number: int | None) -> dict[str, Any]:
        if number is None:
            return _NO_FACTS
        known = self._shared.get(number)
        if known is None:
            if len(self._shared) > 50_000:
                self._shared.clear()
            body = self.query("SELECT body FROM shared WHERE id = ?", (number,))[0][0]
            known = self._shared[number] = json.loads(body)
        return known

    # -- series ----------------------------------------------------------------------------------------------------

    def _all_series(self) -> dict[int, Series]:
        (count,) = self.query("SELECT coalesce(max(id), 0) FROM series")[0]
        if count > self._known:
            for number, target, location in self.query("SELECT id, target, location FROM series"):
                self._names[number] = Series(target, location)
                self._numbers.setdefault(target, {})[location] = number
            self._known = count
        return self._names

    def _chosen(self, targets: Sequence[str] | None, location: str | None) -> list[tuple[int, Series]]:
        """The series asked for, by target and location."""
        names = self._all_series()
        if targets is None:
            found = list(names.items())
        else:
            wanted = [self._numbers.get(target, {}) for target in frozenset(targets)]
            found = [(number, names[number]) for places in wanted for number in places.values()]
        return sorted((one for one in found if location is None or one[1].location == location), key=lambda one: one[1])

    def _number(self, target: str, location: str) -> int | None:
        self._all_series()
        return self._numbers.get(target, {}).get(location)

    # -- gaps and events -------------------------------------------------------------------------------------------

    def gaps(
        self, start: int, end: int, *, targets: Sequence[str] | None = None, location: str | None = None
    ) -> list[Gap]:
        """Those that touch [start, end), ordered by start."""
        touch = 'start < ? AND "end" > ?'
        if targets is None and location is None:
            names = self._all_series()
            found = self.query(f"{_GAP} WHERE {touch}", (end, start))
        else:
            chosen = self._chosen(targets, location)
            names = dict(chosen)
            found = [
                one
                for number, _ in chosen
                for one in self.query(f"{_GAP} WHERE series = ? AND {touch}", (number, end, start))
            ]
        found.sort(key=lambda one: (one[2], one[1]))
        return [
            Gap(target=names[number].target, location=names[number].location, start=first, end=last, slots=slots,
                reason=reason, detail=detail)
            for number, _, first, last, slots, reason, detail in found
        ]  # fmt: skip

    def events(
        self,
        start: int | None = None,
        end: int | None = None,
        *,
        kinds: Sequence[str] | None = None,
        entered_from: int | None = None,
        entered_until: int | None = None,
        after_id: str | None = None,
    ) -> list[Event]:
        """By the time spoken of and/or the time of entry; ordered by entry."""
        where: list[str] = []
        args: list[Any] = []
        for condition, value in (
            ("at >= ?", start),
            ("at < ?", end),
            ("entered_at >= ?", entered_from),
            ("entered_at < ?", entered_until),
            ("seq > (SELECT seq FROM events WHERE id = ?)", after_id),
        ):
            if value is not None:
                where.append(condition)
                args.append(value)
        if kinds is not None:
            where.append(f"kind IN ({_marks(kinds)})")
            args += kinds
        clause = " WHERE " + " AND ".join(where) if where else ""
        return [_event(found) for found in self.query(f"{_EVENT}{clause} ORDER BY seq", args)]

    def event(self, id: str) -> Event | None:
        """One event."""
        found = self.query(f"{_EVENT} WHERE id = ?", (id,))
        return _event(found[0]) if found else None

    # -- about the store -------------------------------------------------------------------------------------------

    def version(self, start: int | None = None, end: int | None = None) -> str:
        """Changes whenever something was added that may change a judgement of [start, end)."""
        low = 0 if start is None else start // DAY_MS
        high = 1 << 62 if end is None else end // DAY_MS
        days, rows, gaps, events = self.query(
            "SELECT count(*), coalesce(sum(observations), 0), (SELECT coalesce(max(id), 0) FROM gaps),"
            " (SELECT coalesce(max(seq), 0) FROM events) FROM days WHERE day BETWEEN ? AND ?",
            (low, high),
        )[0]
        return f"{days}.{rows}.{gaps}.{events}"

    def events_version(self) -> str:
        """Changes whenever an event was added."""
        return str(self.query("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def removed(self, start: int, end: int, *, targets: Sequence[str]) -> dict[tuple[str, str, str], str]:
        """(target, location, UTC day) whose observations were removed, to the bundle that holds them."""
        found = self.query(
            f"SELECT s.target, s.location, r.day, r.export FROM retention r JOIN series s ON s.id = r.series"
            f" WHERE r.day >= ? AND r.day * {DAY_MS} < ? AND s.target IN ({_marks(targets)})",
            (start // DAY_MS, end, *targets),
        )
        return {(target, place, write_instant(day * DAY_MS)[:10]): export for target, place, day, export in found}

    def size_bytes(self) -> int:
        """The database on disk, with its write-ahead log."""
        total = 0
        for suffix in ("", "-wal"):
            try:
                total += Path(f"{self._path}{suffix}").stat().st_size
            except FileNotFoundError:
                continue
        return total


_GAP = 'SELECT series, id, start, "end", slots, reason, detail FROM gaps'
_EVENT = "SELECT id, kind, at, entered_at, source, corrects, data FROM events"


def _event(found: tuple[Any, ...]) -> Event:
    id, kind, at, entered_at, source, corrects, data = found
    return Event(
        id=id, kind=kind, at=at, entered_at=entered_at, source=source, corrects=corrects, data=json.loads(data)
    )  # fmt: skip


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
