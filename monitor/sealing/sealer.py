"""Seals day after day: each UTC day's contents become an entry of the log, with a signed checkpoint.

1. A day is sealed once it has ended, every probe of it has ended too, and nothing waits to be written.
2. Entry and checkpoint are durable before anybody is told: a death before that leaves nothing, and the same day is
   sealed anew; a death after it finds the day sealed.
3. What comes later for a sealed day is a supplement that names the day and says why.
4. While the clock stands before the last seal nothing is sealed: it is refused, explained and recorded.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from monitor.clock import Clock
from monitor.judgement.events import make
from monitor.keys import Keys
from monitor.proof.canonical import sha256
from monitor.proof.ledger import (
    COMMON,
    HeartbeatGroup,
    LogState,
    Sealed,
    day_name,
    day_start,
    seal_day,
    seal_heartbeat,
    seal_supplement,
)
from monitor.proof.note import sign_note
from monitor.proof.segment import DAY_MS, Rows, Segment, segment_bytes
from monitor.sealing.commitments import event_id, in_keeping, so_far
from monitor.sealing.contents import GroupDay, configurations, day_contents, first_day, rows_by_day
from monitor.sealing.packing import pack_group, unpack_groups
from monitor.store.ledger import LedgerEntry, LedgerHeartbeat, SegmentRef
from monitor.store.sqlite import SqliteStore
from monitor.times import iso, span

log = logging.getLogger(__name__)

HORIZON_MS = 120_000
"""How long before a heartbeat its horizon lies: every probe started before it has ended."""
LOOK_BACK_DAYS = 40
"""How far back sealed days are looked at for what came late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing is sealed at the moment."""

    since: int
    why: str


class Sealer:
    """Seals what is due. `keys` reads the key anew each time, so that a rotation takes effect at the next seal."""

    def __init__(
        self, store: SqliteStore, clock: Clock, keys: Callable[[], Keys], *, seal_after_ms: int, heartbeat_ms: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._seal_after = max(seal_after_ms, HORIZON_MS)
        self._heartbeat = heartbeat_ms
        self._looked_back = False
        self.refusal: Refusal | None = None

    async def step(self) -> list[LedgerEntry | LedgerHeartbeat]:
        """Seals every day that is due, supplements, and the heartbeat if one is due; returns what was sealed.

        Raises StoreError where the store cannot be used, KeyRefused where the key cannot.
        """
        if not await self._may():
            return []
        done: list[LedgerEntry | LedgerHeartbeat] = []
        secret = await self._secret()
        while (day := await self._due_day()) is not None:
            done.append(await self._seal(day, secret))
        if done or not self._looked_back:
            done += await self._supplements(secret)
            self._looked_back = True
        if beat := await self._beat(secret):
            done.append(beat)
        return done

    async def _secret(self) -> bytes:
        return await self._store.ledger.secret(secrets.token_bytes(32))

    async def _may(self) -> bool:
        """Whether sealing makes sense now; a clock behind the last seal is recorded as an event, once."""
        state = self._store.writer.state
        if state.queued or state.failing_since is not None or state.unaccounted:
            return False
        last = await self._store.run(self._store.ledger.last)
        now = self._clock.now_ms()
        if last is None or now >= last.sealed_at:
            if self.refusal is not None:
                log.warning("the clock has passed the last seal again; sealing goes on")
            self.refusal = None
            return True
        if self.refusal is None:
            why = (
                f"the clock shows {iso(now)}, {span(last.sealed_at - now)} before the last seal; nothing is sealed "
                "until it has passed it. Set the clock (NTP)."
            )
            self.refusal = Refusal(since=now, why=why)
            log.error("sealing is refused: %s", why)
            data = {"last_seal": iso(last.sealed_at), "why": why}
            await self._store.writer.put_event(make("seal_refused", data, source="monitor", at=now))
        return False

    async def _state(self) -> LogState:
        last = await self._store.run(self._store.ledger.last)
        return LogState(self._keys().signer.key.name) if last is None else LogState.from_json(last.state)

    async def _due_day(self) -> str | None:
        state = await self._state()
        if state.day is not None:
            start = day_start(state.day) + DAY_MS
        else:
            configs = await self._store.run(configurations, self._store.reader)
            first = first_day(configs)
            if first is None:
                return None
            start = first
        return day_name(start) if start + DAY_MS + self._seal_after <= self._clock.now_ms() else None

    async def _seal(self, day: str, secret: bytes) -> LedgerEntry:
        state = await self._state()
        groups = await self._store.run(day_contents, self._store.reader, day, secret)
        beats = await self._store.run(self._store.ledger.heartbeats, day)
        # What is left out here was entered later than its time says: it is found as late, and becomes a supplement.
        groups = await self._store.run(in_keeping, self._store.reader, day, groups, beats)
        now = self._clock.now_ms()
        heartbeats = [beat.entry for beat in beats]
        sealed = seal_day(state, day=day, groups=[one.group() for one in groups], sealed_at=now, heartbeats=heartbeats)
        return await self._keep("day", day, groups, sealed, state.log.size, now)

    async def _keep(
        self, kind: str, day: str, groups: Sequence[GroupDay], sealed: Sealed, index: int, now: int
    ) -> LedgerEntry:
        signer = self._keys().signer
        entry = LedgerEntry(
            index=index,
            kind=kind,
            day=day,
            sealed_at=now,
            entry=sealed.entry,
            leaves=sealed.leaves,
            first=sealed.first,
            note=sign_note(sealed.checkpoint.text(), signer),
            state=sealed.state.to_json(),
            segments=tuple(ref for one in groups for segment in one.segments for ref in _references(segment)),
            contents=tuple(content for one in groups for content in pack_group(one)),
        )
        # A death here leaves a signed note that nobody has seen: the day is sealed anew, with another time in it.
        await self._store.ledger.append(entry)
        data = {
            "day": day,
            "entry": index,
            "kind": kind,
            "root": sealed.checkpoint.root.hex(),
            "key": signer.key.id.hex(),
        }
        await self._store.writer.put_event(make("seal", data, source="monitor", at=now))
        log.info("sealed %s as entry %d of the ledger (%s)", day, index, kind)
        return entry

    # --- what came late ---------------------------------------------------------------------------------------------

    async def _supplements(self, secret: bytes) -> list[LedgerEntry]:
        state = await self._state()
        if state.day is None:
            return []
        last = day_start(state.day)
        done = []
        for start in range(last - LOOK_BACK_DAYS * DAY_MS, last + DAY_MS, DAY_MS):
            groups = await self._store.run(self._late, day_name(start), secret)
            if groups:
                late = sum(len(s.rows) for g in groups for s in g.segments)
                events = sum(len(g.events) for g in groups)
                why = f"{late} observations and {events} events were recorded after the day was sealed"
                now = self._clock.now_ms()
                state = await self._state()
                day = day_name(start)
                sealed = seal_supplement(state, day=day, why=why, groups=[one.group() for one in groups], sealed_at=now)
                log.warning("%s: %s", day, why)
                done.append(await self._keep("supplement", day, groups, sealed, state.log.size, now))
        return done

    def _late(self, day: str, secret: bytes) -> list[GroupDay]:
        """What the store has of a sealed day beyond its seal and supplements, by group; empty where nothing."""
        ledger, start = self._store.ledger, day_start(day)
        entries = ledger.entries(first_day=day, last_day=day)
        if not entries:
            return []
        known_ids = self._sealed_events(entries)
        entered = self._store.reader.events(entered_from=start, entered_until=start + DAY_MS)
        news = [event for event in entered if event.kind != "config" and event.id not in known_ids]
        # A segment ends with the next day's first slot: what lies before that counts there, and belongs here.
        # As long as the next day is not sealed itself, that is seen to when it is.
        next_sealed = bool(ledger.entries(first_day=day_name(start + DAY_MS), last_day=day_name(start + DAY_MS)))
        if not news and self._all_sealed(start) and (not next_sealed or self._all_sealed(start + DAY_MS)):
            return []
        return self._beyond(day, secret, entries, known_ids)

    def _all_sealed(self, start: int) -> bool:
        """Whether every observation of the UTC day is in the ledger."""
        counts: dict[tuple[str, str], int] = {}
        for (target, location, _, _), count in self._store.reader.counts(start, start + DAY_MS).items():
            counts[target, location] = counts.get((target, location), 0) + count
        sealed = self._store.ledger.sealed(day_name(start))
        return all(sealed.get(key, 0) >= count for key, count in counts.items())

    def _beyond(self, day: str, secret: bytes, entries: Sequence[LedgerEntry], known_ids: set[str]) -> list[GroupDay]:
        sealed_at: dict[tuple[str, str], set[int]] = {}
        for entry in entries:
            for shown in unpack_groups(self._store.ledger.contents(entry.index)).values():
                for segment in shown.segments:
                    sealed_at.setdefault((segment.target, segment.location), set()).update(segment.rows.at)
        found = []
        for group in day_contents(self._store.reader, day, secret):
            segments = []
            for segment in group.segments:
                have = sealed_at.get((segment.target, segment.location), set())
                rows = Rows.of(row for row in segment.rows.rows() if row.at not in have)
                if len(rows):
                    segments.append(replace(segment, rows=rows, plan=(), surplus=0, supplement=True))
            events = tuple(e for e in group.events if event_id(e[1]) not in known_ids)
            late = replace(group, configs=(), segments=tuple(segments), events=events)
            if group.name == COMMON or not late.empty:
                found.append(late)
        return found if any(not one.empty for one in found) else []

    def _sealed_events(self, entries: Sequence[LedgerEntry]) -> set[str]:
        return {
            event_id(event)
            for entry in entries
            for shown in unpack_groups(
                content for content in self._store.ledger.contents(entry.index) if content.kind == "event"
            ).values()
            for event in shown.events
        }

    # --- heartbeats -------------------------------------------------------------------------------------------------

    async def _beat(self, secret: bytes) -> LedgerHeartbeat | None:
        now = self._clock.now_ms()
        day = day_name(now)
        horizon = now - HORIZON_MS
        state = await self._state()
        # The day before must be sealed first: its heartbeats end with it.
        if (
            not self._heartbeat
            or horizon < day_start(day)
            or (state.day is not None and state.day != day_name(now - DAY_MS))
        ):
            return None
        before = await self._store.run(self._store.ledger.heartbeats, day)
        if before and now - before[-1].at < self._heartbeat:
            return None
        if not before and now - day_start(day) < self._heartbeat:
            return None
        groups = await self._store.run(self._so_far, day, secret, horizon)
        if not groups:
            return None
        beat = seal_heartbeat(
            state.origin, day=day, at=now, horizon=horizon, groups=groups, before=[b.entry for b in before]
        )
        kept = LedgerHeartbeat(
            day=day,
            index=len(before),
            at=now,
            entry=beat.entry,
            leaves=beat.leaves,
            first=beat.first,
            note=sign_note(beat.checkpoint.text(), self._keys().signer),
        )
        await self._store.ledger.append_heartbeat(kept)
        return kept

    def _so_far(self, day: str, secret: bytes, horizon: int) -> list[HeartbeatGroup]:
        return [so_far(one, horizon) for one in day_contents(self._store.reader, day, secret, until=horizon)]


def _references(segment: Segment) -> list[SegmentRef]:
    """What the seal of a segment covers, by the observations' own day."""
    digest = sha256(segment_bytes(segment))
    return [
        SegmentRef(
            target=segment.target,
            location=segment.location,
            observations=count,
            sha256=digest,
            day=day_name(start),
        )
        for start, count in rows_by_day(segment).items()
    ]
