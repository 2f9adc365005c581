"""The tables, and the triggers that keep them append-only. Migrations go forward only; a released one is never changed.

Instants are INTEGER milliseconds UTC. The views beginning with `v_` are for people and their tools (sqlite-utils,
Datasette): they show ISO times and names. They count probes; what a contract makes of them is `slaproof report`'s to
say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from monitor.store._codec import OUTCOMES

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

DAY_MS = 86_400_000


class Steps:
    """A set of migrations by name. sqlite-utils, which takes a while to load, is asked for only when one is due."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._steps: list[Callable[[Database], None]] = []

    def __call__(self) -> Callable[[Callable[[Database], None]], Callable[[Database], None]]:
        """A decorator for a step; the function's name is the step's."""

        def keep(step: Callable[[Database], None]) -> Callable[[Database], None]:
            self._steps.append(step)
            return step

        return keep

    def names(self) -> list[str]:
        """The steps, in order."""
        return [step.__name__ for step in self._steps]

    def migrations(self) -> Migrations:
        """As sqlite-utils applies them."""
        from sqlite_utils import Migrations

        made = Migrations(self.name)
        for step in self._steps:
            made()(step)
        return made


core = Steps("slaproof")


def append_only(table: str, *, unless: str | None = None) -> str:
    """Triggers that refuse UPDATE, and DELETE unless a condition on OLD holds."""
    when = f"WHEN NOT ({unless})" if unless else ""
    return f"""
    CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only: nothing is changed'); END;
    CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {when}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only: nothing is deleted'); END;
    """


def first_stands(table: str, *keys: tuple[str, ...]) -> str:
    """A trigger that passes over a row one of whose unique keys is there: no INSERT OR REPLACE changes it."""
    same = " OR ".join("(" + " AND ".join(f"{column} = NEW.{column}" for column in key) + ")" for key in keys)
    return f"""
    CREATE TRIGGER {table}_first_stands BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})
    BEGIN SELECT RAISE(IGNORE); END;
    """


def run(db: Database, script: str) -> None:
    """Run a script statement by statement inside the migration's transaction (`executescript` would commit it)."""
    import sqlite3

    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.conn.execute(statement)
            statement = ""
    assert not statement.strip(), f"half a statement: {statement}"


def iso(column: str) -> str:
    """SQL for a column of milliseconds as RFC 3339."""
    return f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000, 'unixepoch') || printf('.%03dZ', {column} % 1000)"


_RETAINED = f"EXISTS (SELECT 1 FROM retention r WHERE r.series = OLD.series AND r.day = OLD.at / {DAY_MS})"


@core()
def m001_observations(db: Database) -> None:
    """Observations and what they refer to."""
    run(
        db,
        """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        CREATE TABLE outcomes (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, fault TEXT) STRICT;
        CREATE TABLE series (
            id INTEGER PRIMARY KEY, target TEXT NOT NULL, location TEXT NOT NULL, UNIQUE (target, location)
        ) STRICT;
        CREATE TABLE shared (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
        CREATE TABLE observations (
            series INTEGER NOT NULL REFERENCES series,
            at INTEGER NOT NULL,
            kind INTEGER NOT NULL, -- outcome's code * 2, + 1 where the probe was not scheduled
            duration_ms INTEGER NOT NULL,
            shared INTEGER REFERENCES shared,
            phases BLOB, -- varints, 10 µs each, named in shared
            extra TEXT,
            PRIMARY KEY (series, at)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE evidence (
            id INTEGER PRIMARY KEY, series INTEGER NOT NULL REFERENCES series, at INTEGER NOT NULL, blob BLOB NOT NULL,
            UNIQUE (series, at)
        ) STRICT;
        CREATE TABLE days (day INTEGER PRIMARY KEY, observations INTEGER NOT NULL) STRICT; -- UTC day since the epoch
        CREATE TABLE gaps (
            id INTEGER PRIMARY KEY,
            series INTEGER NOT NULL REFERENCES series,
            start INTEGER NOT NULL,
            "end" INTEGER NOT NULL CHECK ("end" > start),
            slots INTEGER NOT NULL CHECK (slots >= 0),
            reason TEXT NOT NULL,
            detail TEXT NOT NULL,
            entered_at INTEGER NOT NULL,
            UNIQUE (series, start, "end", reason)
        ) STRICT;
        CREATE INDEX gaps_by_time ON gaps (start, "end");
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            at INTEGER NOT NULL,
            entered_at INTEGER NOT NULL,
            source TEXT NOT NULL,
            corrects TEXT REFERENCES events (id),
            data TEXT NOT NULL CHECK (json_valid(data))
        ) STRICT;
        CREATE INDEX events_by_time ON events (at);
        CREATE INDEX events_by_entry ON events (entered_at);
        CREATE INDEX events_corrected ON events (corrects) WHERE corrects IS NOT NULL;
        CREATE TABLE retention (
            series INTEGER NOT NULL REFERENCES series,
            day INTEGER NOT NULL,
            export TEXT NOT NULL, -- the bundle that holds the day
            at INTEGER NOT NULL,
            PRIMARY KEY (series, day)
        ) STRICT, WITHOUT ROWID;
        """,
    )
    db.conn.executemany("INSERT INTO outcomes VALUES (?, ?, ?)", OUTCOMES)
    run(
        db,
        append_only("meta")
        + append_only("outcomes")
        + append_only("series")
        + append_only("shared")
        + append_only("observations", unless=_RETAINED)
        + append_only("evidence", unless=_RETAINED)
        + append_only("gaps")
        + append_only("events")
        + append_only("retention")
        + first_stands("meta", ("key",))
        + first_stands("outcomes", ("code",), ("name",))
        + first_stands("series", ("id",), ("target", "location"))
        + first_stands("shared", ("id",), ("hash",))
        + first_stands("observations", ("series", "at"))
        + first_stands("evidence", ("id",), ("series", "at"))
        + first_stands("gaps", ("id",), ("series", "start", '"end"', "reason"))
        + first_stands("events", ("seq",), ("id",))
        + first_stands("retention", ("series", "day")),
    )


