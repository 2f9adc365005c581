"""What every store keeps to, whatever its engine."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import random
import zlib

import pytest

from monitor.sla.values import OUTCOMES, Observation
from monitor.store import (
    Event,
    Gap,
    Row,
    Series,
    Span,
    StoreConflict,
    StoreError,
    StoreRefused,
    derive_probe_id,
)
from monitor.store.sqlite import integrity
from tests.store.conftest import T0, row

FAILED = row(
    60_000, outcome="server_error", scheduled=False, code=503, detail="503 Service Unavailable, after " + "x" * 200,
    phases={"connect": 0.0, "first_byte": 9_000.5},
    facts={"peer": "192.0.2.1:443", "body": {"kib": [1, 2.5, None, True]}},
    ids={"x-request-id": "ü-1"}, probe_id="own-id", evidence=zlib.compress(b'{"transcript":[]}'),
)  # fmt: skip


def same(kept: Row, put: Row) -> bool:
    """The oracle of rows: all that was put came back, phases to 10 µs, an absent probe id as the derived one."""
    put_id = put.probe_id or derive_probe_id(put.target, put.location, put.at)
    phases = {name: pytest.approx(ms, abs=0.006) for name, ms in put.phases.items()}
    return dataclasses.replace(kept, phases={}) == dataclasses.replace(put, phases={}, probe_id=put_id) and (
        list(kept.phases) == list(put.phases) and kept.phases == phases
    )


async def test_a_row_comes_back_whole_after_a_restart(open_store):
    """All that a row says is there after closing and opening again."""
    store = open_store()
    rows = [row(), FAILED, row(120_000, phases={}, facts={}, detail="", code=None, duration_ms=0)]
    await asyncio.gather(*[store.writer.put_row(one) for one in rows])
    reader = open_store().reader
    kept = reader.rows(T0, T0 + 200_000, with_evidence=True)
    assert [same(one, put) for one, put in zip(kept, rows, strict=True)] == [True] * 3
    assert reader.rows(T0, T0 + 200_000)[1].evidence is None
    assert reader.evidence("mail-api", "main", FAILED.at).blob == FAILED.evidence
    assert reader.evidence("mail-api", "main", T0) is None


async def test_every_outcome_is_kept(store):
    """Each outcome of arithmetic §1, scheduled or not, is read as it was put; another is refused."""
    rows = [
        row(n * 10 + extra, outcome=name, scheduled=bool(extra)) for n, name in enumerate(OUTCOMES) for extra in (0, 1)
    ]
    await asyncio.gather(*[store.writer.put_row(one) for one in rows])
    expected = [Observation(r.at, r.target, r.location, r.scheduled, r.outcome, r.duration_ms) for r in rows]
    assert store.reader.observations(T0, T0 + 1_000_000) == sorted(expected)
    with pytest.raises(ValueError, match="'down' is no outcome"):
        await store.writer.put_row(row(5, outcome="down"))
    assert store.writer.state.queued == 0


async def test_observations_come_by_target_location_and_time(store):
    """The arithmetic is given its rows in order; an interval is half-open."""
    rows = [row(at, target, location=place) for at in (0, 10, 20) for target in "ba" for place in ("main", "far")]
    random.Random(3).shuffle(rows)
    await asyncio.gather(*[store.writer.put_row(one) for one in rows])
    found = store.reader.observations(T0, T0 + 20)
    assert [(o.target, o.location, o.at - T0) for o in found] == [
        (target, place, at) for target in "ab" for place in ("far", "main") for at in (0, 10)
    ]
    assert {o.target for o in store.reader.observations(T0, T0 + 20, targets=["b", "c"])} == {"b"}
    assert {o.location for o in store.reader.observations(T0, T0 + 20, location="far")} == {"far"}
    assert store.reader.series() == [Series(t, p) for t in "ab" for p in ("far", "main")]
    assert store.reader.span() == (T0, T0 + 20)
    assert store.reader.counts(T0, T0 + 20, targets=["a"]) == {
        ("a", "far", True, "ok"): 2, ("a", "main", True, "ok"): 2}  # fmt: skip


async def test_rows_can_be_paged_and_chosen(store):
    """Rows are chosen by outcome, limited from either end, and found around an instant."""
    outcomes = ["ok", "timeout", "ok", "refused", "ok"]
    rows = [row(n * 1000, outcome=name, scheduled=n != 3) for n, name in enumerate(outcomes)]
    await asyncio.gather(*[store.writer.put_row(one) for one in rows])
    read = store.reader
    assert [r.outcome for r in read.rows(T0, T0 + 9000, outcomes=["timeout", "refused"])] == ["timeout", "refused"]
    assert [r.at - T0 for r in read.rows(T0, T0 + 9000, limit=2, newest_first=True)] == [4000, 3000]
    before, after = read.neighbours("mail-api", "main", T0 + 2000, count=2)
    assert [r.at - T0 for r in (*before, *after)] == [0, 1000, 3000, 4000]
    assert read.neighbours("nobody", "main", T0) == ([], [])
    assert read.last_row("mail-api", "main").at == T0 + 4000
    assert read.last_row("nobody", "main") is None


async def test_the_same_row_twice_is_one_and_another_is_a_conflict(store):
    """A row put again is acknowledged again; another at the same millisecond is refused, and the first stands."""
    await store.writer.put_row(row())
    await store.writer.put_row(row())
    with pytest.raises(StoreConflict):
        await store.writer.put_row(row(duration_ms=43))
    results = await asyncio.gather(
        *[store.writer.put_row(one) for one in (row(1), row(1), row(1, detail="201"), row(2))], return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), type(None), StoreConflict, type(None)]
    assert [(r.at - T0, r.duration_ms) for r in store.reader.rows(T0, T0 + 10)] == [(0, 42), (1, 42), (2, 42)]
    assert (store.writer.state.queued, store.writer.state.dropped) == (0, 0)


async def test_gaps_and_events_come_back(open_store):
    """Gaps are found where they touch, events by what they speak of and by when they were entered."""
    store = open_store()
    gap = Gap(target="a", location="main", start=T0 + 10, end=T0 + 20, slots=3, reason="not_running", detail="stopped")
    await asyncio.gather(store.writer.put_gap(gap), store.writer.put_gap(gap))
    with pytest.raises(ValueError, match="ends after it starts"):
        await store.writer.put_gap(dataclasses.replace(gap, end=gap.start))
    first = await store.writer.put_event(Event(kind="start", at=T0 + 5, data={"version": "1"}))
    assert first.entered_at == T0 + 3_600_000
    assert len(first.id) == 16
    with pytest.raises(ValueError, match="no event 0000"):
        await store.writer.put_event(Event(kind="correction", at=T0, corrects="0000"))
    second = await store.writer.put_event(
        Event(kind="correction", at=T0 + 6, corrects=first.id, data={"withdraw": True}, source="cli")
    )
    again = await store.writer.put_event(second)
    assert again == second
    reader = open_store().reader
    assert reader.gaps(T0, T0 + 11) == [gap] == reader.gaps(T0 + 19, T0 + 30, targets=["a"], location="main")
    assert reader.gaps(T0, T0 + 10) == [] == reader.gaps(T0 + 20, T0 + 99) == reader.gaps(T0, T0 + 99, targets=["b"])
    assert reader.events() == [first, second]
    assert reader.events(T0 + 6) == [second] == reader.events(after_id=first.id) == reader.events(kinds=["correction"])
    assert reader.events(entered_until=first.entered_at) == [] == reader.events(T0, T0 + 5)
    assert reader.event(first.id) == first
    assert reader.event("nothing") is None


async def test_an_event_can_be_entered_beside_a_running_daemon(open_store, tmp_path, clock):
    """A command writes into the database that a daemon holds, and both see both."""
    from monitor.store.sqlite import SqliteStore

    daemon = open_store()
    await daemon.writer.put_row(row())
    with SqliteStore.open(tmp_path / "s.db", "main", clock) as beside:
        kept = beside.writer.enter(Event(kind="maintenance", at=T0, data={"start": "x"}, source="cli"))
        assert beside.reader.last_row("mail-api", "main").at == T0
    assert daemon.reader.events() == [kept]
    await daemon.writer.put_row(row(1))


async def test_the_version_tells_of_everything_that_is_judged(store):
    """A cache keyed by the version of a period is stale as soon as something of that period is added."""
    day = 86_400_000
    seen = [store.reader.version(T0, T0 + day)]
    await store.writer.put_row(row())
    seen.append(store.reader.version(T0, T0 + day))
    await store.writer.put_gap(Gap(target="a", location="main", start=T0, end=T0 + 1, slots=1, reason="x"))
    seen.append(store.reader.version(T0, T0 + day))
    await store.writer.put_event(Event(kind="report", at=T0))
    seen.append(store.reader.version(T0, T0 + day))
    assert len(set(seen)) == 4
    await store.writer.put_row(row(5 * day))
    await store.writer.put_row(row())
    assert store.reader.version(T0, T0 + day) == seen[-1]


async def test_commits_are_told_before_they_are_acknowledged(store):
    """Who listens to commits has seen a row, in its order, when the row's future resolves."""
    told: list[int] = []
    store.writer.on_commit(lambda rows, gaps, events: told.extend(r.at - T0 for r in rows))
    await asyncio.gather(*[store.writer.put_row(row(n)) for n in range(5)])
    assert told == [0, 1, 2, 3, 4]
    state = store.writer.state
    assert (state.committed, state.queued, state.failing_since, state.dropped) == (5, 0, None, 0)
    assert state.last_commit_at == T0 + 3_600_000


