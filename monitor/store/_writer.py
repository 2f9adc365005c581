"""The one writer: a thread that gathers what was put and commits it in groups.

A put is acknowledged (its future resolved) only after the COMMIT that holds it returned, with synchronous=FULL: then
it is on the disk. What a death leaves behind is said at each point below; recovery is SQLite's own, by the next
opening.

While nothing can be written (full disk, locked file) rows, gaps and events wait in order, in bounded memory, and are
tried again; only when the room is used up are rows dropped, counted, and accounted by gaps in the first commit that
works again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future as BlockingFuture
from concurrent.futures import InvalidStateError
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from monitor.clock import Clock
from monitor.store import Event, Gap, Row, StoreConflict, StoreError, StoreFull, StoreRefused, WriterState
from monitor.store._insert import Inserter, named

log = logging.getLogger(__name__)
T = TypeVar("T")

GATHER_S = 0.25
"""How long a row may wait for company; well within the second in which it must be durable."""
RETRY_S = (0.1, 2.0)
"""The first and the longest pause between tries while nothing can be written."""
BATCH = 5_000
EVIDENCE_BYTES = 64 * 1024 * 1024
"""How much evidence may wait; beyond it rows are kept without theirs."""

Tell = Callable[[Sequence[Row], Sequence[Gap], Sequence[Event]], None]


class _Item:
    """A write that waits, and who is told."""

    __slots__ = ("future", "loop", "what")

    def __init__(
        self, what: Row | Gap | Event | Callable[[sqlite3.Connection], Any],
        future: asyncio.Future[Any] | BlockingFuture[Any], loop: asyncio.AbstractEventLoop | None,
    ) -> None:  # fmt: skip
        self.what = what
        self.future = future
        self.loop = loop


class _Dropped:
    """The rows of one target and location that had to be given up."""

    __slots__ = ("first", "last", "slots")

    def __init__(self, at: int) -> None:
        self.first = self.last = at
        self.slots = 0


class SqliteWriter:
    """Implements `monitor.store.Writer`; `write` is for the repositories of this package."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        clock: Clock,
        *,
        queue_rows: int = 100_000,
        gather_s: float = GATHER_S,
        retry_s: tuple[float, float] = RETRY_S,
        look: Callable[[], None] | None = None,
    ) -> None:
        """`connect` is called in the writer's own thread; `retry_s`: the first and the longest pause between tries.

        `look` is called before each commit, and raises StoreRefused where nothing may be written.
        """
        self._connect = connect
        self._clock = clock
        self._queue_rows = queue_rows
        self._gather_s = gather_s
        self._retry_s = retry_s
        self._look = look
        self._cond = threading.Condition()
        self._items: deque[_Item] = deque()
        self._rows = 0  # rows among the items and in the batch under way
        self._evidence = 0
        self._urgent = False
        self._closing = False
        self._tellers: list[Tell] = []
        self._dropped: dict[tuple[str, str], _Dropped] = {}
        self._accounting: dict[tuple[str, str], _Dropped] = {}  # those whose gaps the commit under way enters
        self._committed = self._commits = self._total_dropped = 0
        self._last_at: int | None = None
        self._last_s = 0.0
        self._failing_since: int | None = None
        self._last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    # -- what others call ------------------------------------------------------------------------------------------

    @property
    def state(self) -> WriterState:
        """A snapshot of how the writing goes."""
        return WriterState(
            queued=self._rows,
            committed=self._committed,
            commits=self._commits,
            last_commit_at=self._last_at,
            last_commit_s=self._last_s,
            failing_since=self._failing_since,
            last_error=self._last_error,
            dropped=self._total_dropped,
            unaccounted=sum(lost.slots for part in (self._dropped, self._accounting) for lost in list(part.values())),
        )

    def on_commit(self, tell: Tell) -> None:
        """Have `tell` called in the writer's thread with each committed batch."""
        self._tellers.append(tell)

    def put_row(self, row: Row) -> asyncio.Future[None]:
        """Resolved when durable; see `Writer.put_row`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._cond:
            if self._closing:
                future.set_exception(StoreError("The store is closed."))
                return future
            if self._rows >= self._queue_rows:
                self._drop(row)
                future.set_exception(StoreFull(f"Nothing could be written, and {self._rows} results wait already."))
                return future
            size = len(row.evidence or b"")
            if self._evidence + size > EVIDENCE_BYTES:
                row = replace(row, evidence=None)
            else:
                self._evidence += size
            self._rows += 1
            self._items.append(_Item(row, future, loop))
            if len(self._items) == 1:
                self._cond.notify()
        return future

    def put_gap(self, gap: Gap) -> asyncio.Future[None]:
        """Resolved when durable; the same gap given twice is one."""
        return self._submit(gap, urgent=False)

    def put_event(self, event: Event) -> asyncio.Future[Event]:
        """Resolved when durable, with the event as kept."""
        return self._submit(named(event, self._clock.now_ms()), urgent=True)

    def enter(self, event: Event, *, timeout_s: float = 10.0) -> Event:
        """As `put_event`, for code without an event loop. Raises StoreError."""
        kept: Event = self._wait(named(event, self._clock.now_ms()), timeout_s)
        return kept

    def write(self, change: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run a change within the next commit; resolved with its result when durable.

        Unlike a row it does not wait while nothing can be written: then StoreError. The change may be tried and its
        answer lost ("failed but persisted"), so it must be harmless when made twice.
        """
        return self._submit(change, urgent=True)

    def write_now(self, change: Callable[[sqlite3.Connection], T], *, timeout_s: float = 30.0) -> T:
        """As `write`, for code without an event loop."""
        value: T = self._wait(change, timeout_s)
        return value

    def close(self, timeout_s: float = 10.0) -> None:
        """Commit what waits and end the thread; what cannot be written within the time is given up with StoreFull."""
        with self._cond:
            self._closing = True
            self._cond.notify()
        self._thread.join(timeout_s)
        with self._cond:
            rest = list(self._items)
            self._items.clear()
        for item in rest:
            self._settle([(item, StoreFull("The store was closed before this could be written."), None)])

    # -- the queue -------------------------------------------------------------------------------------------------

    def _submit(self, what: Any, *, urgent: bool) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._append(_Item(what, future, loop), urgent)
        return future

    def _wait(self, what: Any, timeout_s: float) -> Any:
        future: BlockingFuture[Any] = BlockingFuture()
        self._append(_Item(what, future, None), urgent=True)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            why = self._last_error or "the database answered too slowly"
            raise StoreError(f"This could not be written within {timeout_s:g} s: {why}.") from None

    def _append(self, item: _Item, urgent: bool) -> None:
        with self._cond:
            if self._closing:
                item.future.set_exception(StoreError("The store is closed."))
                return
            self._items.append(item)
            self._urgent |= urgent
            self._cond.notify()

    def _drop(self, row: Row) -> None:
        lost = self._dropped.setdefault((row.target, row.location), _Dropped(row.at))
        lost.first, lost.last = min(lost.first, row.at), max(lost.last, row.at)
        lost.slots += row.scheduled
        self._total_dropped += 1

    def _gather(self) -> list[_Item] | None:
        """Wait for something to write, and a little for company; None when closed and empty."""
        with self._cond:
            while not self._items:
                if self._closing:
                    return None
                self._cond.wait()
            if not self._urgent and not self._closing and len(self._items) < BATCH:
                self._cond.wait_for(lambda: self._urgent or self._closing, self._gather_s)
            self._urgent = False
            return [self._items.popleft() for _ in range(min(BATCH, len(self._items)))]

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        inserter: Inserter | None = None
        pause = self._retry_s[0]
        while (batch := self._gather()) is not None:
            while batch:
                try:
                    if self._look is not None:
                        self._look()
                    if inserter is None:
                        inserter = Inserter(self._connect(), self._clock)
                    batch = self._commit(inserter, batch)
                    pause = self._retry_s[0]
                except Exception as error:
                    # A death here leaves the database as the last COMMIT left it: the transaction was rolled back, or
                    # will be by the next opening. Nobody was told that the batch is durable.
                    # The connection to a file that was taken away is kept: it is all that is left of the file.
                    if inserter is not None and not isinstance(error, StoreRefused):
                        inserter.close()
                        inserter = None
                    self._failed(error)
                    batch = self._keep(batch, error)
                    with self._cond:
                        if self._closing:  # one last try was made; `close` tells those who wait
                            self._items.extendleft(reversed(batch))
                            return
                        self._cond.wait_for(lambda: self._closing, pause)
                    pause = min(pause * 2, self._retry_s[1])
        if inserter is not None:
            inserter.close()

    def _commit(self, inserter: Inserter, batch: list[_Item]) -> list[_Item]:
        """One group in one transaction; returns what is left to do: nothing. Raises with nothing written."""
        started = self._clock.monotonic()
        results: list[tuple[_Item, BaseException | None, Any]] = []
        rows: list[Row] = []
        gaps: list[Gap] = []
        events: list[Event] = []
        with self._cond:
            lost, self._dropped = self._dropped, {}
            self._accounting = lost
        try:
            inserter.begin()
            row_items = [item for item in batch if isinstance(item.what, Row)]
            for item, problem in zip(row_items, inserter.rows([item.what for item in row_items]), strict=True):  # type: ignore[misc]
                results.append((item, problem, None))
                if problem is None:
                    rows.append(item.what)  # type: ignore[arg-type]
            for item in batch:
                if isinstance(item.what, Row) or (item.loop is None and item.future.cancelled()):
                    continue
                try:
                    value = inserter.one(item.what)
                except (sqlite3.OperationalError, sqlite3.InternalError):
                    raise
                except Exception as error:
                    # Only this change was wrong: it was rolled back to its savepoint, the others stand.
                    results.append((item, error, None))
                    continue
                results.append((item, None, value))
                if isinstance(item.what, Gap):
                    gaps.append(item.what)
                elif isinstance(value, Event):
                    events.append(value)
            gaps += inserter.account(_gaps_of(lost))
            # A death before this line loses the batch, which was acknowledged to nobody.
            inserter.commit()
            # A death after it keeps the batch, though nobody was told: rows, gaps and events are the same when put
            # again.
        except BaseException:
            inserter.rollback()
            self._still_lost(lost)
            raise
        self._done(started, rows)
        for tell in self._tellers:
            try:
                tell(rows, gaps, events)
            except Exception:
                log.exception("a reader of commits failed")
        self._settle(results)
        return []

    def _still_lost(self, lost: dict[tuple[str, str], _Dropped]) -> None:
        """Put back what was not accounted after all, together with what was dropped meanwhile."""
        with self._cond:
            self._accounting = {}
            for key, older in lost.items():
                newer = self._dropped.get(key)
                if newer is not None:
                    older.last = max(older.last, newer.last)
                    older.slots += newer.slots
                self._dropped[key] = older

    def _done(self, started: float, rows: list[Row]) -> None:
        with self._cond:
            self._accounting = {}
            self._rows -= len(rows)
            self._evidence -= sum(len(row.evidence or b"") for row in rows)
            self._committed += len(rows)
            self._commits += 1
            self._last_at = self._clock.now_ms()
            self._last_s = self._clock.monotonic() - started
        if self._failing_since is not None:
            log.warning("writing works again; it had failed with: %s", self._last_error)
            self._failing_since = self._last_error = None

    def _failed(self, error: BaseException) -> None:
        self._last_error = str(error)  # before the instant: whoever sees that something fails also sees what
        if self._failing_since is None:
            self._failing_since = self._clock.now_ms()
            log.error("nothing can be written, results wait in memory: %s", error)

    def _keep(self, batch: list[_Item], error: BaseException) -> list[_Item]:
        """What waits for the next try; changes of the repositories do not, in the batch or behind it."""
        with self._cond:
            behind = [item for item in self._items if not _waits(item)]
            if behind:
                self._items = deque(item for item in self._items if _waits(item))
        refused = [item for item in batch if not _waits(item)] + behind
        self._settle((item, StoreError(f"Nothing can be written just now: {error}."), None) for item in refused)
        return [item for item in batch if _waits(item)]

    def _settle(self, results: Iterable[tuple[_Item, BaseException | None, Any]]) -> None:
        """Tell everybody, with one call into each loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], BaseException | None, Any]]] = {}
        for item, error, value in results:
            if isinstance(item.what, Row) and isinstance(error, StoreConflict | ValueError):
                with self._cond:
                    self._rows -= 1
            if item.loop is not None:
                by_loop.setdefault(item.loop, []).append((item.future, error, value))  # type: ignore[arg-type]
                continue
            with suppress(InvalidStateError):  # who waited gave up meanwhile
                if error is not None:
                    item.future.set_exception(error)
                else:
                    item.future.set_result(value)
        for loop, answers in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, answers)
            except RuntimeError:  # that loop has ended; nobody waits any more
                log.debug("a loop ended before its %d writes were acknowledged", len(answers))


def _waits(item: _Item) -> bool:
    return isinstance(item.what, Row | Gap | Event)


def _resolve(answers: list[tuple[asyncio.Future[Any], BaseException | None, Any]]) -> None:
    for future, error, value in answers:
        if future.done():  # who waited was cancelled
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)


def _gaps_of(lost: dict[tuple[str, str], _Dropped]) -> list[Gap]:
    """What was dropped for want of room, as gaps; extra probes alone leave no slot unaccounted."""
    return [
        Gap(
            target=target, location=location, start=dropped.first, end=dropped.last + 1, slots=dropped.slots,
            reason="store_full", detail="nothing could be written and the room for waiting results was used up",
        )
        for (target, location), dropped in lost.items()
        if dropped.slots
    ]  # fmt: skip