@core()
def m002_views(db: Database) -> None:
    """What people read."""
    run(
        db,
        f"""
        CREATE VIEW v_observations AS
        SELECT {iso("o.at")} AS at, s.target, s.location, (o.kind & 1) = 0 AS scheduled, c.name AS outcome, c.fault,
            o.duration_ms, json_extract(h.body, '$.code') AS code,
            coalesce(json_extract(o.extra, '$.detail'), json_extract(h.body, '$.detail')) AS detail,
            json_extract(h.body, '$.facts') AS facts, json_extract(o.extra, '$.facts') AS more_facts,
            json_extract(o.extra, '$.ids') AS ids, o.at AS at_ms
        FROM observations o JOIN series s ON s.id = o.series JOIN outcomes c ON c.code = o.kind >> 1
            LEFT JOIN shared h ON h.id = o.shared;

        CREATE VIEW v_gaps AS
        SELECT {iso("g.start")} AS start, {iso('g."end"')} AS "end", (g."end" - g.start) / 1000.0 AS seconds, s.target,
            s.location, g.slots, g.reason, g.detail
        FROM gaps g JOIN series s ON s.id = g.series ORDER BY g.start;

        CREATE VIEW v_events AS
        SELECT e.id, {iso("e.at")} AS at, {iso("e.entered_at")} AS entered_at, e.kind, e.source, e.data, e.corrects,
            (SELECT group_concat(c.id, ' ') FROM events c WHERE c.corrects = e.id) AS corrected_by
        FROM events e ORDER BY e.seq;

        -- Of each target and location, every run of failures that are the provider's, from the first failed probe to
        -- the first probe that was not one.
        CREATE VIEW v_outages AS
        WITH failing AS (SELECT code FROM outcomes WHERE fault = 'provider'),
        runs AS (
            SELECT o.series, o.at AS start, o.kind,
                (SELECT min(n.at) FROM observations n
                 WHERE n.series = o.series AND n.at > o.at AND n.kind >> 1 NOT IN failing) AS ended
            FROM observations o
            WHERE o.kind >> 1 IN failing AND coalesce(
                (SELECT p.kind >> 1 NOT IN failing FROM observations p
                 WHERE p.series = o.series AND p.at < o.at ORDER BY p.at DESC LIMIT 1), 1)
        )
        SELECT s.target, s.location, {iso("r.start")} AS start,
            CASE WHEN r.ended IS NULL THEN NULL ELSE {iso("r.ended")} END AS "end",
            (coalesce(r.ended, (SELECT max(l.at) FROM observations l WHERE l.series = r.series)) - r.start) / 1000.0
                AS seconds,
            (SELECT count(*) FROM observations f
             WHERE f.series = r.series AND f.at >= r.start AND f.at < coalesce(r.ended, 1 << 62)) AS failed_probes,
            c.name AS outcome
        FROM runs r JOIN series s ON s.id = r.series JOIN outcomes c ON c.code = r.kind >> 1 ORDER BY r.start;

        CREATE VIEW v_months AS
        SELECT strftime('%Y-%m', o.at / 1000, 'unixepoch') AS month, s.target, s.location, count(*) AS probes,
            sum(o.kind & 1) AS extra_probes, sum(o.kind >> 1 = 0) AS ok, sum(c.fault IS 'provider') AS provider_faults,
            sum(c.fault IS 'customer') AS customer_faults, sum(c.fault IS 'network') AS network_faults,
            sum(c.fault IS 'monitor') AS monitor_faults, round(avg(o.duration_ms), 1) AS mean_ms
        FROM observations o JOIN series s ON s.id = o.series JOIN outcomes c ON c.code = o.kind >> 1
        GROUP BY 1, o.series ORDER BY 1, 2, 3;
        """,
    )
