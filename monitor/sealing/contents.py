"""What a day's seal holds: the contents of each group, from what the store has. Blocking reads, no writing.

1. Each contract is a group, and what concerns every contract (starts and stops, the clock, keys) the common one. What
   belongs to neither goes into groups of the monitor's own, which are sealed like the others and shown to nobody.
2. A segment goes from its target's first slot of the UTC day to the first slot of the next. It balances: slots that
   nothing accounts for are admitted as a gap with that reason.
3. An event belongs to the day on which it was entered, and stands there by that time: after a clock was set back, not
   in the order of entry.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from monitor.config.yamlfile import loads
from monitor.proof.ledger import COMMON, Group, config_bytes, day_start, event_bytes, group_secret, segments_in_order
from monitor.proof.segment import DAY_MS, UNACCOUNTED, Row, Rows, Segment, Span, day_plan
from monitor.proof.segment import Gap as SealedGap
from monitor.store import Event, Gap, Reader
from monitor.store import Row as StoredRow

COMMON_KINDS = frozenset(
    {"start", "stop", "clock_step", "clock_offset", "suspend", "stall", "offline", "online", "key", "demo"}
)
"""Events that every contract's proof shows; they name no customer's target."""
PRIVATE = "~monitor"
"""The group of events that concern neither all nor one contract: no bundle shows it."""
_FOREVER = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDay:
    """One group's contents of one day."""

    name: str
    secret: bytes
    configs: tuple[bytes, ...] = ()
    segments: tuple[Segment, ...] = ()
    events: tuple[tuple[int, bytes], ...] = ()
    """When each was entered, and its content."""

    def group(self) -> Group:
        """As the ledger seals it."""
        return Group(
            name=self.name,
            secret=self.secret,
            configs=self.configs,
            segments=segments_in_order(self.segments),
            events=tuple(content for _, content in self.events),
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to seal."""
        return not (self.configs or self.segments or self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """One configuration as a `config` event recorded it, and until when it was in force."""

    start: int
    end: int
    data: Mapping[str, Any]


def configurations(reader: Reader) -> list[InForce]:
    """Every configuration there was, in order."""
    events = reader.events(kinds=["config"])
    ends = [*(event.at for event in events[1:]), _FOREVER][: len(events)]
    return [InForce(start=e.at, end=max(end, e.at), data=e.data) for e, end in zip(events, ends, strict=True)]


def first_day(configs: Sequence[InForce]) -> int | None:
    """The start of the UTC day with which the ledger begins; None where nothing was configured yet."""
    return configs[0].start // DAY_MS * DAY_MS if configs else None


def group_of_target(known: Mapping[str, Any], name: str) -> str:
    """The group of a target: its contract's, or one of its own."""
    return str(known["contract"]) if known.get("contract") else f"~target/{name}"


def day_contents(reader: Reader, day: str, ledger_secret: bytes, *, until: int | None = None) -> list[GroupDay]:
    """The groups of a UTC day, the common one first. With `until` the day so far, for a heartbeat."""
    start = day_start(day)
    configs = configurations(reader)
    today = [one for one in configs if one.start < start + DAY_MS and one.end > start]
    groups: dict[str, dict[str, list[Any]]] = {COMMON: {"configs": [], "segments": [], "events": []}}

    def parts(name: str) -> dict[str, list[Any]]:
        return groups.setdefault(name, {"configs": [], "segments": [], "events": []})

    for name, contents in _contract_configs(configs, start).items():
        parts(name)["configs"] += contents
    for name, location in sorted({(n, one.data["location"]) for one in today for n in one.data["targets"]}):
        spans = _spans(name, configs)
        known = next(one.data["targets"][name] for one in reversed(today) if name in one.data["targets"])
        group = group_of_target(known, name)
        parts(group)["segments"].append(_segment(reader, day, name, location, day_plan(start, spans), until))
    end = start + DAY_MS if until is None else min(until, start + DAY_MS)
    roots = _Roots(reader, configs)
    for event in sorted(reader.events(entered_from=start, entered_until=end), key=lambda event: event.entered_at):
        if event.kind != "config":
            group = roots.group(event)
            parts(group)["events"].append((event.entered_at, content_of(event, group)))
    return [
        GroupDay(
            name=name,
            secret=group_secret(ledger_secret, name),
            configs=tuple(found["configs"]),
            segments=tuple(found["segments"]),
            events=tuple(found["events"]),
        )
        for name, found in sorted(groups.items())
    ]


def content_of(event: Event, group: str) -> bytes:
    """An event's content; whoever entered it stands in its data."""
    return event_bytes(
        id=event.id,
        at=event.at,
        entered_at=event.entered_at,
        kind=event.kind,
        data={**event.data, "source": event.source},
        corrects=event.corrects,
        group=group,
    )


class _Roots:
    """Which group an event belongs to; a correction goes where the event goes that it corrects."""

    def __init__(self, reader: Reader, configs: Sequence[InForce]) -> None:
        self._reader = reader
        self._targets: dict[str, str] = {}
        for one in configs:
            for name, known in one.data["targets"].items():
                self._targets[name] = group_of_target(known, name)

    def group(self, event: Event) -> str:
        if event.corrects is not None:
            old = self._reader.event(event.corrects)
            if old is not None:
                return self.group(old)
        if contract := event.data.get("contract"):
            return str(contract)
        if (target := event.data.get("target")) in self._targets:
            return self._targets[str(target)]
        return COMMON if event.kind in COMMON_KINDS else PRIVATE


# --- configurations -------------------------------------------------------------------------------------------------


def _contract_configs(configs: Sequence[InForce], day: int) -> dict[str, list[bytes]]:
    """The configurations of each contract in force on the day, each in the bytes of when it came into force."""
    found: dict[str, list[bytes]] = {}
    since: dict[str, tuple[int, dict[str, Any]]] = {}
    for one in configs:
        if one.start >= day + DAY_MS:
            break
        now = {name: contract_config(one.data, name) for name in one.data["contracts"]}
        since = {n: since[n] if n in since and since[n][1] == c else (one.start, c) for n, c in now.items()}
        if one.end > day:
            for name, (start, config) in since.items():
                content = config_bytes(contract=name, since=start, config=config)
                if content not in found.setdefault(name, []):
                    found[name].append(content)
    return found


def contract_config(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a configuration says of one contract, as it is sealed and shown."""
    contract = data["contracts"][name]
    own = {key: known for key, known in data["targets"].items() if known["contract"] == name}
    fee = None if contract["fee"] is None else {"amount": contract["fee"], "currency": contract["currency"]}
    return {
        # Sealed with every day, so that no proof of a generated history can be without it.
        **({"generated": True} if data.get("generated") else {}),
        "billing_day": contract["billing_day"],
        "fee": fee,
        "plan": contract["plan"],
        "targets": [
            {
                "name": key,
                "service": known["service"],
                "interval_ms": known["interval_ms"],
                "stale_after_ms": known["stale_after_ms"],
                "locations": [data["location"]],
            }
            for key, known in own.items()
        ],
        "terms": _terms(contract["text"], name),
        "text": contract["text"],
        "watched": {
            key: {part: known[part] for part in ("kind", "timeout_ms", "settings")} for key, known in own.items()
        },
    }


@lru_cache(maxsize=64)
def _terms(text: str, name: str) -> Any:
    """The contract's file as JSON: read once, not for each day and heartbeat. Nobody changes it."""
    return loads(text, name).data


def _spans(name: str, configs: Sequence[InForce]) -> list[Span]:
    """When the target was to be probed, on which grid; what goes on over a reload is one span."""
    found: list[Span] = []
    for one in configs:
        known = one.data["targets"].get(name)
        if known is None or one.start == one.end:
            continue
        interval, phase = int(known["interval_ms"]), int(known["offset_ms"])
        last = found[-1] if found else None
        if last is not None and last.end == one.start and (last.interval_ms, last.phase_ms) == (interval, phase):
            found[-1] = last._replace(end=one.end)
        else:
            # A target that is new has its slots from the one that had begun when it came.
            new = last is None or last.end < one.start
            found.append(Span(int(known.get("since", one.start)) if new else one.start, one.end, interval, phase))
    return found


# --- segments -------------------------------------------------------------------------------------------------------


def _segment(
    reader: Reader, day: str, target: str, location: str, plan: tuple[Span, ...], until: int | None
) -> Segment:
    if not plan:
        return Segment(day=day, target=target, location=location, plan=(), gaps=(), rows=Rows())
    start, end = plan[0].start, plan[-1].end
    rows = read_rows(reader, target, location, start, end if until is None else min(until, end))
    gaps = sealed_gaps(reader.gaps(start, end, targets=[target], location=location), plan)
    expected = sum(span.slots() for span in plan)
    rest = expected - rows.scheduled() - sum(gap.slots for gap in gaps)
    if rest > 0 and until is None:
        gaps = (*gaps, SealedGap(start, end, rest, UNACCOUNTED))
    return Segment(day=day, target=target, location=location, plan=plan, gaps=gaps, rows=rows, surplus=max(0, -rest))


def read_rows(reader: Reader, target: str, location: str, start: int, end: int) -> Rows:
    """The observations of [start, end) as the ledger keeps them."""
    found = reader.rows(start, end, targets=[target], location=location, with_evidence=True)
    return Rows.of(as_sealed(row) for row in found)


def as_sealed(row: StoredRow) -> Row:
    """One observation as the ledger keeps it; of its transcript the digest."""
    digest = None if row.evidence is None else hashlib.sha256(zlib.decompress(row.evidence)).hexdigest()
    return Row(row.at, row.duration_ms, row.scheduled, row.outcome, row.code, row.detail or None, digest)


def sealed_gaps(gaps: Iterable[Gap], plan: Sequence[Span]) -> tuple[SealedGap, ...]:
    """The gaps as far as they lie in the plan, without overlaps, with the slots that they take there."""
    found: list[SealedGap] = []
    done = plan[0].start
    for gap in sorted(gaps, key=lambda g: (g.start, g.end)):
        start, end = max(gap.start, done), min(gap.end, plan[-1].end)
        if start >= end or not gap.slots:
            continue
        slots = sum(
            Span(max(start, span.start), min(end, span.end), span.interval_ms, span.phase_ms).slots()
            for span in plan
            if max(start, span.start) < min(end, span.end)
        )
        if slots:
            found.append(SealedGap(start, end, min(slots, gap.slots), gap.reason))
            done = end
    return tuple(found)


def rows_by_day(segment: Segment) -> dict[int, int]:
    """How many of the segment's observations lie in each UTC day (its start, ms)."""
    counts: dict[int, int] = {}
    for at in segment.rows.at:
        counts[at // DAY_MS * DAY_MS] = counts.get(at // DAY_MS * DAY_MS, 0) + 1
    return counts
