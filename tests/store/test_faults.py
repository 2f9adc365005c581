"""Each write fails, or fails but was persisted; then the store is opened again and one oracle looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlite_utils import Database

import monitor.store.sqlite as engine
from monitor.store import Event, Gap, StoreError, StoreFull, StoreRefused
from monitor.store.ledger import LedgerEntry, LedgerHeartbeat, SegmentRef, Timestamp
from monitor.store.proofs import ProofRecord
from monitor.store.sqlite import SqliteStore, integrity
from monitor.store.tokens import Token
from tests.store.conftest import T0, row

DAY = "2026-10-01"
PLAN: list[str] = []
"""What fails next: `begin`, `insert`, `commit`, or `persisted` (the commit works and its answer is lost)."""


class Flaky(sqlite3.Connection):
    """A connection that fails as PLAN says."""

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        word = sql.split(None, 1)[0].upper()
        if word == "COMMIT" and PLAN[:1] == ["persisted"]:
            super().execute(sql, *args)
            PLAN.pop(0)
            raise sqlite3.OperationalError("disk I/O error")
        if PLAN[:1] == [{"BEGIN": "begin", "COMMIT": "commit", "INSERT": "insert"}.get(word)]:
            PLAN.pop(0)
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)

    def executemany(self, sql: str, args: Any) -> sqlite3.Cursor:
        if PLAN[:1] == ["insert"]:
            PLAN.pop(0)
            raise sqlite3.OperationalError("disk I/O error")
        return super().executemany(sql, args)


@pytest.fixture
def flaky(monkeypatch, open_store):
    """Opens a store whose writer is Flaky."""
    PLAN.clear()

    def connect(path):
        conn = sqlite3.connect(path, isolation_level=None, timeout=0.05, factory=Flaky)
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        return conn

    opened = open_store(retry_s=(0.001, 0.01))
    opened.close()
    monkeypatch.setattr(engine, "_connect_writing", connect)
    return lambda **options: open_store(retry_s=(0.001, 0.01), **options)


GAP = Gap(target="mail-api", location="main", start=T0, end=T0 + 5, slots=2, reason="not_running")
ENTRY = LedgerEntry(
    index=0, kind="day", day=DAY, sealed_at=T0, entry=b"e", leaves=(b"l" * 32,), first={"": 0}, note="n", state="{}",
    segments=(SegmentRef(target="mail-api", location="main", observations=1, sha256=b"h"),),
)  # fmt: skip
BEAT = LedgerHeartbeat(day=DAY, index=0, at=T0, entry=b"e", leaves=(), first={}, note="n")
STAMP = Timestamp(ref="log/0", authority="a", at=T0, token=b"t")
TOKEN = Token(name="n", digest=b"d", scopes=frozenset(), created_at=T0)
PROOF = ProofRecord(
    contract="c", period="2026-10", revision=1, language="en", made_at=T0, path="p", sha256="s", size=1,
    bundle_sha256="b", content_sha256="c",
)  # fmt: skip

WAITING: dict[str, tuple[Callable[[SqliteStore], Awaitable[Any]], Callable[[SqliteStore], int]]] = {
    "row": (lambda s: s.writer.put_row(row(5, evidence=b"z")), lambda s: len(s.reader.rows(T0 + 1, T0 + 9))),
    "gap": (lambda s: s.writer.put_gap(GAP), lambda s: len(s.reader.gaps(0, T0 * 2))),
    "event": (lambda s: s.writer.put_event(Event(kind="start", at=T0)), lambda s: len(s.reader.events())),
}
REFUSED: dict[str, tuple[Callable[[SqliteStore], Awaitable[Any]], Callable[[SqliteStore], int]]] = {
    "entry": (lambda s: s.ledger.append(ENTRY), lambda s: s.ledger.size() and sum(s.ledger.sealed(DAY).values())),
    "heartbeat": (lambda s: s.ledger.append_heartbeat(BEAT), lambda s: len(s.ledger.heartbeats(DAY))),
    "timestamp": (lambda s: s.ledger.add_timestamp(STAMP), lambda s: len(s.ledger.timestamps("log/0"))),
    "witness": (lambda s: s.ledger.witnessed("log/0", "w", T0), lambda s: len(s.ledger.witnesses("log/0"))),
    "message": (lambda s: s.outbox.add("k", "mail", "x", {}, now=T0), lambda s: len(s.outbox.waiting())),
    "memory": (lambda s: s.outbox.remember("k", 1), lambda s: len(s.outbox.recall_all())),
    "token": (lambda s: s.tokens.add(TOKEN), lambda s: len(s.tokens.all())),
    "proof": (lambda s: s.proofs.add(PROOF), lambda s: len(s.proofs.all())),
    "page": (
        lambda s: s.pages.put("f", "u", at=T0, content_type="t", body=b"b"),
        lambda s: len(s.pages.between("f", 0, T0 * 2)),
    ),
}


@pytest.mark.parametrize("fault", ["begin", "insert", "commit", "persisted"])
@pytest.mark.parametrize("what", WAITING)
async def test_what_the_daemon_puts_waits_until_it_is_written_once(flaky, what, fault):
    """A row, gap or event whose write failed, or whose answer was lost, is acknowledged in the end and stands once."""
    write, count = WAITING[what]
    store = flaky()
    await store.writer.put_row(row())
    PLAN[:] = [fault, fault]
    await asyncio.wait_for(write(store), 30)
    assert PLAN == []
    assert store.writer.state.failing_since is None
    again = flaky()
    assert count(again) == 1
    assert len(again.reader.rows(T0, T0 + 1)) == 1
    assert integrity(again.path) == []


@pytest.mark.parametrize("fault", ["begin", "insert", "commit", "persisted"])
@pytest.mark.parametrize("what", REFUSED)
async def test_what_others_write_fails_at_once_and_can_be_made_again(flaky, what, fault):
    """A change whose write failed is told so; whether or not it was persisted, making it again leaves it once."""
    write, count = REFUSED[what]
    store = flaky()
    await store.writer.put_row(row())
    PLAN[:] = [fault]
    with pytest.raises((StoreError, sqlite3.OperationalError)):
        await asyncio.wait_for(write(store), 30)
    again = flaky()
    assert count(again) == (1 if fault == "persisted" else 0)
    await write(again)
    last = flaky()
    assert count(last) == 1
    assert integrity(last.path) == []


async def test_a_wrong_change_harms_nobody_beside_it(store):
    """In one group a change that is refused is rolled back alone; what was put beside it is kept."""

    def wrong(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO memory VALUES ('half', '1')")
        raise LookupError("no")

    first = store.writer.put_row(row())
    bad = store.writer.write(wrong)
    unknown = store.writer.put_row(row(1, outcome="sideways"))
    last = store.writer.put_row(row(2))
    results = await asyncio.gather(first, bad, unknown, last, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LookupError, ValueError, type(None)]
    assert store.outbox.recall("half") is None
    assert len(store.reader.rows(T0, T0 + 9)) == 2


async def test_a_locked_database_stops_nothing_but_writing(open_store):
    """While another program holds the write lock results wait and reading goes on; afterwards all is written."""
    store = open_store(retry_s=(0.001, 0.01))
    await store.writer.put_row(row())
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [store.writer.put_row(row(n)) for n in range(1, 50)]
    for _ in range(3000):
        if store.writer.state.failing_since is not None:
            break
        await asyncio.sleep(0.01)
    state = store.writer.state
    assert "locked" in (state.last_error or "")
    assert state.queued == 49
    assert len(store.reader.rows(T0, T0 + 99)) == 1
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    assert store.writer.state.failing_since is None
    assert len(store.reader.rows(T0, T0 + 99)) == 50


async def test_what_finds_no_room_is_counted_as_a_gap(flaky, monkeypatch):
    """On a full disk results wait in bounded memory; what had to be dropped becomes a gap when writing works again."""
    full = True
    connect = engine._connect_writing

    def small(path):
        conn = connect(path)
        if full:
            (pages,) = conn.execute("PRAGMA page_count").fetchone()
            conn.execute(f"PRAGMA max_page_count = {pages}")
        return conn

    monkeypatch.setattr(engine, "_connect_writing", small)
    store = flaky(queue_rows=400, gather_s=1.0)  # all of it in one group, which finds no room
    kept = [store.writer.put_row(row(n * 1000, facts={"n": "x" * 90 + str(n)})) for n in range(400)]
    dropped = [store.writer.put_row(row(400_000 + n * 1000, scheduled=n != 3)) for n in range(5)]
    assert all(isinstance(one.exception(), StoreFull) for one in dropped)
    for _ in range(3000):
        if store.writer.state.failing_since is not None:
            break
        await asyncio.sleep(0.01)
    state = store.writer.state
    assert "full" in (state.last_error or "")
    assert (state.queued, state.dropped, state.unaccounted) == (400, 5, 4)
    with pytest.raises(StoreError, match="Nothing can be written just now"):
        await store.outbox.add("k", "mail", "x", {}, now=T0)
    full = False
    await asyncio.wait_for(asyncio.gather(*kept), 30)
    (gap,) = store.reader.gaps(0, T0 * 2)
    assert (gap.start, gap.end, gap.slots, gap.reason) == (T0 + 400_000, T0 + 404_001, 4, "store_full")
    assert (store.writer.state.dropped, store.writer.state.unaccounted) == (5, 0)
    assert len(store.reader.rows(0, T0 * 2)) == 400


async def test_closing_while_nothing_can_be_written_gives_up_and_says_so(open_store):
    """A daemon that must end does not hang on a locked file; whoever waits is told that it was not kept."""
    store = open_store(retry_s=(0.001, 0.01))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = store.writer.put_row(row())
    await asyncio.to_thread(store.close)
    with pytest.raises(StoreFull, match="closed before"):
        await waiting
    other.close()
    assert open_store().reader.rows(0, T0 * 2) == []


TABLES = [
    "observations",
    "gaps",
    "events",
    "evidence",
    "series",
    "shared",
    "meta",
    "ledger_entries",
    "proofs",
    "feed_pages",
]


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_is_changed_or_deleted(store, table):
    """No UPDATE, DELETE or REPLACE touches what was recorded, whoever tries it."""
    await store.writer.put_row(row(evidence=b"z"))
    await store.writer.put_gap(GAP)
    await store.writer.put_event(Event(kind="start", at=T0))
    await store.ledger.append(ENTRY)
    await store.proofs.add(PROOF)
    await store.pages.put("f", "u", at=T0, content_type="t", body=b"b")
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as conn:
        before = conn.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
        columns = [name for _, name, *_ in conn.execute(f"PRAGMA table_info({table})")]
        assert before
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            conn.execute(f"DELETE FROM {table}")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            conn.execute(f'UPDATE {table} SET "{columns[-1]}" = "{columns[-1]}"')
        values = list(before[0])
        values[-1] = 7 if isinstance(values[-1], int) else "{}" if isinstance(values[-1], str) else b"other"
        with contextlib.suppress(sqlite3.IntegrityError):
            conn.execute("PRAGMA recursive_triggers = OFF")
            conn.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(values))})", values)
        assert conn.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() == before


def test_a_newer_schema_is_refused(open_store):
    """A database that a newer version has migrated is not opened by this one."""
    store = open_store()
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as conn, conn:
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('slaproof', 'm999_new', '')"
        )
    with pytest.raises(engine.StoreRefused, match=r"newer slaproof .it has m999_new"):
        open_store()


def test_another_kind_of_file_is_refused(open_store, tmp_path):
    """A database of something else, and a file that is none, are left alone."""
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as conn, conn:
        conn.execute("CREATE TABLE t (x)")
    with pytest.raises(engine.StoreRefused, match="not one of slaproof"):
        open_store()
    (tmp_path / "s.db").write_bytes(b"hello" * 1000)
    with pytest.raises(engine.StoreRefused, match="file of another kind"):
        open_store()
    assert (tmp_path / "s.db").read_bytes() == b"hello" * 1000
    with pytest.raises(engine.StoreRefused, match="cannot be"):
        open_store(path=tmp_path / "no" / "s.db")


async def test_people_can_read_the_database_with_other_tools(store):
    """The views show ISO times and names: outages and months without knowing the tables."""
    rows = [row(n * 60_000, outcome="timeout" if n in (3, 4) else "rejected" if n == 5 else "ok") for n in range(8)]
    await asyncio.gather(*[store.writer.put_row(one) for one in rows], store.writer.put_gap(GAP))
    event = await store.writer.put_event(Event(kind="start", at=T0))
    await store.writer.put_event(Event(kind="correction", at=T0, corrects=event.id))
    with contextlib.closing(sqlite3.connect(store.path)) as conn:
        conn.row_factory = sqlite3.Row

        def first(view: str) -> dict[str, Any]:
            return dict(conn.execute(f"SELECT * FROM {view}").fetchone())

        seen = first("v_observations")
        assert (seen["at"], seen["outcome"], seen["code"]) == ("2026-10-01T00:00:00.000Z", "ok", 200)
        assert first("v_outages") == {
            "target": "mail-api", "location": "main", "start": "2026-10-01T00:03:00.000Z", "seconds": 120.0,
            "end": "2026-10-01T00:05:00.000Z", "failed_probes": 2, "outcome": "timeout",
        }  # fmt: skip
        month = first("v_months")
        assert (month["month"], month["probes"], month["ok"], month["provider_faults"]) == ("2026-10", 8, 5, 2)
        assert first("v_gaps")["reason"] == "not_running"
        assert first("v_events")["corrected_by"] is not None


@pytest.mark.parametrize("made", range(9))
async def test_a_death_while_the_database_is_made_leaves_one_that_opens(tmp_path, clock, made):
    """However many of the first steps were made, the next opening makes the rest, and the location is known."""
    path = tmp_path / "s.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute(f"PRAGMA application_id = {engine.APPLICATION_ID}")
        steps = [(group, name) for group in engine.migrations() for name in group.names()]
        for group in dict.fromkeys(group for group, _ in steps[:made]):
            ours = group.migrations()
            later = [name for other, name in steps[made:] if other is group]
            ours.apply(Database(conn, execute_plugins=False), stop_before=later)
        if not made:
            engine.core.migrations().ensure_migrations_table(Database(conn, execute_plugins=False))
    with SqliteStore.open(path, "main", clock, daemon=True) as store:
        await store.writer.put_row(row())
    with pytest.raises(engine.StoreRefused, match="belongs to the location “main”"):
        SqliteStore.open(path, "elsewhere", clock)


@pytest.mark.parametrize("other", [False, True], ids=["removed", "replaced"])
async def test_results_wait_while_the_database_is_taken_away(open_store, other):
    """What was written into a removed file would be lost with the daemon: it waits, and is kept once it is back."""
    store = open_store(retry_s=(0.001, 0.01))
    await store.writer.put_row(row())
    aside = store.path.with_name("aside.db")
    store.path.rename(aside)
    if other:
        store.path.write_bytes(b"")
    waiting = store.writer.put_row(row(5))
    while store.writer.state.failing_since is None:  # noqa: ASYNC110 - the writer's thread tells nobody
        await asyncio.sleep(0.001)
    assert ("replaced" if other else "removed") in str(store.writer.state.last_error)
    assert not waiting.done()
    assert not store.path.exists() or store.path.stat().st_size == 0
    aside.rename(store.path)
    await asyncio.wait_for(waiting, 30)
    assert store.writer.state.failing_since is None
    assert len(open_store().reader.rows(T0, T0 + 9)) == 2
    assert integrity(store.path) == []


async def test_a_daemon_that_ends_leaves_one_file(open_store):
    """Who stops it to copy the database copies all that was observed; readers that were open change nothing."""
    store = open_store()
    await store.writer.put_row(row())
    assert len(store.reader.rows(T0, T0 + 9)) == 1
    assert len(await store.run(store.reader.rows, T0, T0 + 9)) == 1
    store.close()
    assert sorted(one.name for one in store.path.parent.iterdir()) == ["s.db", "s.db-lock"]


async def test_a_lock_that_was_removed_is_taken_again(open_store, clock):
    """Whoever takes the lock file for a leftover lets no second daemon in beside the first."""
    store = open_store(retry_s=(0.001, 0.01))
    lock = store.path.with_name(f"{store.path.name}-lock")
    lock.unlink()
    await store.writer.put_row(row())
    with pytest.raises(StoreRefused, match="Another daemon"):
        SqliteStore.open(store.path, "main", clock, daemon=True)
    lock.unlink()
    with SqliteStore.open(store.path, "main", clock, daemon=True):
        waiting = store.writer.put_row(row(5))
        while store.writer.state.failing_since is None:  # noqa: ASYNC110 - the writer's thread tells nobody
            await asyncio.sleep(0.001)
        assert "Another daemon" in str(store.writer.state.last_error)
    await asyncio.wait_for(waiting, 30)
