"""docs/database.md says what is there, and its examples run."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

from monitor.judgement.events import KINDS
from monitor.judgement.gap_text import GAPS
from monitor.store import Event
from tests.store.conftest import row

PAGE = (Path(__file__).parents[2] / "docs" / "database.md").read_text()


async def test_every_statement_of_the_page_runs(store):
    """Each SQL example runs on a database with something in it, and finds something."""
    await store.writer.put_row(row(1, outcome="timeout"))
    await store.writer.put_row(row(60_000))
    await store.writer.put_event(Event(kind="maintenance", at=1, data={"contract": "c"}))
    blocks = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 4
    with contextlib.closing(sqlite3.connect(store.path)) as conn:
        for statement in blocks:
            assert conn.execute(statement).fetchall(), statement


def test_every_table_and_view_is_described(store):
    """The page names every table and every view, and nothing that is not there."""
    with contextlib.closing(sqlite3.connect(store.path)) as conn:
        there = {
            name
            for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
            if not name.startswith(("sqlite_", "_sqlite"))
        }
    named = {
        word
        for line in PAGE.splitlines()
        if line.startswith("| `")
        for word in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert named == there


def test_every_reason_and_kind_is_described():
    """The page names every reason of a gap and every kind of event."""
    words = set(re.findall(r"`(\w+)`", PAGE))
    assert set(GAPS["en"]) <= words
    assert set(KINDS) <= words
