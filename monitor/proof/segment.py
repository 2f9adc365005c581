"""Segments: what one location saw of one target on one UTC day, as canonical bytes.

A segment's content is a header (one line of canonical JSON) and then one line for each observation, in the order in
which they count: by ``at``, and at the same ``at`` as they were recorded. See docs/proof-format.md §3.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from monitor.proof import merkle
from monitor.proof.canonical import JSON, canonical, parse_canonical

DAY_MS = 86_400_000


class SegmentError(ValueError):
    """A segment that contradicts itself."""


class Kind(NamedTuple):
    """What observations have in common that differ only in when they were and how long they took."""

    scheduled: bool
    outcome: str
    code: int | None = None
    """What the remote said, as a number: an HTTP status, an SMTP reply code."""
    detail: str | None = None
    """What the remote said, in words."""


class Row(NamedTuple):
    """One observation, as the ledger keeps it."""

    at: int
    duration_ms: int
    scheduled: bool
    outcome: str
    code: int | None = None
    detail: str | None = None
    evidence: str | None = None
    """SHA-256, in lower-case hex, of the probe's transcript; None where none was kept. The segment's header has the
    root of a tree of them: they are too many to be shown themselves."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Observations as columns of equal length."""

    at: Sequence[int] = ()
    """When each probe started, ms UTC, never falling."""
    duration_ms: Sequence[int] = ()
    kind: Sequence[int] = ()
    """An index into ``kinds`` for each observation."""
    kinds: tuple[Kind, ...] = ()
    evidence: Mapping[int, str] = field(default_factory=dict)
    """The transcript's digest, by the observation's index; most have none."""

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Rows:
        """Columns from rows; the order is kept."""
        at: list[int] = []
        duration: list[int] = []
        kind: list[int] = []
        kinds: dict[Kind, int] = {}
        evidence: dict[int, str] = {}
        for row in rows:
            if row.evidence is not None:
                evidence[len(at)] = row.evidence
            at.append(row.at)
            duration.append(row.duration_ms)
            kind.append(kinds.setdefault(Kind(bool(row.scheduled), row.outcome, row.code, row.detail), len(kinds)))
        return cls(at, duration, kind, tuple(kinds), evidence)

    @classmethod
    def joined(cls, parts: Iterable[Rows]) -> Rows:
        """All observations of the parts, one part after another."""
        at: list[int] = []
        duration: list[int] = []
        kind: list[int] = []
        kinds: dict[Kind, int] = {}
        evidence: dict[int, str] = {}
        for part in parts:
            evidence |= {len(at) + index: digest for index, digest in part.evidence.items()}
            at += part.at
            duration += part.duration_ms
            if part.kind:
                used = set(part.kind)
                known = [kinds.setdefault(k, len(kinds)) if n in used else -1 for n, k in enumerate(part.kinds)]
                kind += map(known.__getitem__, part.kind)
        return cls(at, duration, kind, tuple(kinds), evidence)

    def rows(self) -> Iterable[Row]:
        """The observations one by one."""
        for index, (at, duration, kind) in enumerate(zip(self.at, self.duration_ms, self.kind, strict=True)):
            scheduled, outcome, code, detail = self.kinds[kind]
            yield Row(at, duration, scheduled, outcome, code, detail, self.evidence.get(index))

    def part(self, start: int, end: int) -> Rows:
        """The observations from index ``start`` to before ``end``."""
        evidence = {i - start: digest for i, digest in self.evidence.items() if start <= i < end}
        return Rows(self.at[start:end], self.duration_ms[start:end], self.kind[start:end], self.kinds, evidence)

    def lines(self) -> list[str]:
        """Each observation as its canonical line, with the newline."""
        tails = [_tail(kind) for kind in self.kinds]
        return [f"[{a},{d}{tails[k]}" for a, d, k in zip(self.at, self.duration_ms, self.kind, strict=True)]

    def transcripts(self) -> tuple[int, str] | None:
        """How many observations have a transcript, and the root, in hex, of the tree of ``transcript_leaf``."""
        if not self.evidence:
            return None
        leaves = [transcript_leaf(self.at[index], digest) for index, digest in sorted(self.evidence.items())]
        return len(leaves), merkle.root(leaves).hex()

    def scheduled(self) -> int:
        """How many of them were on the target's interval."""
        on_interval = [kind.scheduled for kind in self.kinds]
        if all(on_interval):
            return len(self)
        return sum(on_interval[kind] for kind in self.kind)


def transcript_leaf(at: int, digest: str) -> bytes:
    """The leaf hash of one transcript: of the canonical ``[at, digest]``."""
    return merkle.leaf_hash(canonical([at, digest]))


def _tail(kind: Kind) -> str:
    code = "null" if kind.code is None else str(kind.code)
    detail = "null" if kind.detail is None else json.dumps(kind.detail, ensure_ascii=False)
    return f",{int(kind.scheduled)},{json.dumps(kind.outcome)},{code},{detail}]\n"


