"""The one step that removes observations: a day that is sealed to the last row and stored in an exported bundle.

The triggers let nothing else be removed. The ledger stays verifiable: it holds digests, and the bundle holds the rows.
"""

from __future__ import annotations

import sqlite3
from datetime import date

from monitor.store._schema import DAY_MS
from monitor.store._tables import Repository


class Retention(Repository):
    """Removing, and what was removed."""

    async def remove(self, target: str, location: str, day: str, *, export: str, at: int) -> int:
        """Remove a day (2026-10-01) of one target and location; returns how many observations went.

        `export` names the bundle that holds them. Raises StoreError, or IntegrityError where the day is not wholly
        sealed.
        """
        number = (date.fromisoformat(day) - date(1970, 1, 1)).days

        def change(conn: sqlite3.Connection) -> int:
            found = conn.execute(
                "SELECT id FROM series WHERE target = ? AND location = ?", (target, location)
            ).fetchone()
            if found is None:
                return 0
            (series,) = found
            done = conn.execute("SELECT 1 FROM retention WHERE series = ? AND day = ?", (series, number)).fetchone()
            if done is None:
                conn.execute("INSERT INTO retention VALUES (?, ?, ?, ?)", (series, number, export, at))
            span = (series, number * DAY_MS, (number + 1) * DAY_MS)
            # A death before the commit leaves the day as it was, and not marked; after it, gone and marked.
            conn.execute("DELETE FROM evidence WHERE series = ? AND at >= ? AND at < ?", span)
            return conn.execute("DELETE FROM observations WHERE series = ? AND at >= ? AND at < ?", span).rowcount

        return await self._write(change)

    def removed(self) -> dict[tuple[str, str, str], str]:
        """(target, location, day) of what was removed, to the bundle that holds it."""
        epoch = date(1970, 1, 1).toordinal()
        return {
            (target, location, date.fromordinal(epoch + day).isoformat()): export
            for target, location, day, export in self._all(
                "SELECT s.target, s.location, r.day, r.export FROM retention r JOIN series s ON s.id = r.series"
            )
        }
