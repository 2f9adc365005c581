"""The SQLite engine: opening with its refusals, the lock against a second daemon, backup, closing.

1. A database that would mislabel what it holds is not opened.
2. One daemon holds a database: an exclusive `flock` on `<database>-lock`, which the kernel lets go of when the process
   ends, however it ends.
3. The schema is changed only by who holds that lock.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from monitor.clock import Clock
from monitor.store import StoreError, StoreRefused, ledger, outbox, pages, proofs, retention, tokens
from monitor.store._reader import SqliteReader
from monitor.store._schema import Steps, core
from monitor.store._writer import GATHER_S, RETRY_S, SqliteWriter
from monitor.store.hold import Hold
from monitor.times import iso, span

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

APPLICATION_ID = 0x51A9_0001
"""`PRAGMA application_id`, so that `file` and we ourselves know the database."""


def migrations() -> list[Steps]:
    """Every set of migrations, in the order in which they are applied."""
    return [
        core, ledger.migrations, outbox.migrations, proofs.migrations, tokens.migrations, pages.migrations
    ]  # fmt: skip


class SqliteStore:
    """An open database of one location: `writer` and `reader` are the ports, the repositories stand beside them."""

    def __init__(
        self, path: Path, location: str, clock: Clock, hold: Hold | None, *, queue_rows: int, gather_s: float,
        retry_s: tuple[float, float],
    ) -> None:  # fmt: skip
        self.path = path
        self.location = location
        self._hold = hold
        self.reader = SqliteReader(path, partial(_connect_reading, path))
        self.writer = SqliteWriter(
            partial(_connect_writing, path), clock, queue_rows=queue_rows, gather_s=gather_s, retry_s=retry_s,
            look=hold.begin() if hold is not None else None,
        )  # fmt: skip
        both = (self.writer, self.reader)
        self.ledger = ledger.Ledger(*both)
        self.outbox = outbox.Outbox(*both)
        self.tokens = tokens.Tokens(*both)
        self.proofs = proofs.Proofs(*both)
        self.pages = pages.FeedPages(*both)
        self.retention = retention.Retention(*both)
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        location: str,
        clock: Clock,
        *,
        daemon: bool = False,
        create: bool = True,
        queue_rows: int = 100_000,
        gather_s: float = GATHER_S,
        retry_s: tuple[float, float] = RETRY_S,
    ) -> SqliteStore:
        """See `monitor.store.open_store`."""
        if not path.exists() and not create:
            raise StoreRefused(
                f"There is no database {path} yet. The daemon makes it on its first start: “slaproof run”."
            )
        hold = Hold(path) if daemon else None
        try:
            _prepare(path, location, clock, held=hold is not None)
            if daemon:
                _check_clock(path, clock)
            return cls(path, location, clock, hold, queue_rows=queue_rows, gather_s=gather_s, retry_s=retry_s)
        except sqlite3.DatabaseError as error:
            _let_go(hold)
            raise StoreRefused(f"{path} cannot be opened: {error}. {_hint(error)}") from error
        except BaseException:
            _let_go(hold)
            raise

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a reading function in a thread with its own connection: `await store.run(store.reader.rows, 0, now)`."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(4, thread_name_prefix="store-reader")
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def backup(self, target: Path, *, progress: Callable[[int, int], None] | None = None, pages: int = 2_000) -> int:
        """Copy the database, consistent as of one instant, while it is written; returns the bytes of the copy.

        `progress(done, total)` is told in pages. Raises StoreError where the target exists or cannot be written.
        """
        return copy(self.path, target, progress=progress, pages=pages)

    def close(self) -> None:
        """Commit what waits and let go of the database. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self.writer.close()
        if self._pool is not None:
            self._pool.shutdown()
        self.reader.close()
        if self._hold is not None:
            self._fold(self._hold)
        _let_go(self._hold)

    def _fold(self, hold: Hold) -> None:
        """Leave one file, whole without its log: who stops the daemon to copy the database copies that file alone.

        The last connection folds the log in as it closes, if it is one that writes. Nothing is lost where it cannot.
        """
        with suppress(StoreRefused, sqlite3.Error):
            hold.look()
            with closing(_connect_writing(self.path)) as conn:
                conn.execute("SELECT count(*) FROM meta").fetchone()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# -- connections -------------------------------------------------------------------------------------------------------


def _connect_writing(path: Path) -> sqlite3.Connection:
    # isolation_level None: transactions begin and end where the code says so.
    conn = sqlite3.connect(path, isolation_level=None, timeout=2.0, cached_statements=64)
    return _set_up(
        conn,
        "journal_mode = WAL",
        "synchronous = FULL",
        "recursive_triggers = ON",
        "journal_size_limit = 67108864",
        "cache_size = -16384",
    )


