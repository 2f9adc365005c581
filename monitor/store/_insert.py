"""The statements of the writer: one connection, one transaction at a time."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from monitor.clock import Clock
from monitor.store import Event, Gap, Row, StoreConflict
from monitor.store._codec import Packed, Splitter, canonical, kind_of, pack_phases, unpack
from monitor.store._schema import DAY_MS

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHARED_CACHE = 50_000


def new_id(now_ms: int) -> str:
    """Sixteen characters that sort by time: ten of the instant, six at random (Crockford's base 32)."""
    number = now_ms << 30 | secrets.randbits(30)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def named(event: Event, now_ms: int) -> Event:
    """The event with the time of entry and an id, before it is first tried: tried twice it is the same event."""
    entered_at = event.entered_at or now_ms
    return replace(event, entered_at=entered_at, id=event.id or new_id(entered_at))


class Inserter:
    """Writes rows, gaps, events and changes within one transaction; good only while its commits succeed."""

    def __init__(self, conn: sqlite3.Connection, clock: Clock) -> None:
        """`conn` is in autocommit mode (isolation_level None) and belongs to the calling thread."""
        self._conn = conn
        self._clock = clock
        self._series: dict[tuple[str, str], int] = {}
        self._shared: dict[str, int] = {}
        self._split = Splitter(self._share)

    def begin(self) -> None:
        """Take the write lock at once: a busy database is known before anything was prepared."""
        self._conn.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make it durable."""
        self._conn.execute("COMMIT")

    def rollback(self) -> None:
        """Undo; quietly where the failure has undone it already."""
        with suppress(sqlite3.Error):
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        with suppress(sqlite3.Error):
            self._conn.close()

    # -- rows ------------------------------------------------------------------------------------------------------

    def rows(self, rows: Sequence[Row]) -> list[Exception | None]:
        """Insert; for each row None, or why it was not kept (StoreConflict, ValueError, TypeError)."""
        problems: list[Exception | None] = []
        packed: list[tuple[Packed, Row]] = []
        for row in rows:
            try:
                packed.append((self._pack(row), row))
                problems.append(None)
            except (ValueError, TypeError) as error:
                problems.append(error)
        if not packed:
            return problems
        before = self._conn.total_changes
        self._conn.execute("SAVEPOINT many")
        self._conn.executemany("INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?, ?)", [one for one, _ in packed])
        if self._conn.total_changes - before == len(packed):
            self._conn.execute("RELEASE many")
            kept = packed
        else:  # some stand already: a second try of a commit whose answer was lost, an import made twice, or a conflict
            self._conn.execute("ROLLBACK TO many")
            self._conn.execute("RELEASE many")
            kept = []
            where = iter([index for index, problem in enumerate(problems) if problem is None])
            for one, row in packed:
                index = next(where)
                cursor = self._conn.execute("INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?, ?)", one)
                if cursor.rowcount == 1:
                    kept.append((one, row))
                elif not self._same(one, row):
                    problems[index] = StoreConflict(
                        f"Another observation of {row.target} from {row.location} stands at {row.at} already."
                    )
        evidence = [(one.series, one.at, row.evidence) for one, row in kept if row.evidence is not None]
        if evidence:
            self._conn.executemany("INSERT INTO evidence (series, at, blob) VALUES (?, ?, ?)", evidence)
        days = Counter(one.at // DAY_MS for one, _ in kept)
        self._conn.executemany(
            "INSERT INTO days VALUES (?, ?) ON CONFLICT DO UPDATE"
            " SET observations = observations + excluded.observations",
            sorted(days.items()),
        )
        return problems

    def _pack(self, row: Row) -> Packed:
        kind = kind_of(row.outcome, row.scheduled)
        series = self.series(row.target, row.location)
        shared, extra = self._split.split(series, row)
        return Packed(
            series, row.at, kind, row.duration_ms, shared, pack_phases(row.phases), extra
        )  # fmt: skip

    def _same(self, packed: Packed, row: Row) -> bool:
        """Whether the row that stands is this one."""
        found = self._conn.execute(
            "SELECT o.kind, o.duration_ms, h.body, o.phases, o.extra"
            " FROM observations o LEFT JOIN shared h ON h.id = o.shared WHERE o.series = ? AND o.at = ?",
            (packed.series, packed.at),
        ).fetchone()
        if found is None:
            return False
        kind, duration, body, phases, extra = found
        shared = json.loads(body) if body else {}
        stands = unpack(row.target, row.location, row.at, kind, duration, shared, phases, extra)
        return (
            (kind, duration, phases) == (packed.kind, packed.duration_ms, packed.phases)
            and (stands.code, stands.detail, list(stands.phases)) == (row.code, row.detail, list(row.phases))
            and canonical(stands.facts) == canonical(row.facts)
            and canonical(stands.ids) == canonical(row.ids)
        )

    def series(self, target: str, location: str) -> int:
        """The number of a series, given on its first use."""
        number = self._series.get((target, location))
        if number is None:
            found = self._conn.execute(
                "SELECT id FROM series WHERE target = ? AND location = ?", (target, location)
            ).fetchone()
            if found is None:
                found = self._conn.execute(
                    "INSERT INTO series (target, location) VALUES (?, ?) RETURNING id", (target, location)
                ).fetchone()
            number = self._series[target, location] = int(found[0])
        return number

    def _share(self, body: str) -> int:
        number = self._shared.get(body)
        if number is None:
            digest = hashlib.sha256(body.encode()).digest()[:16]
            found = self._conn.execute("SELECT id FROM shared WHERE hash = ?", (digest,)).fetchone()
            if found is None:
                found = self._conn.execute(
                    "INSERT INTO shared (hash, body) VALUES (?, ?) RETURNING id", (digest, body)
                ).fetchone()
            if len(self._shared) >= _SHARED_CACHE:
                self._shared.clear()
            number = self._shared[body] = int(found[0])
        return number

    # -- the others ------------------------------------------------------------------------------------------------

    def one(self, what: Gap | Event | Callable[[sqlite3.Connection], Any]) -> Any:
        """A gap, an event or a change, in its own savepoint; an event is returned as kept. Raises what it raises."""
        self._conn.execute("SAVEPOINT one")
        try:
            value: Any = None
            if isinstance(what, Gap):
                self._gap(what)
            elif isinstance(what, Event):
                value = self._event(what)
            else:
                value = what(self._conn)
        except BaseException:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK TO one")
                self._conn.execute("RELEASE one")
            raise
        self._conn.execute("RELEASE one")
        return value

    def account(self, gaps: Sequence[Gap]) -> list[Gap]:
        """Enter gaps for what was dropped."""
        for gap in gaps:
            self._gap(gap)
        return list(gaps)

    def _gap(self, gap: Gap) -> None:
        if gap.end <= gap.start:
            raise ValueError(f"a gap ends after it starts, not {gap.start} to {gap.end}")
        now = self._clock.now_ms()
        self._conn.execute(
            'INSERT INTO gaps (series, start, "end", slots, reason, detail, entered_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
            (self.series(gap.target, gap.location), gap.start, gap.end, gap.slots, gap.reason, gap.detail, now),
        )  # fmt: skip

    def _event(self, event: Event) -> Event:
        if event.corrects is not None:
            found = self._conn.execute("SELECT kind FROM events WHERE id = ?", (event.corrects,)).fetchone()
            if found is None:
                raise ValueError(f"there is no event {event.corrects} that could be corrected")
        self._conn.execute(
            "INSERT INTO events (id, kind, at, entered_at, source, corrects, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                event.id,
                event.kind,
                event.at,
                event.entered_at,
                event.source,
                event.corrects,
                canonical(dict(event.data)),
            ),
        )
        return event
