"""What sealing keeps: the entries of the log with their leaves and signed checkpoints, heartbeats, outside witnesses.

1. An entry is given its index by whoever seals; the store takes only the next one. The same entry twice is one,
   another at the same index is refused: nothing is sealed twice differently.
2. Entries, heartbeats and timestamps are append-only.
3. Bytes are kept as they were signed; the store looks into none of them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.store import StoreError
from monitor.store._schema import DAY_MS, Steps, append_only, first_stands, run
from monitor.store._tables import Repository

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("slaproof.ledger")


@migrations()
def m001_ledger(db: Database) -> None:
    """Entries, heartbeats, timestamps, deliveries to witnesses; retention only of what is sealed."""
    run(
        db,
        f"""
        CREATE TABLE ledger_entries (
            idx INTEGER PRIMARY KEY, -- from 0, without a hole
            kind TEXT NOT NULL, -- day, supplement
            day TEXT NOT NULL,
            sealed_at INTEGER NOT NULL,
            entry BLOB NOT NULL,
            leaves BLOB NOT NULL, -- 32 bytes each
            first TEXT NOT NULL, -- group to the index of its first leaf
            note TEXT NOT NULL, -- the signed checkpoint
            state TEXT NOT NULL -- the log after this entry
        ) STRICT;
        CREATE INDEX ledger_entries_by_day ON ledger_entries (day);
        CREATE TABLE ledger_segments (
            idx INTEGER NOT NULL REFERENCES ledger_entries,
            series INTEGER NOT NULL REFERENCES series,
            day INTEGER NOT NULL,
            observations INTEGER NOT NULL,
            sha256 BLOB NOT NULL,
            PRIMARY KEY (series, day, idx)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_heartbeats (
            day TEXT NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL, entry BLOB NOT NULL, leaves BLOB NOT NULL,
            first TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (day, idx)
        ) STRICT;
        CREATE TABLE ledger_timestamps (
            id INTEGER PRIMARY KEY, ref TEXT NOT NULL, authority TEXT NOT NULL, at INTEGER NOT NULL, token BLOB NOT NULL
        ) STRICT;
        CREATE INDEX ledger_timestamps_by_ref ON ledger_timestamps (ref);
        CREATE TABLE ledger_witnessed (
            ref TEXT NOT NULL, witness TEXT NOT NULL, at INTEGER NOT NULL, detail TEXT NOT NULL,
            PRIMARY KEY (ref, witness)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER retention_only_sealed BEFORE INSERT ON retention
        WHEN NOT EXISTS (SELECT 1 FROM ledger_segments l WHERE l.series = NEW.series AND l.day = NEW.day)
            OR (SELECT coalesce(sum(l.observations), 0) FROM ledger_segments l
                WHERE l.series = NEW.series AND l.day = NEW.day)
            <> (SELECT count(*) FROM observations o WHERE o.series = NEW.series
                AND o.at >= NEW.day * {DAY_MS} AND o.at < (NEW.day + 1) * {DAY_MS})
        BEGIN SELECT RAISE(ABORT, 'only a day whose every observation is sealed may be removed'); END;
        """
        + append_only("ledger_entries")
        + append_only("ledger_segments")
        + append_only("ledger_heartbeats")
        + append_only("ledger_timestamps")
        + append_only("ledger_witnessed")
        + first_stands("ledger_entries", ("idx",))
        + first_stands("ledger_segments", ("series", "day", "idx"))
        + first_stands("ledger_heartbeats", ("day", "idx"))
        + first_stands("ledger_timestamps", ("id",))
        + first_stands("ledger_witnessed", ("ref", "witness")),
    )


@migrations()
def m002_contents(db: Database) -> None:
    """What was sealed, as it was sealed: proofs are made from it, whatever becomes of the observations."""
    run(
        db,
        """
        CREATE TABLE ledger_contents (
            idx INTEGER NOT NULL REFERENCES ledger_entries,
            grp TEXT NOT NULL,
            kind TEXT NOT NULL, -- config, segment, event
            number INTEGER NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (idx, grp, kind, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ledger_secret (id INTEGER PRIMARY KEY CHECK (id = 1), secret BLOB NOT NULL) STRICT;
        """
        + append_only("ledger_contents")
        + append_only("ledger_secret")
        + first_stands("ledger_secret", ("id",)),
    )


class LedgerConflict(StoreError):
    """Something else stands in the ledger at that place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRef:
    """Observations of one UTC day that an entry seals."""

    target: str
    location: str
    observations: int
    sha256: bytes
    day: str | None = None
    """The observations' own day, where it is not the entry's: a segment ends with the next day's first slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One content of an entry, packed as whoever seals packs it."""

    group: str
    kind: str
    """`config`, `segment` or `event`."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An entry of the log, with its tree and the checkpoint signed after it."""

    index: int
    kind: str
    """`day` or `supplement`."""
    day: str
    """2026-10-01"""
    sealed_at: int
    entry: bytes
    leaves: tuple[bytes, ...]
    first: Mapping[str, int]
    note: str
    state: str
    """JSON of the log after this entry."""
    segments: tuple[SegmentRef, ...] = field(default=())
    """Which observations it seals; given when appending, empty when read (see `Ledger.sealed`)."""
    contents: tuple[Content, ...] = field(default=())
    """What it seals; given when appending, empty when read (see `Ledger.contents`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHeartbeat:
    """A heartbeat of a day, number `index` of that day."""

    day: str
    index: int
    at: int
    entry: bytes
    leaves: tuple[bytes, ...]
    first: Mapping[str, int]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """An RFC 3161 token over a checkpoint. `ref` is `log/<index>` or `heartbeat/<day>/<index>`."""

    ref: str
    authority: str
    at: int
    token: bytes


class Ledger(Repository):
    """The tables of sealing."""

    async def append(self, entry: LedgerEntry) -> None:
        """Keep the next entry of the log. Raises LedgerConflict if another stands there, or one before is missing."""
        day = _day_number(entry.day)

        def change(conn: sqlite3.Connection) -> None:
            (size,) = conn.execute("SELECT count(*) FROM ledger_entries").fetchone()
            if entry.index < size:
                stands = conn.execute("SELECT entry, note FROM ledger_entries WHERE idx = ?", (entry.index,)).fetchone()
                if stands == (entry.entry, entry.note):
                    return
                raise LedgerConflict(f"Entry {entry.index} of the ledger stands already and says something else.")
            if entry.index > size:
                raise LedgerConflict(f"Entry {entry.index} cannot be kept: the ledger has only {size}.")
            conn.execute(
                "INSERT INTO ledger_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (entry.index, entry.kind, entry.day, entry.sealed_at, entry.entry, b"".join(entry.leaves),
                 json.dumps(dict(entry.first)), entry.note, entry.state),
            )  # fmt: skip
            # A death before the commit leaves neither entry nor segments; the same entry is then made again.
            for segment in entry.segments:
                found = conn.execute(
                    "SELECT id FROM series WHERE target = ? AND location = ?", (segment.target, segment.location)
                ).fetchone()
                if found is None:
                    raise LedgerConflict(f"There is no series {segment.target} from {segment.location}.")
                conn.execute(
                    "INSERT INTO ledger_segments VALUES (?, ?, ?, ?, ?)",
                    (
                        entry.index,
                        found[0],
                        day if segment.day is None else _day_number(segment.day),
                        segment.observations,
                        segment.sha256,
                    ),
                )
            numbers: dict[tuple[str, str], int] = {}
            for content in entry.contents:
                number = numbers[content.group, content.kind] = numbers.get((content.group, content.kind), -1) + 1
                conn.execute(
                    "INSERT INTO ledger_contents VALUES (?, ?, ?, ?, ?)",
                    (entry.index, content.group, content.kind, number, content.data),
                )

        await self._write(change)

    def contents(self, index: int, groups: Sequence[str] | None = None) -> list[Content]:
        """What an entry sealed, of these groups (None: of all), each group's in the order of its leaves."""
        return [
            Content(group=group, kind=kind, data=data)
            for group, kind, data in self._all(
                "SELECT grp, kind, data FROM ledger_contents WHERE idx = ? ORDER BY grp,"
                " CASE kind WHEN 'config' THEN 0 WHEN 'segment' THEN 1 ELSE 2 END, number",
                (index,),
            )
            if groups is None or group in groups
        ]

    def events_before(self, index: int, group: str) -> list[bytes]:
        """The events of a group in the entries before that one, in order, packed as whoever sealed packed them."""
        found = self._all(
            "SELECT data FROM ledger_contents WHERE idx < ? AND grp = ? AND kind = 'event' ORDER BY idx, number",
            (index, group),
        )
        return [bytes(data) for (data,) in found]

    async def secret(self, fresh: bytes) -> bytes:
        """The ledger's secret, from which groups have theirs; `fresh` becomes it where there is none yet."""

        def change(conn: sqlite3.Connection) -> bytes:
            conn.execute("INSERT INTO ledger_secret VALUES (1, ?)", (fresh,))
            return bytes(conn.execute("SELECT secret FROM ledger_secret").fetchone()[0])

        return await self._write(change)

    def size(self) -> int:
        """How many entries there are."""
        return int(self._one("SELECT count(*) FROM ledger_entries")[0])

    def last(self) -> LedgerEntry | None:
        """The newest entry."""
        found = self._one(f"{_ENTRY} ORDER BY idx DESC LIMIT 1")
        return _entry(*found) if found else None

    def entry(self, index: int) -> LedgerEntry | None:
        """One entry."""
        found = self._one(f"{_ENTRY} WHERE idx = ?", (index,))
        return _entry(*found) if found else None

    def entries(self, *, first_day: str = "", last_day: str = "9999-12-31") -> list[LedgerEntry]:
        """The entries of these days (both inclusive), supplements among them, in the order of the log."""
        return [
            _entry(*found)
            for found in self._all(f"{_ENTRY} WHERE day BETWEEN ? AND ? ORDER BY idx", (first_day, last_day))
        ]

    def entry_hashes(self) -> list[bytes]:
        """Every entry's bytes, in order: what inclusion proofs of the log are made from."""
        return [entry for (entry,) in self._all("SELECT entry FROM ledger_entries ORDER BY idx")]

    def sealed(self, day: str) -> dict[tuple[str, str], int]:
        """How many observations of each (target, location) the seal and supplements of a day hold."""
        return {
            (target, location): count
            for target, location, count in self._all(
                "SELECT s.target, s.location, sum(l.observations)"
                " FROM ledger_segments l JOIN series s ON s.id = l.series WHERE l.day = ? GROUP BY l.series",
                (_day_number(day),),
            )
        }

    async def append_heartbeat(self, beat: LedgerHeartbeat) -> None:
        """Keep the next heartbeat of a day. Raises LedgerConflict as `append` does."""

        def change(conn: sqlite3.Connection) -> None:
            (size,) = conn.execute("SELECT count(*) FROM ledger_heartbeats WHERE day = ?", (beat.day,)).fetchone()
            if beat.index < size:
                stands = conn.execute(
                    "SELECT entry, note FROM ledger_heartbeats WHERE day = ? AND idx = ?", (beat.day, beat.index)
                ).fetchone()
                if stands == (beat.entry, beat.note):
                    return
            if beat.index != size:
                raise LedgerConflict(f"Heartbeat {beat.index} of {beat.day} does not follow: there are {size}.")
            leaves, first = b"".join(beat.leaves), json.dumps(dict(beat.first))
            conn.execute(
                "INSERT INTO ledger_heartbeats VALUES (?, ?, ?, ?, ?, ?, ?)",
                (beat.day, beat.index, beat.at, beat.entry, leaves, first, beat.note),
            )  # fmt: skip

        await self._write(change)

    def heartbeats(self, day: str) -> list[LedgerHeartbeat]:
        """A day's heartbeats, in order."""
        return [_heartbeat(*row) for row in self._all(f"{_HEARTBEAT} WHERE day = ? ORDER BY idx", (day,))]

    async def add_timestamp(self, stamp: Timestamp) -> None:
        """Keep a token; the same one twice is one."""

        def change(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT INTO ledger_timestamps (ref, authority, at, token) SELECT ?, ?, ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM ledger_timestamps WHERE ref = ? AND token = ?)",
                (stamp.ref, stamp.authority, stamp.at, stamp.token, stamp.ref, stamp.token),
            )

        await self._write(change)

    def timestamps(self, ref: str) -> list[Timestamp]:
        """The tokens over one checkpoint, oldest first."""
        return [
            Timestamp(ref=ref, authority=authority, at=at, token=token)
            for authority, at, token in self._all(
                "SELECT authority, at, token FROM ledger_timestamps WHERE ref = ? ORDER BY id", (ref,)
            )
        ]

    async def witnessed(self, ref: str, witness: str, at: int, detail: str = "") -> None:
        """Note that a witness has its copy of a checkpoint."""

        def change(conn: sqlite3.Connection) -> None:
            conn.execute("INSERT OR IGNORE INTO ledger_witnessed VALUES (?, ?, ?, ?)", (ref, witness, at, detail))

        await self._write(change)

    def witnesses(self, ref: str) -> dict[str, int]:
        """Who has a copy of a checkpoint, and since when."""
        return dict(self._all("SELECT witness, at FROM ledger_witnessed WHERE ref = ?", (ref,)))

    def unwitnessed(self, witness: str) -> list[int]:
        """The indexes of the log's entries whose checkpoints a witness has not got yet."""
        return [
            index
            for (index,) in self._all(
                "SELECT idx FROM ledger_entries e WHERE NOT EXISTS"
                " (SELECT 1 FROM ledger_witnessed w WHERE w.ref = 'log/' || e.idx AND w.witness = ?) ORDER BY idx",
                (witness,),
            )
        ]

    def unwitnessed_heartbeats(self, witness: str, first_day: str) -> list[LedgerHeartbeat]:
        """The heartbeats of this day and later ones that a witness has not got yet, in order."""
        rows = self._all(
            f"{_HEARTBEAT} h WHERE day >= ? AND NOT EXISTS (SELECT 1 FROM ledger_witnessed w"
            " WHERE w.ref = 'heartbeat/' || h.day || '/' || h.idx AND w.witness = ?) ORDER BY day, idx",
            (first_day, witness),
        )
        return [_heartbeat(*row) for row in rows]


_HEARTBEAT = "SELECT day, idx, at, entry, leaves, first, note FROM ledger_heartbeats"


def _heartbeat(day: str, index: int, at: int, entry: bytes, leaves: bytes, first: str, note: str) -> LedgerHeartbeat:
    return LedgerHeartbeat(
        day=day, index=index, at=at, entry=entry, leaves=_leaves(leaves), first=json.loads(first), note=note
    )


_ENTRY = "SELECT idx, kind, day, sealed_at, entry, leaves, first, note, state FROM ledger_entries"


def _entry(
    index: int, kind: str, day: str, sealed_at: int, entry: bytes, leaves: bytes, first: str, note: str, state: str
) -> LedgerEntry:
    return LedgerEntry(
        index=index, kind=kind, day=day, sealed_at=sealed_at, entry=entry, leaves=_leaves(leaves),
        first=json.loads(first), note=note, state=state,
    )  # fmt: skip


def _leaves(packed: bytes) -> tuple[bytes, ...]:
    return tuple(packed[n : n + 32] for n in range(0, len(packed), 32))


def _day_number(day: str) -> int:
    from datetime import date

    return (date.fromisoformat(day) - date(1970, 1, 1)).days
