"""Messages that wait until they are delivered, and what the messengers must remember across a restart.

A message has a key; the same key twice is one message. It is marked as sent after the other side took it: a death
between leaves it waiting, so it carries its key along (Message-ID, idempotency header) for the other side to know it
again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.store._schema import Steps, run
from monitor.store._tables import Repository

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("slaproof.outbox")


@migrations()
def m001_outbox(db: Database) -> None:
    """Messages and memory."""
    run(
        db,
        """
        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            channel TEXT NOT NULL,
            kind TEXT NOT NULL,
            body TEXT NOT NULL CHECK (json_valid(body)),
            created_at INTEGER NOT NULL,
            not_before INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            last_error TEXT,
            sent_at INTEGER,
            receipt TEXT,
            given_up_at INTEGER
        ) STRICT;
        CREATE INDEX outbox_waiting ON outbox (not_before) WHERE sent_at IS NULL AND given_up_at IS NULL;
        CREATE TABLE memory (key TEXT PRIMARY KEY, value TEXT NOT NULL CHECK (json_valid(value))) STRICT;
        """,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message over one channel."""

    id: int
    key: str
    channel: str
    kind: str
    body: Mapping[str, Any]
    created_at: int
    not_before: int
    attempts: int
    last_error: str | None
    sent_at: int | None
    receipt: str | None
    """What the other side answered."""
    given_up_at: int | None


class Outbox(Repository):
    """The messages."""

    async def add(
        self, key: str, channel: str, kind: str, body: Mapping[str, Any], *, now: int, not_before: int | None = None
    ) -> bool:
        """Let a message wait for its delivery; False where its key is known, whatever has become of that one."""
        values = (
            key,
            channel,
            kind,
            json.dumps(dict(body), ensure_ascii=False),
            now,
            now if not_before is None else not_before,
        )

        def change(conn: sqlite3.Connection) -> bool:
            cursor = conn.execute(
                "INSERT INTO outbox (key, channel, kind, body, created_at, not_before) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO NOTHING",
                values,
            )
            return cursor.rowcount == 1

        return await self._write(change)

    def due(self, now: int, *, limit: int = 100) -> list[Message]:
        """Those that may be sent now, oldest first."""
        return self._messages(
            "WHERE sent_at IS NULL AND given_up_at IS NULL AND not_before <= ? ORDER BY not_before, id LIMIT ?",
            (now, limit),
        )

    def waiting(self) -> list[Message]:
        """All that are not delivered yet."""
        return self._messages("WHERE sent_at IS NULL AND given_up_at IS NULL ORDER BY id", ())

    def recent(self, limit: int = 100) -> list[Message]:
        """The newest, whatever became of them, newest first."""
        return self._messages("ORDER BY id DESC LIMIT ?", (limit,))

    def by_key(self, key: str) -> Message | None:
        """The message of that key."""
        found = self._messages("WHERE key = ?", (key,))
        return found[0] if found else None

    async def sent(self, id: int, *, at: int, receipt: str = "") -> None:
        """It was taken by the other side."""
        await self._change(
            "UPDATE outbox SET sent_at = ?, receipt = ?, attempts = attempts + 1, last_error = NULL"
            " WHERE id = ? AND sent_at IS NULL",
            (at, receipt, id),
        )

    async def failed(self, id: int, *, error: str, retry_at: int) -> None:
        """It was not taken; it may be tried again from `retry_at` on."""
        await self._change(
            "UPDATE outbox SET attempts = attempts + 1, last_error = ?, not_before = ?"
            " WHERE id = ? AND sent_at IS NULL",
            (error, retry_at, id),
        )

    async def give_up(self, id: int, *, at: int, error: str) -> None:
        """It will not be tried again."""
        await self._change(
            "UPDATE outbox SET given_up_at = ?, last_error = ? WHERE id = ? AND sent_at IS NULL", (at, error, id)
        )

    def recall(self, key: str) -> Any:
        """What was remembered under a key; None where nothing was."""
        found = self._one("SELECT value FROM memory WHERE key = ?", (key,))
        return json.loads(found[0]) if found else None

    def recall_all(self, prefix: str = "") -> dict[str, Any]:
        """All that was remembered under keys that begin so."""
        found = self._all("SELECT key, value FROM memory WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
        return {key: json.loads(value) for key, value in found}

    async def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value across a restart; None forgets it."""
        if value is None:
            await self._change("DELETE FROM memory WHERE key = ?", (key,))
            return
        await self._change(
            "INSERT INTO memory VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, json.dumps(value, ensure_ascii=False)),
        )

    async def _change(self, sql: str, args: tuple[Any, ...]) -> None:
        def change(conn: sqlite3.Connection) -> None:
            conn.execute(sql, args)

        await self._write(change)

    def _messages(self, tail: str, args: tuple[Any, ...]) -> list[Message]:
        rows = self._all(f"SELECT {', '.join(_NAMES)} FROM outbox {tail}", args)
        return [Message(**{**dict(zip(_NAMES, row, strict=True)), "body": json.loads(row[4])}) for row in rows]


_NAMES = (
    "id", "key", "channel", "kind", "body", "created_at", "not_before", "attempts", "last_error", "sent_at", "receipt",
    "given_up_at",
)  # fmt: skip