class Span(NamedTuple):
    """A stretch in which a target was to be probed at one interval."""

    start: int
    end: int
    interval_ms: int
    phase_ms: int
    """Slots are the instants t with t mod interval = phase (ms since the epoch)."""

    def slots(self) -> int:
        """How many slots lie in [start, end)."""
        first = (self.phase_ms - self.start) % self.interval_ms + self.start
        return max(0, -(-(self.end - first) // self.interval_ms))


class Gap(NamedTuple):
    """Slots in which the monitor did not probe, and why."""

    start: int
    end: int
    slots: int
    reason: str


UNACCOUNTED = "unaccounted"
"""The reason of a gap that nobody can explain: the monitor admits that slots are missing."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One target, one location, one UTC day; or what came later for it (``supplement``)."""

    day: str
    """``2026-10-01``"""
    target: str
    location: str
    plan: tuple[Span, ...]
    """When it was to be probed, in order. From the day's first slot to the next day's first slot."""
    gaps: tuple[Gap, ...]
    """In order. Those of a supplement stand in place of the segment's."""
    rows: Rows
    supplement: bool = False
    surplus: int = 0
    """Scheduled observations beyond the expected slots; more than 0 only after a fault of the monitor's clock."""
    transcripts: tuple[int, str] | None = None
    """``Rows.transcripts`` as a header said it; None: what the observations themselves have."""

    def header(self) -> bytes:
        """The first line of the content, without its newline."""
        return canonical(
            {
                "day": self.day,
                "evidence": None if (kept := self.transcripts or self.rows.transcripts()) is None else list(kept),
                "expected": self.expected(),
                "gaps": [list(gap) for gap in self.gaps],
                "kind": "supplement" if self.supplement else "segment",
                "location": self.location,
                "plan": [list(span) for span in self.plan],
                "rows": len(self.rows),
                "scheduled": self.rows.scheduled(),
                "surplus": self.surplus,
                "target": self.target,
            }
        )

    def expected(self) -> int:
        """How many slots the plan has."""
        return sum(span.slots() for span in self.plan)


def segment_bytes(segment: Segment) -> bytes:
    """The segment's content. Raises SegmentError if it contradicts itself, apart from its balance."""
    check_order(segment)
    return segment.header() + b"\n" + "".join(segment.rows.lines()).encode()


def segment_digest(header: bytes, lines: Sequence[str]) -> bytes:
    """SHA-256 of the content, from the header and the lines."""
    return hashlib.sha256(header + b"\n" + "".join(lines).encode()).digest()


def check_order(segment: Segment) -> None:
    """Observations never go back in time, the plan's spans and the gaps follow one another. SegmentError if not."""
    place = f"{segment.target} from {segment.location} on {segment.day}"
    at = segment.rows.at
    if any(earlier > later for earlier, later in pairwise(at)):
        raise SegmentError(f"{place}: the observations are not in order")
    if not segment.plan and len(at) and not segment.supplement:
        raise SegmentError(f"{place}: observations without a plan")
    for span in segment.plan:
        if span.interval_ms <= 0 or not 0 <= span.phase_ms < span.interval_ms or span.start > span.end:
            raise SegmentError(f"{place}: a span of the plan that cannot be")
    for before, after in pairwise(segment.plan):
        if before.end > after.start:
            raise SegmentError(f"{place}: spans of the plan overlap")
    for gap in segment.gaps:
        if gap.start > gap.end or gap.slots < 0:
            raise SegmentError(f"{place}: a gap that cannot be")
    if len(at) and segment.plan and not (segment.plan[0].start <= at[0] and at[-1] < segment.plan[-1].end):
        raise SegmentError(f"{place}: an observation outside the plan")


def parse_header(line: bytes) -> tuple[Segment, int, JSON]:
    """A header as a segment without observations, how many it says it has, its JSON. ValueError if malformed."""
    data = parse_canonical(line)
    try:
        segment = Segment(
            day=data["day"],
            target=data["target"],
            location=data["location"],
            plan=tuple(Span(*map(int, span)) for span in data["plan"]),
            gaps=tuple(Gap(int(start), int(end), int(slots), str(why)) for start, end, slots, why in data["gaps"]),
            rows=Rows(),
            supplement={"segment": False, "supplement": True}[data["kind"]],
            surplus=int(data["surplus"]),
            transcripts=_transcripts(data["evidence"]),
        )
        return segment, int(data["rows"]), data
    except (KeyError, TypeError, ValueError) as error:
        raise SegmentError(f"a segment's header that is malformed: {error!r}") from error


def _transcripts(said: JSON) -> tuple[int, str] | None:
    if said is None:
        return None
    count, root = said
    if type(count) is not int or count < 1 or not re.fullmatch("[0-9a-f]{64}", root):
        raise SegmentError("a count and a root of transcripts that cannot be")
    return count, root


def day_plan(day_start: int, spans: Iterable[Span]) -> tuple[Span, ...]:
    """The plan of the UTC day that starts at ``day_start`` from the stretches in which a target was to be probed.

    The day runs from its first slot to the next day's first slot, so that a probe started a little late belongs to the
    day of its slot.
    """
    found = []
    for span in spans:
        start, end = (_first_slot(span, instant) for instant in (day_start, day_start + DAY_MS))
        start, end = max(start, span.start), min(end, span.end)
        if start < end:
            found.append(Span(start, end, span.interval_ms, span.phase_ms))
    return tuple(found)


def _first_slot(span: Span, instant: int) -> int:
    return instant + (span.phase_ms - instant) % span.interval_ms


def balance(expected: int, surplus: int, scheduled: int, gaps: Iterable[Gap]) -> int:
    """How many slots are missing (more than 0) or too many: expected + surplus - scheduled - those in gaps."""
    return expected + surplus - scheduled - sum(gap.slots for gap in gaps)


def row_digests(lines: Sequence[str], counts: Sequence[int]) -> list[str]:
    """For each count (never falling), the SHA-256 in hex of that many of the first lines."""
    running, done, found = hashlib.sha256(), 0, []
    for count in counts:
        running.update("".join(lines[done:count]).encode())
        done = count
        found.append(running.copy().hexdigest())
    return found