async def test_what_waits_is_written_on_closing(open_store):
    """Closing commits what was put before it; later puts are refused."""
    store = open_store()
    waiting = [store.writer.put_row(row(n)) for n in range(50)]
    await asyncio.to_thread(store.close)
    await asyncio.gather(*waiting)
    with pytest.raises(Exception, match="closed"):
        await store.writer.put_row(row(60))
    assert len(open_store().reader.rows(T0, T0 + 99)) == 50


async def test_refuses_a_clock_behind_the_last_row(open_store, clock):
    """A clock that stands before the last observation would reorder what was seen: refused, with both times."""
    store = open_store()
    await store.writer.put_row(row(3_600_000))
    clock.step(-600)
    with pytest.raises(StoreRefused, match=r"2026-10-01T00:50:00\.000Z.*2026-10-01T01:00:00\.000Z, 10 min later"):
        open_store()
    clock.step(600)
    open_store()


def test_refuses_another_locations_database(open_store):
    """What was seen from one place is not continued from another."""
    open_store(location="berlin")
    with pytest.raises(StoreRefused, match="belongs to the location “berlin”, and this is “main”"):
        open_store()


def test_refuses_while_another_daemon_holds_it(open_store, tmp_path, clock):
    """Two daemons on one database would count twice; the refusal names the process. It ends with that daemon."""
    import os

    from monitor.store.sqlite import SqliteStore

    first = open_store()
    with pytest.raises(StoreRefused, match=rf"Another daemon \(process {os.getpid()}\) holds"):
        SqliteStore.open(tmp_path / "s.db", "main", clock, daemon=True)
    first.close()
    SqliteStore.open(tmp_path / "s.db", "main", clock, daemon=True).close()


