"""Copies of what providers published, whenever it changed: evidence of what was admitted, and when it was seen."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.store._schema import Steps, append_only, first_stands, run
from monitor.store._tables import Repository

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("slaproof.pages")


@migrations()
def m001_pages(db: Database) -> None:
    """Feed pages."""
    run(
        db,
        """
        CREATE TABLE feed_pages (
            id INTEGER PRIMARY KEY, feed TEXT NOT NULL, url TEXT NOT NULL, at INTEGER NOT NULL, content_type TEXT NOT
            NULL, sha256 BLOB NOT NULL, body BLOB NOT NULL, UNIQUE (feed, url, at)
        ) STRICT;
        """
        + append_only("feed_pages")
        + first_stands("feed_pages", ("id",), ("feed", "url", "at")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """What stood at an address when it was read and had changed."""

    feed: str
    url: str
    at: int
    content_type: str
    sha256: bytes
    body: bytes


class FeedPages(Repository):
    """The copies."""

    async def put(self, feed: str, url: str, *, at: int, content_type: str, body: bytes) -> bool:
        """Keep a copy if it differs from the last one of that address; tells whether it did."""
        digest = hashlib.sha256(body).digest()
        packed = zlib.compress(body, 9)

        def change(conn: sqlite3.Connection) -> bool:
            last = conn.execute(
                "SELECT sha256 FROM feed_pages WHERE feed = ? AND url = ? ORDER BY at DESC LIMIT 1", (feed, url)
            ).fetchone()
            if last is not None and last[0] == digest:
                return False
            cursor = conn.execute(
                "INSERT INTO feed_pages (feed, url, at, content_type, sha256, body) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (feed, url, at, content_type, digest, packed),
            )
            return cursor.rowcount == 1

        return await self._write(change)

    def at(self, feed: str, instant: int, url: str | None = None) -> FeedPage | None:
        """The copy that was the newest at an instant."""
        found = self._all(
            f"{_PAGE} WHERE feed = ? AND at <= ? AND (? IS NULL OR url = ?) ORDER BY at DESC LIMIT 1",
            (feed, instant, url, url),
        )
        return _page(*found[0]) if found else None

    def between(self, feed: str, start: int, end: int) -> list[FeedPage]:
        """The copies made in [start, end), oldest first."""
        found = self._all(f"{_PAGE} WHERE feed = ? AND at >= ? AND at < ? ORDER BY at", (feed, start, end))
        return [_page(*one) for one in found]


_PAGE = "SELECT feed, url, at, content_type, sha256, body FROM feed_pages"


def _page(feed: str, url: str, at: int, content_type: str, sha256: bytes, body: bytes) -> FeedPage:
    return FeedPage(feed=feed, url=url, at=at, content_type=content_type, sha256=sha256, body=zlib.decompress(body))