def _connect_reading(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(
        f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, timeout=10.0, check_same_thread=False
    )  # fmt: skip
    return _set_up(conn, "query_only = ON", "cache_size = -32768")


def _set_up(conn: sqlite3.Connection, *pragmas: str) -> sqlite3.Connection:
    """The connection with these settings; closed where it cannot have them, as a file of another kind is found then."""
    try:
        for pragma in pragmas:
            conn.execute(f"PRAGMA {pragma}")
    except BaseException:
        conn.close()
        raise
    return conn


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


# -- opening -----------------------------------------------------------------------------------------------------------


_preparing = threading.Lock()


def _prepare(path: Path, location: str, clock: Clock, *, held: bool) -> None:
    """Look whether the database is ours and of this schema; make or migrate it where it is not yet."""
    with _preparing, closing(_connect_writing(path)) as conn:
        (application,) = conn.execute("PRAGMA application_id").fetchone()
        tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if tables and application != APPLICATION_ID:
            raise StoreRefused(f"{path} is a database, but not one of slaproof. Name another file under storage.")
        if "meta" in tables:
            _check_location(conn, path, location)
        if not tables or _pending(conn, path):
            # A death within leaves some migrations made, perhaps not even `meta`: the next opening makes the others.
            _migrate(conn, path, held=held)
        # A death before this leaves a database without a location: whoever opens it next gives it one.
        missing = "WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = ?)"
        for key, value in (("location", location), ("created", iso(clock.now_ms()))):
            if conn.execute("SELECT 1 FROM meta WHERE key = ?", (key,)).fetchone() is None:
                conn.execute(f"INSERT INTO meta SELECT ?, ? {missing}", (key, value, key))
        _check_location(conn, path, location)


def _check_location(conn: sqlite3.Connection, path: Path, location: str) -> None:
    found = conn.execute("SELECT value FROM meta WHERE key = 'location'").fetchone()
    if found is not None and found[0] != location:
        raise StoreRefused(
            f"{path} belongs to the location “{found[0]}”, and this is “{location}”. "
            "Give each location a database of its own, or put the old name back: what was seen there was not seen here."
        )


def _pending(conn: sqlite3.Connection, path: Path) -> bool:
    """Whether migrations are due. Raises StoreRefused where some were applied that this version does not know."""
    known = {(group.name, step) for group in migrations() for step in group.names()}
    try:
        applied = {(str(a), str(b)) for a, b in conn.execute("SELECT migration_set, name FROM _sqlite_migrations")}
    except sqlite3.OperationalError:
        applied = set()
    if newer := sorted(name for group, name in applied - known):
        raise StoreRefused(
            f"{path} was written by a newer slaproof (it has {', '.join(newer)}). "
            "Use that version, or a backup from before."
        )
    return bool(known - applied)


def _migrate(conn: sqlite3.Connection, path: Path, *, held: bool) -> None:
    from sqlite_utils import Database

    hold = None
    if not held:
        try:
            hold = Hold(path)
        except StoreRefused:
            raise StoreRefused(
                f"{path} is of an older slaproof, and a daemon of that version holds it. Restart the daemon first."
            ) from None
    try:
        if not _pending(conn, path) and conn.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
            return  # another process was quicker
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        # A death within leaves the migrations made so far: each is one transaction with the note that it was made.
        db = Database(conn, execute_plugins=False)
        for group in migrations():
            group.migrations().apply(db)
    finally:
        _let_go(hold)


def _let_go(hold: Hold | None) -> None:
    if hold is not None:
        hold.let_go()


def _check_clock(path: Path, clock: Clock) -> None:
    with closing(_connect_reading(path)) as conn:
        last = [
            conn.execute("SELECT max(at) FROM observations WHERE series = ?", (number,)).fetchone()[0]
            for (number,) in conn.execute("SELECT id FROM series")
        ]
    newest = max((at for at in last if at is not None), default=None)
    now = clock.now_ms()
    if newest is not None and newest > now:
        raise StoreRefused(
            f"The clock says {iso(now)}, but the last observation in {path} was made at {iso(newest)}, "
            f"{span(newest - now)} later. "
            "Set the clock right, then start again: what was recorded now would stand before what was recorded then."
        )


def _hint(error: sqlite3.DatabaseError) -> str:
    text = str(error)
    if "not a database" in text:
        return "It is a file of another kind; name another under storage."
    if "malformed" in text:
        return "It is damaged; restore a backup, and keep the damaged file."
    if "locked" in text:
        return "Another program holds it in a transaction; let that end first."
    if "full" in text:
        return "The disk is full; make room."
    return "Look whether the directory is there, and whether this user may write in it."


# -- copying -----------------------------------------------------------------------------------------------------------


def copy(source: Path, target: Path, *, progress: Callable[[int, int], None] | None = None, pages: int = 2_000) -> int:
    """See `SqliteStore.backup`; the copy is complete or absent, whatever happens meanwhile."""
    if target.exists():
        raise StoreError(f"{target} is there already; a backup never overwrites.")
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)

    def told(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    try:
        with closing(_connect_reading(source)) as old, closing(sqlite3.connect(part, isolation_level=None)) as new:
            # One read transaction holds the source still: writers go on in the log beside it, and the copy is of one
            # instant.
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            old.backup(new, pages=pages, progress=told, sleep=0.0)
            old.execute("COMMIT")
            new.execute("PRAGMA journal_mode = DELETE")  # one file; whoever opens it for writing turns the log on again
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        # A death before this line leaves a hidden .part beside, which the next backup removes; the name appears only
        # whole.
        _name(part, target)
        _sync_directory(target.parent)
    except FileExistsError:
        raise StoreError(f"{target} is there already; a backup never overwrites.") from None
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"The copy could not be made: {error}.") from error
    finally:
        for name in (part, Path(f"{part}-wal"), Path(f"{part}-shm"), Path(f"{part}-journal")):
            name.unlink(missing_ok=True)
    return target.stat().st_size


def _name(part: Path, target: Path) -> None:
    """Give the copy its name, in one step, and over nobody."""
    try:
        os.link(part, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # A file system without hard links (FAT, some shares), as backups go to: look, then rename.
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        part.rename(target)
        return
    part.unlink()


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def integrity(path: Path) -> list[str]:
    """What `PRAGMA integrity_check` finds wrong; nothing where all is well."""
    with closing(_connect_reading(path)) as conn:
        found: list[Any] = conn.execute("PRAGMA integrity_check").fetchall()
    return [] if found == [("ok",)] else [str(line) for (line,) in found]
