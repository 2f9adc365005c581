"""The repositories that hang on a store: ledger, outbox, tokens, statements, pages, retention."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import sqlite3

import pytest

from monitor.store import StoreError
from monitor.store.ledger import LedgerConflict, LedgerEntry, LedgerHeartbeat, SegmentRef, Timestamp
from monitor.store.proofs import ProofRecord
from monitor.store.tokens import Token
from tests.store.conftest import T0, row

DAY = "2026-10-01"


def entry(index: int = 0, **more) -> LedgerEntry:
    values = {
        "kind": "day", "day": DAY, "sealed_at": T0, "entry": b"entry %d" % index, "leaves": (b"a" * 32, b"b" * 32),
        "first": {"": 0, "mailgun": 1}, "note": f"note {index}", "state": "{}", **more,
    }  # fmt: skip
    return LedgerEntry(index=index, **values)


async def test_the_ledger_takes_only_the_next_entry_and_no_second_one(open_store):
    """An entry follows the one before; sealed again it must be the same; it comes back as it was signed."""
    store = open_store()
    await store.ledger.append(entry())
    await store.ledger.append(entry())
    with pytest.raises(LedgerConflict, match="says something else"):
        await store.ledger.append(entry(entry=b"other"))
    with pytest.raises(LedgerConflict, match="has only 1"):
        await store.ledger.append(entry(2))
    await store.ledger.append(entry(1, kind="supplement"))
    ledger = open_store().ledger
    assert (ledger.size(), ledger.last(), ledger.entry(0)) == (2, entry(1, kind="supplement"), entry())
    assert ledger.entries(first_day="2026-10-02") == []
    assert ledger.entries(last_day=DAY) == [entry(), entry(1, kind="supplement")]
    assert ledger.entry_hashes() == [b"entry 0", b"entry 1"]


async def test_heartbeats_timestamps_and_witnesses(store):
    """Heartbeats follow within their day; tokens and deliveries are kept beside what they are of."""
    beat = LedgerHeartbeat(day=DAY, index=0, at=T0, entry=b"e", leaves=(b"x" * 32,), first={"": 0}, note="n")
    await store.ledger.append_heartbeat(beat)
    await store.ledger.append_heartbeat(beat)
    with pytest.raises(LedgerConflict):
        await store.ledger.append_heartbeat(dataclasses.replace(beat, note="other"))
    with pytest.raises(LedgerConflict):
        await store.ledger.append_heartbeat(dataclasses.replace(beat, index=2))
    assert store.ledger.heartbeats(DAY) == [beat]
    stamp = Timestamp(ref="log/0", authority="tsa", at=T0, token=b"t")
    await store.ledger.add_timestamp(stamp)
    await store.ledger.add_timestamp(stamp)
    assert store.ledger.timestamps("log/0") == [stamp]
    await store.ledger.append(entry())
    assert store.ledger.unwitnessed("mail") == [0]
    await store.ledger.witnessed("log/0", "mail", T0, "250 ok")
    await store.ledger.witnessed("log/0", "mail", T0 + 1)
    assert (store.ledger.unwitnessed("mail"), store.ledger.witnesses("log/0")) == ([], {"mail": T0})


async def test_observations_leave_only_when_sealed_to_the_last(store, tmp_path):
    """A day is removed only when every observation of it is sealed."""
    await asyncio.gather(*[store.writer.put_row(one) for one in (row(), row(1), row(86_400_000))])
    with pytest.raises(sqlite3.IntegrityError, match="every observation is sealed"):
        await store.retention.remove("mail-api", "main", DAY, export="b.pdf", at=T0)
    digest = hashlib.sha256(b"").digest()
    one = SegmentRef(target="mail-api", location="main", observations=1, sha256=digest)
    await store.ledger.append(entry(segments=(one,)))
    with pytest.raises(sqlite3.IntegrityError, match="every observation is sealed"):
        await store.retention.remove("mail-api", "main", DAY, export="b.pdf", at=T0)
    await store.ledger.append(entry(1, kind="supplement", segments=(one,)))
    assert store.ledger.sealed(DAY) == {("mail-api", "main"): 2}
    assert await store.retention.remove("mail-api", "main", DAY, export="b.pdf", at=T0) == 2
    assert await store.retention.remove("mail-api", "main", DAY, export="b.pdf", at=T0) == 0
    assert store.retention.removed() == {("mail-api", "main", DAY): "b.pdf"}
    assert [r.at for r in store.reader.rows(0, T0 * 2)] == [T0 + 86_400_000]


async def test_the_outbox_keeps_a_message_until_it_is_delivered(open_store):
    """One key is one message; it waits through failures and restarts, and is over once sent or given up."""
    store = open_store()
    assert await store.outbox.add("outage/1", "mail", "outage", {"text": "ü"}, now=T0) is True
    assert await store.outbox.add("outage/1", "mail", "outage", {"text": "again"}, now=T0) is False
    assert await store.outbox.add("late", "mail", "outage", {}, now=T0, not_before=T0 + 50) is True
    (message,) = store.outbox.due(T0)
    await store.outbox.failed(message.id, error="450", retry_at=T0 + 60)
    assert [m.key for m in store.outbox.due(T0 + 59)] == ["late"]
    outbox = open_store().outbox
    again = outbox.due(T0 + 60)
    assert [(m.key, m.attempts, m.last_error) for m in again] == [("late", 0, None), ("outage/1", 1, "450")]
    await outbox.sent(message.id, at=T0 + 61, receipt="250 queued")
    await outbox.give_up(again[0].id, at=T0 + 70, error="550")
    assert outbox.due(T0 + 999) == [] == outbox.waiting()
    done = outbox.by_key("outage/1")
    assert (done.sent_at, done.receipt, done.attempts, done.body) == (T0 + 61, "250 queued", 2, {"text": "ü"})
    assert [m.key for m in outbox.recent(1)] == ["late"]
    assert await outbox.add("outage/1", "mail", "outage", {}, now=T0) is False


async def test_the_memory_outlives_a_restart(open_store):
    """What a messenger remembers is there after a restart, and can be forgotten."""
    store = open_store()
    await store.outbox.remember("burn/mailgun", {"since": 1})
    await store.outbox.remember("burn/mailgun", {"since": 2})
    await store.outbox.remember("other", [1])
    outbox = open_store().outbox
    assert outbox.recall("burn/mailgun") == {"since": 2}
    assert outbox.recall_all("burn/") == {"burn/mailgun": {"since": 2}}
    await outbox.remember("other", None)
    assert outbox.recall("other") is None


async def test_tokens_are_known_by_digest_until_revoked(store):
    """A token is found by its digest alone, is over when it expires or is revoked, and its name is not used twice."""
    token = Token(name="ci", digest=b"d" * 32, scopes=frozenset({"read", "events"}), created_at=T0, expires_at=T0 + 10)
    await store.tokens.add(token)
    await store.tokens.add(token)
    with pytest.raises(StoreError, match="names are not used twice"):
        await store.tokens.add(dataclasses.replace(token, digest=b"e" * 32))
    assert store.tokens.by_digest(b"d" * 32) == token
    assert store.tokens.by_digest(b"e" * 32) is None
    assert (token.valid(T0 + 9), token.valid(T0 + 10)) == (True, False)
    assert (await store.tokens.revoke("ci", at=T0 + 5), await store.tokens.revoke("no", at=T0)) == (True, False)
    (found,) = store.tokens.all()
    assert (found.revoked_at, found.valid(T0 + 6)) == (T0 + 5, False)


async def test_statements_are_listed_newest_first(store):
    """A revision stands beside the one before it; the same one twice is one."""
    first = ProofRecord(
        contract="mailgun", period="2026-10", revision=1, language="en", made_at=T0, path="p.pdf", sha256="00", size=9,
        bundle_sha256="01", content_sha256="02",
    )  # fmt: skip
    second = dataclasses.replace(first, revision=2, note="a window was added")
    german = dataclasses.replace(first, language="de")
    for one in (first, german, second, dataclasses.replace(first, sha256="ff")):
        await store.proofs.add(one)
    assert store.proofs.all() == [second, german, first]
    assert store.proofs.latest("mailgun", "2026-10", "en") == second
    assert store.proofs.latest("mailgun", "2026-09", "en") is None


async def test_a_page_is_copied_when_it_changed(store):
    """A copy is kept of each change of a feed page, and what stood there at an instant can be told."""
    kept = [
        await store.pages.put("mailgun", "https://x/", at=T0 + n, content_type="application/json", body=body)
        for n, body in enumerate((b"a", b"a", b"b", b"a"))
    ]
    assert kept == [True, False, True, True]
    assert store.pages.at("mailgun", T0 + 2).body == b"b"
    assert store.pages.at("mailgun", T0 - 1) is None
    assert [page.body for page in store.pages.between("mailgun", T0, T0 + 3)] == [b"a", b"b"]
