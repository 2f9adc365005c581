"""The ledger: what each day's tree holds, the log of days, and the heartbeats in between (docs/proof-format.md §4, §5).

The rules that this file keeps:

1. Each UTC day's contents are sorted into groups: one for each contract, and one, named "", for what concerns all.
2. A content's leaf is SHA-256(0x00 || salt || SHA-256(content)); the salt belongs to the group and the day, so that
   nobody to whom a group was not shown can confirm a guess of its contents.
3. A group's leaves are neighbours: first its roll, which counts and digests the others and so makes dropping show. It
   also digests all events of a contract in the entries before: what was stated months ago may count today.
4. Groups stand in the order of their tags. The entry lists the tags; who holds a group's secret can tell whether the
   group has leaves in an entry, and nobody else can tell whose a tag is.
5. The log is an RFC 6962 tree of entries: one for each day, without a day left out, and one for each supplement.
   Each has a checkpoint of its own, whose root commits to every entry before it.
6. Heartbeats of a day are a log of their own, whose head the day's entry commits to.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from monitor.proof import merkle
from monitor.proof.canonical import JSON, canonical, parse_canonical, sha256
from monitor.proof.checkpoint import Checkpoint
from monitor.proof.segment import DAY_MS, Segment, row_digests, segment_bytes

COMMON = ""
"""The group of what concerns every contract: the monitor's starts and stops, its clock, its keys."""


class LedgerError(ValueError):
    """Something that may not be sealed: it would contradict what was sealed before."""


def rfc3339(ms: int) -> str:
    """``2026-10-01T00:00:00.000Z``"""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def day_start(day: str) -> int:
    """The instant at which a UTC day (``2026-10-01``) begins. ValueError if it is none."""
    found = date.fromisoformat(day)
    if found.isoformat() != day:
        raise ValueError(f"not a day: {day}")
    return (found - date(1970, 1, 1)).days * DAY_MS


