"""What the parts of a running daemon are given: the configuration in force, the store, the judge, and word of commits.

A part that runs beside the probing (messages, sealing, feeds ...) is a coroutine function ``serve(context)`` in a
module that `monitor.wiring.PARTS` names. It runs until it is cancelled at the end; one that fails is started again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from monitor.clock import Clock
from monitor.config.load import Config
from monitor.judgement.judge import Judge
from monitor.metrics.page import Metrics
from monitor.probing.daemon import Daemon
from monitor.store import Event, Gap, Row
from monitor.store.sqlite import SqliteStore

log = logging.getLogger(__name__)

Told = Callable[[Sequence[Row], Sequence[Gap], Sequence[Event]], None]


@dataclass(kw_only=True)
class Context:
    """The daemon as its parts see it. Everything here belongs to the event loop's thread."""

    config: Config
    """The configuration in force; a reload puts another one here, then calls everybody of `on_reload`."""
    clock: Clock
    store: SqliteStore
    """``store.reader`` and ``store.writer``; a blocking read is ``await store.run(store.reader.rows, ...)``."""
    judge: Judge
    """May be asked from any thread; in the loop ``await store.run(judge.current)``, for it may read."""
    metrics: Metrics
    daemon: Daemon
    reload: Callable[[], Awaitable[str | None]]
    """Reads the file anew; gives the sentence that says why the old one stays in force, or None."""
    on_reload: list[Callable[[Config], None]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def subscribe(self, tell: Told) -> None:
        """Have ``tell`` called in the loop with every committed batch of rows, gaps and events, in their order."""
        self.told.append(tell)

    def publish(self, rows: Sequence[Row], gaps: Sequence[Gap], events: Sequence[Event]) -> None:
        """Tell everybody what has become durable; one that fails does not keep it from the others."""
        for tell in self.told:
            try:
                tell(rows, gaps, events)
            except Exception:
                log.exception("a listener failed at a commit")
