"""A store with a month of generated history in it, sealed, for the tests of proving."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor.judgement.events import make
from monitor.keys import Keys, new_key
from monitor.probing.slots import offset_ms
from monitor.sandbox.history import Watched, gaps, rows, tell
from monitor.sealing.sealer import Sealer
from monitor.store import Event, open_store
from monitor.store.sqlite import SqliteStore
from monitor.times import parse
from tests.fakes import FakeClock

START, END = parse("2026-10-01T00:00:00Z"), parse("2026-11-01T00:00:00Z")
CONTRACT = """\
name: example
title: Example relay service level agreement
source: example.txt
services:
  api: {target: 99.99%}
  smtp: {target: 99.9%}
availability: {confirm: 2}
maintenance: {scheduled: excluded, notice: 7d}
exclusions: [customer_error]
credit: {blocks: {each: 30m, credit: 5%, after: 0.01%}}
claim: {after_outage: 30d}
support:
  rules: [{name: urgent, severity: important, milestone: responded, within: 2h, clock: always}]
"""


def mail_targets(interval_ms: int) -> tuple[Watched, Watched]:
    """The targets of the contract."""
    api = Watched("mail-api", "http", interval_ms, "example", "api")
    return api, Watched("relay", "smtp", interval_ms, "example", "smtp")


def settings(interval_ms: int) -> str:
    """A configuration with the contract and these targets; the contract's file is example.yaml beside it."""
    return f"""
storage: slaproof.db
contracts: {{example: {{file: example.yaml, fee: {{amount: 90, currency: EUR}}}}}}
targets:
  - {{name: mail-api, contract: example, service: api, interval: {interval_ms}ms, tcp: {{host: 127.0.0.1, port: 9}}}}
  - {{name: relay, contract: example, service: smtp, interval: {interval_ms}ms, tcp: {{host: 127.0.0.1, port: 9}}}}
"""


TARGETS = (
    *mail_targets(300_000),
    Watched("other", "http", 900_000, "rival", "api"),
    Watched("alone", "tcp", 900_000, None, None),
)


def config_data(targets: Sequence[Watched] = TARGETS) -> dict[str, Any]:
    """What a daemon records of its configuration."""
    return {
        "location": "main",
        "reference_hosts": [],
        "targets": {
            t.name: {
                "kind": t.kind,
                "contract": t.contract,
                "service": t.service,
                "interval_ms": t.interval_ms,
                "offset_ms": offset_ms(t.name, t.interval_ms),
                "timeout_ms": 10_000,
                "stale_after_ms": None,
                "settings": {"url": "https://127.0.0.1/"},
            }
            for t in targets
        },
        "contracts": {
            name: {
                "hash": "0" * 64,
                "text": CONTRACT.replace("name: example", f"name: {name}"),
                "fee": "90",
                "currency": "EUR",
                "billing_day": 1,
                "plan": None,
            }
            for name in sorted({t.contract for t in targets if t.contract})
        },
    }


async def fill(
    store: SqliteStore, clock: FakeClock, *, start: int, end: int, seed: int = 1, targets: Sequence[Watched] = TARGETS
) -> None:
    """Enter a generated history into the store, as a daemon that ran from `start` to `end` would have."""
    clock.set_ms(start)
    await store.writer.put_event(Event(kind="config", at=start, data=config_data(targets)))
    story = tell(targets, start, end, seed)
    events = [make(kind, data, source="cli") for kind, data in story.events]
    for event in sorted(events, key=lambda e: e.at):
        clock.set_ms(min(max(event.at, start), end - 1))
        await store.writer.put_event(event)
    clock.set_ms(end)
    for target in targets:
        made = [store.writer.put_row(row) for row in rows(target, story, start, end, location="main", seed=seed)]
        await made[-1]
        for gap in gaps(target, story, start, end, location="main"):
            await store.writer.put_gap(gap)


def new_store(folder: Path, clock: FakeClock) -> SqliteStore:
    """An empty store."""
    return open_store(folder / "slaproof.db", "main", clock)


def new_keys(folder: Path) -> Keys:
    """A fresh key."""
    return new_key(folder / "slaproof.key", "example.org/slaproof")


def sealer(store: SqliteStore, clock: FakeClock, keys: Keys) -> Sealer:
    """A sealer with the usual settings."""
    return Sealer(store, clock, lambda: keys, seal_after_ms=180_000, heartbeat_ms=3_600_000)