def test_refuses_where_there_is_none(open_store):
    """Who only reads does not make a database."""
    with pytest.raises(StoreRefused, match="There is no database"):
        open_store(create=False)


async def test_a_backup_is_whole_while_writing_goes_on(open_store, tmp_path, clock):
    """A copy made under writing is of one instant, sound, and opens as a store; it never overwrites."""
    store = open_store()
    await asyncio.gather(*[store.writer.put_row(row(n)) for n in range(3000)])
    pending = [store.writer.put_row(row(10_000 + n)) for n in range(2000)]
    steps: list[tuple[int, int]] = []
    size = await store.run(store.backup, tmp_path / "copy.db", progress=lambda *done: steps.append(done), pages=5)
    await asyncio.gather(*pending)
    assert steps[-1][0] == steps[-1][1] > 5
    assert size > 0
    assert integrity(tmp_path / "copy.db") == []
    with pytest.raises(Exception, match="never overwrites"):
        store.backup(tmp_path / "copy.db")
    copied = open_store(path=tmp_path / "copy.db")
    assert 3000 <= len(copied.reader.rows(T0, T0 + 99_999)) <= 5000
    assert sorted(p.name for p in tmp_path.iterdir() if "part" in p.name) == []


async def test_a_backup_onto_a_disk_without_hard_links(open_store, tmp_path, monkeypatch):
    """FAT and some shares know none: the copy gets its name all the same, and still overwrites nothing."""

    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    store = open_store()
    await store.writer.put_row(row())
    store.backup(tmp_path / "copy.db")
    assert integrity(tmp_path / "copy.db") == []
    with pytest.raises(StoreError, match="never overwrites"):
        store.backup(tmp_path / "copy.db")
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


async def test_a_reader_goes_on_while_new_targets_come(store, monkeypatch):
    """Who asks how far observations reach is not disturbed by a target that another thread finds meanwhile."""
    await asyncio.gather(*[store.writer.put_row(row(n, target=f"t{n}")) for n in range(3)])
    query = store.reader.query

    def asked(sql: str, args: object = ()) -> list[object]:
        if "min(at)" in sql:
            store.reader._names[1000 + len(store.reader._names)] = Series("new", "main")
        return query(sql, args)

    monkeypatch.setattr(store.reader, "query", asked)
    assert store.reader.span() == Span(T0, T0 + 2)


async def test_columns_are_the_same_observations(store):
    """The columns that the arithmetic works on say what the single observations say."""
    from monitor.sla.series import Observations

    rows = [
        row(n * 10, target, location=place, outcome=name, scheduled=n % 3 > 0)
        for n, name in enumerate(OUTCOMES) for target in "ab" for place in ("main", "far")
    ]  # fmt: skip
    await asyncio.gather(*[store.writer.put_row(one) for one in rows])
    made = store.reader.columns(T0, T0 + 100, targets=["a"])
    expected = Observations.of(store.reader.observations(T0, T0 + 100, targets=["a"]))
    assert {key: (one.at, one.code) for key, one in made.series.items()} == {
        key: (one.at, one.code) for key, one in expected.series.items()
    }
    assert len(made.series) == 2