def day_name(ms: int) -> str:
    """The UTC day in which an instant lies."""
    return (date(1970, 1, 1) + timedelta(days=ms // DAY_MS)).isoformat()


# --- groups and leaves


def group_secret(ledger_secret: bytes, group: str) -> bytes:
    """The secret of a group. Whoever is shown the group gets it; it tells nothing of other groups."""
    return _hmac(ledger_secret, f"group\n{group}")


def group_salt(secret: bytes, day: str) -> bytes:
    """The salt of a group's leaves on a day: 16 bytes."""
    return _hmac(secret, f"salt\n{day}")[:16]


def group_tag(secret: bytes, index: int) -> str:
    """How entry number ``index`` of the log (from 0) names the group: 16 hex digits."""
    return _hmac(secret, f"tag\n{index}")[:8].hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def leaf(salt: bytes, digest: bytes) -> bytes:
    """The leaf hash of a content with this SHA-256."""
    return merkle.leaf_hash(salt + digest)


def event_bytes(
    *, id: str, at: int, entered_at: int, kind: str, data: JSON, corrects: str | None = None, group: str = COMMON
) -> bytes:
    """An event's content: one line of canonical JSON, without a newline. A float in ``data`` becomes a string."""
    value = {
        "at": at,
        "corrects": corrects,
        "data": _no_floats(data),
        "entered_at": entered_at,
        "event": kind,
        "group": group,
    }
    return canonical({**value, "id": id, "kind": "event"})


def _no_floats(value: JSON) -> JSON:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _no_floats(one) for key, one in value.items()}
    return [_no_floats(one) for one in value] if isinstance(value, list | tuple) else value


def config_bytes(*, contract: str, since: int, config: Mapping[str, JSON]) -> bytes:
    """A contract's configuration in force from ``since``; sealed each day on which it is in force, in the same bytes.

    ``config``: ``text`` (the contract's file), ``terms`` (the same as JSON, every scalar as text), ``fee``
    ({amount, currency} or None), ``billing_day``, ``plan``, ``targets`` (name, service, interval_ms, stale_after_ms,
    locations), and whatever else was in force.
    """
    return canonical({**config, "contract": contract, "kind": "config", "since": since})


Earlier = tuple[int, str]
"""How many events of a contract stand in the entries before, and the end of the chain of their digests."""

NOTHING_EARLIER: Earlier = (0, bytes(32).hex())


def more_earlier(earlier: Earlier, contents: Sequence[bytes]) -> Earlier:
    """The chain with more events: each link is SHA-256 of the link before and the SHA-256 of the event's content."""
    link = bytes.fromhex(earlier[1])
    for content in contents:
        link = sha256(link + sha256(content))
    return earlier[0] + len(contents), link.hex()


def roll_bytes(*, group: str, day: str, digests: Sequence[bytes], earlier: Earlier) -> bytes:
    """The roll of a group: how many contents it has that day, one digest over theirs in order, and ``earlier``."""
    value = {"day": day, "digest": sha256(b"".join(digests)).hex(), "earlier": list(earlier), "group": group}
    return canonical({**value, "kind": "roll", "leaves": len(digests)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one group puts into an entry, as contents in their order."""

    name: str
    secret: bytes
    configs: tuple[bytes, ...] = ()
    segments: tuple[bytes, ...] = ()
    """Contents (``segment_bytes``), in the order of target and location."""
    events: tuple[bytes, ...] = ()
    """Contents (``event_bytes``), in the order in which they were entered."""

    def digests(self) -> list[bytes]:
        """SHA-256 of each content: configurations, segments, events."""
        return [sha256(content) for content in (*self.configs, *self.segments, *self.events)]

    def leaves(self, day: str, earlier: Earlier) -> list[bytes]:
        """The leaf hashes, the roll's first."""
        return group_leaves(self.name, self.secret, day, self.digests(), earlier)


def group_leaves(
    name: str, secret: bytes, day: str, digests: Sequence[bytes], earlier: Earlier = NOTHING_EARLIER
) -> list[bytes]:
    """The leaf hashes of a group from its contents' digests, the roll's first."""
    salt = group_salt(secret, day)
    roll = sha256(roll_bytes(group=name, day=day, digests=digests, earlier=earlier))
    return [leaf(salt, digest) for digest in (roll, *digests)]


# --- the log


@dataclass(frozen=True, slots=True)
class LogState:
    """Where the log stands: all that sealing must remember."""

    origin: str
    log: merkle.Log = field(default_factory=merkle.Log)
    day: str | None = None
    """The last day that has its entry."""
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    """For each group but the common one the chain of all its events so far."""

    def checkpoint(self) -> Checkpoint:
        """The log's head."""
        return Checkpoint(self.origin, self.log.size, self.log.root())

    def to_json(self) -> str:
        """For the store."""
        peaks = [peak.hex() for peak in self.log.peaks]
        value = {"origin": self.origin, "size": self.log.size, "peaks": peaks, "day": self.day}
        return json.dumps({**value, "earlier": self.earlier})

    @classmethod
    def from_json(cls, text: str) -> LogState:
        """From the store. ValueError if it is malformed."""
        data = json.loads(text)
        log = merkle.Log(data["size"], tuple(bytes.fromhex(peak) for peak in data["peaks"]))
        earlier = {name: (count, link) for name, (count, link) in data["earlier"].items()}
        return cls(data["origin"], log, data["day"], earlier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A new entry of the log, ready to be signed: everything that the store must keep of it, and the new state."""

    entry: bytes
    """Canonical JSON: the log's leaf is leaf_hash(entry)."""
    leaves: tuple[bytes, ...]
    """The leaf hashes of the entry's tree."""
    first: Mapping[str, int]
    """For each group the index of its roll's leaf."""
    checkpoint: Checkpoint
    """To be signed: ``sign_note(sealed.checkpoint.text(), signer)``."""
    state: LogState


def seal_day(
    state: LogState, *, day: str, groups: Sequence[Group], sealed_at: int, heartbeats: Sequence[bytes] = ()
) -> Sealed:
    """The entry of a day. The first may be any day; after that each day follows the one before.

    ``heartbeats`` are the day's heartbeat entries in order. LedgerError for a day out of turn, a day that has not
    ended, or groups without the common one. The same arguments give the same bytes.
    """
    start = day_start(day)
    if state.day is not None and start != day_start(state.day) + DAY_MS:
        raise LedgerError(f"{day} cannot be sealed: the last sealed day is {state.day}")
    if sealed_at < start + DAY_MS:
        raise LedgerError(f"{day} cannot be sealed at {rfc3339(sealed_at)}: it has not ended")
    beats = heartbeat_log(heartbeats)
    extra = {"heartbeats": [beats.size, beats.root().hex()], "kind": "day"}
    return _seal(state, day, groups, sealed_at, extra)


def seal_supplement(state: LogState, *, day: str, why: str, groups: Sequence[Group], sealed_at: int) -> Sealed:
    """The entry of what came after its day was sealed. ``why`` is seen by everybody: it names no customer.

    LedgerError if the day is not sealed yet.
    """
    if state.day is None or day_start(day) > day_start(state.day):
        raise LedgerError(f"{day} is not sealed yet: what comes late goes into its seal, not into a supplement")
    return _seal(state, day, groups, sealed_at, {"kind": "supplement", "why": why})


def _seal(state: LogState, day: str, groups: Sequence[Group], sealed_at: int, extra: dict[str, JSON]) -> Sealed:
    index = state.log.size
    tagged = sorted((group_tag(group.secret, index), group) for group in groups)
    names = [group.name for group in groups]
    if len(set(names)) != len(names) or COMMON not in names:
        raise LedgerError("each group stands once in an entry, and the common one in every entry")
    leaves: list[bytes] = []
    first: dict[str, int] = {}
    tags: list[list[JSON]] = []
    earlier = dict(state.earlier)
    for tag, group in tagged:
        first[group.name] = len(leaves)
        tags.append([tag, len(leaves)])
        known = state.earlier.get(group.name, NOTHING_EARLIER)
        leaves += group.leaves(day, known)
        if group.events and group.name != COMMON:
            earlier[group.name] = more_earlier(known, group.events)
    entry = canonical(
        {
            **extra,
            "day": day,
            "groups": tags,
            "leaves": len(leaves),
            "root": merkle.root(leaves).hex(),
            "sealed": rfc3339(sealed_at),
        }
    )
    log = state.log.append(merkle.leaf_hash(entry))
    after = LogState(state.origin, log, day if extra["kind"] == "day" else state.day, earlier)
    return Sealed(entry=entry, leaves=tuple(leaves), first=first, checkpoint=after.checkpoint(), state=after)


# --- heartbeats


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatGroup:
    """What a heartbeat commits to for one group: what it has recorded of the day so far."""

    name: str
    secret: bytes
    series: tuple[tuple[str, str, int, str], ...] = ()
    """Target, location, how many observations before the horizon, SHA-256 in hex of their lines; in that order."""
    events: tuple[int, str] = (0, sha256(b"").hex())
    """How many events were entered before the horizon, SHA-256 in hex of their contents, a newline after each."""

    def content(self, day: str, at: int) -> bytes:
        """Its content in the heartbeat's tree."""
        value = {"at": at, "day": day, "events": list(self.events), "group": self.name, "kind": "heartbeat"}
        return canonical({**value, "series": [list(one) for one in self.series]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A heartbeat, ready to be signed."""

    entry: bytes
    leaves: tuple[bytes, ...]
    first: Mapping[str, int]
    """For each group the index of its leaf."""
    checkpoint: Checkpoint


def heartbeat_origin(origin: str, day: str) -> str:
    """The name of the log of a day's heartbeats."""
    return f"{origin}/heartbeat/{day}"


def heartbeat_log(entries: Sequence[bytes]) -> merkle.Log:
    """The log of these heartbeat entries."""
    log = merkle.Log()
    for entry in entries:
        log = log.append(merkle.leaf_hash(entry))
    return log


def heartbeat_entry(*, day: str, at: int, horizon: int, leaves: int, root: bytes) -> bytes:
    """A heartbeat's entry in the day's heartbeat log."""
    value = {"at": at, "day": day, "horizon": horizon, "kind": "heartbeat", "leaves": leaves}
    return canonical({**value, "root": root.hex()})


def seal_heartbeat(
    origin: str, *, day: str, at: int, horizon: int, groups: Sequence[HeartbeatGroup], before: Sequence[bytes]
) -> Heartbeat:
    """The next heartbeat of a day, after those whose entries are ``before``.

    ``horizon``: what was observed or entered before it is committed to and can only come later as a supplement. It lies
    so far before ``at`` that every probe started before it has ended.
    """
    if not horizon <= at or day_start(day) > horizon:
        raise LedgerError("a heartbeat's horizon lies within the day and not after the heartbeat")
    if before and parse_canonical(before[-1])["at"] >= at:
        raise LedgerError("heartbeats go forward in time")
    ordered = sorted(groups, key=lambda group: _hmac(group.secret, f"heartbeat\n{at}"))
    leaves = tuple(leaf(group_salt(g.secret, day), sha256(g.content(day, at))) for g in ordered)
    entry = heartbeat_entry(day=day, at=at, horizon=horizon, leaves=len(leaves), root=merkle.root(leaves))
    log = heartbeat_log([*before, entry])
    first = {group.name: index for index, group in enumerate(ordered)}
    head = Checkpoint(heartbeat_origin(origin, day), log.size, log.root())
    return Heartbeat(entry=entry, leaves=leaves, first=first, checkpoint=head)


def heartbeat_group(
    name: str, secret: bytes, *, horizon: int, segments: Sequence[Segment], events: Sequence[tuple[int, bytes]]
) -> HeartbeatGroup:
    """What a heartbeat says of a group.

    ``segments``: the day so far, in the order of target and location. ``events``: (entered_at, content) of the day so
    far, in the order in which they were entered.
    """
    series = []
    for segment in segments:
        count = sum(1 for at in segment.rows.at if at < horizon)
        digest = row_digests(segment.rows.part(0, count).lines(), [count])[0]
        series.append((segment.target, segment.location, count, digest))
    known = [content for entered_at, content in events if entered_at < horizon]
    all_events = sha256(b"".join(content + b"\n" for content in known)).hex()
    return HeartbeatGroup(name=name, secret=secret, series=tuple(series), events=(len(known), all_events))


def segments_in_order(segments: Sequence[Segment]) -> tuple[bytes, ...]:
    """The contents of a group's segments in the order in which its leaves stand."""
    return tuple(segment_bytes(one) for one in sorted(segments, key=lambda s: (s.target, s.location)))
