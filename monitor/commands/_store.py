"""What commands that read share: configuration, database and judgement, beside a daemon or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.commands._options import find_config

if TYPE_CHECKING:
    from monitor.clock import Clock
    from monitor.config.load import Config
    from monitor.judgement.judge import Judge
    from monitor.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """The database of the configuration, opened beside whoever else uses it."""

    config: Config
    store: SqliteStore
    judge: Judge
    clock: Clock


@contextmanager
def opened(config_path: Path | None) -> Iterator[Here]:
    """Read the configuration (secrets may be absent) and open its database. Raises Refused with a sentence."""
    from monitor.clock import SystemClock
    from monitor.config.load import load
    from monitor.judgement.judge import Judge
    from monitor.store import open_store

    config = load(find_config(config_path), secrets="optional")
    clock = SystemClock()
    with open_store(config.storage, config.location, clock, create=False) as store:
        yield Here(config=config, store=store, judge=Judge(store.reader, config, clock), clock=clock)
