"""Reads tables of databases that other programs made. Nothing is written there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from monitor.store import StoreError


def table(
    path: Path, name: str, columns: Sequence[str], *, optional: Sequence[str] = (), order: Sequence[str] = ()
) -> Iterator[tuple[Any, ...]]:
    """The rows of a table: the columns, then the optional ones (None where the table has them not).

    Raises StoreError with a sentence where the file is no SQLite database or has no such table or column.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as conn:
            there = {row[1] for row in conn.execute(f"PRAGMA table_info({_quoted(name)})")}
            if missing := [column for column in columns if column not in there]:
                what = f"no table “{name}”" if not there else f"no column {', '.join(missing)} in “{name}”"
                raise StoreError(f"{path} has {what}: it is a database of another program or version.")
            chosen = [_quoted(column) for column in columns]
            chosen += [_quoted(column) if column in there else "NULL" for column in optional]
            sql = f"SELECT {', '.join(chosen)} FROM {_quoted(name)}"
            if order:
                sql += f" ORDER BY {', '.join(map(_quoted, order))}"
            yield from conn.execute(sql)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read as a SQLite database: {error}.") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
