"""What the repositories share: a writer that makes changes, and a reader that asks."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from monitor.store._reader import SqliteReader
from monitor.store._writer import SqliteWriter

T = TypeVar("T")


class Repository:
    """A few tables and the questions asked of them. Reading blocks; writing is awaited until it is durable.

    A write raises StoreError while nothing can be written; it is harmless when made twice.
    """

    def __init__(self, writer: SqliteWriter, reader: SqliteReader) -> None:
        self._writer = writer
        self._reader = reader

    def _write(self, change: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        return self._writer.write(change)

    def _all(self, sql: str, args: Sequence[Any] = ()) -> list[Any]:
        return self._reader.query(sql, args)

    def _one(self, sql: str, args: Sequence[Any] = ()) -> Any:
        found = self._reader.query(sql, args)
        return found[0] if found else None
