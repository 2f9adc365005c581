"""A bundle read: what it says, as values. Reading checks form alone; ``verify`` checks the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from monitor.proof.canonical import JSON, parse_canonical, sha256
from monitor.proof.columns import ColumnError, unpack
from monitor.proof.container import BundleError, Container, packed_series, read_json, read_ledger, read_lines
from monitor.proof.segment import Row, Rows, Segment, parse_header


@dataclass(slots=True)
class Series:
    """All observations of one target from one location, in the order of the entries that hold them."""

    target: str
    location: str
    rows: Rows
    used: int = 0
    """How many of them segments have taken."""


@dataclass(frozen=True)
class ShownSegment:
    """A segment of an entry with its observations."""

    header: bytes
    data: JSON
    segment: Segment
    """Without its observations."""
    rows: Rows

    @cached_property
    def lines(self) -> Sequence[str]:
        """The observations' canonical lines. Made when asked for: who only counts needs none."""
        return self.rows.lines()


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """What an entry shows of one group."""

    name: str
    configs: tuple[bytes, ...]
    segments: tuple[ShownSegment, ...]
    events: tuple[bytes, ...]
    withheld: tuple[bytes, ...] | None = None
    """The digests of the segments, in an entry that shows no observations."""


@dataclass(slots=True)
class Entry:
    """One entry of the log as the bundle has it."""

    index: int
    """Its number in the log, from 0."""
    line: bytes
    data: JSON
    signatures: str
    proof: tuple[bytes, ...]
    heartbeats: JSON
    groups: dict[str, ShownGroup] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The UTC day that it is about."""
        return str(self.data["day"])

    @property
    def place(self) -> str:
        """How to name it in a sentence."""
        return f"{self.day} ({self.data['kind']}, entry {self.index})"


@dataclass(slots=True)
class Proven:
    """A bundle's content."""

    container: Container
    about: JSON
    evaluation: JSON
    inputs: JSON
    statement: JSON
    """The dress of the pages and the digest of their words; None where there are none."""
    before: JSON
    entries: list[Entry]
    secrets: dict[str, bytes]
    series: list[Series]
    configs: list[bytes]
    earlier: list[bytes]
    """The contract's events in the entries before the first one."""

    @property
    def contract(self) -> str:
        """The contract's name in the configuration."""
        return str(self.about["contract"])

    def config(self) -> JSON:
        """The configuration under which the evaluation was made. BundleError if it is not there."""
        for line in self.configs:
            if sha256(line).hex() == self.about["config"]:
                return parse_canonical(line)
        raise BundleError("about.json: config", "the configuration of the evaluation is not in the bundle")

    def all_events(self) -> Iterator[JSON]:
        """The ledger's events that are shown, in the order of entry."""
        for event in self.earlier:
            yield parse_canonical(event)
        for entry in self.entries:
            for group in entry.groups.values():
                for event in group.events:
                    yield parse_canonical(event)

    def observations(self) -> Iterator[tuple[Series, Rows]]:
        """Each series with its observations in the order in which they count: by ``at``, later entries later."""
        for series in self.series:
            at = series.rows.at
            if any(earlier > later for earlier, later in pairwise(at)):
                yield series, Rows.of(sorted(series.rows.rows(), key=lambda row: row.at))
            else:
                yield series, series.rows

    def rows(self) -> Iterator[tuple[str, str, Row]]:
        """Every observation with its target and location."""
        for series, rows in self.observations():
            for row in rows.rows():
                yield series.target, series.location, row


def read_proven(container: Container) -> Proven:
    """Read a bundle's members. BundleError, with the place, where one cannot be read."""
    members = container.members
    about = read_json(members, "about.json")
    ledger, headers = read_ledger(members)
    try:
        secrets = {str(name): bytes.fromhex(secret) for name, secret in ledger["secrets"].items()}
        entries = [
            Entry(
                index=int(ledger["before"]["size"]) + number,
                line=one["entry"].encode(),
                data=parse_canonical(one["entry"].encode()),
                signatures=one["signatures"],
                proof=tuple(bytes.fromhex(text) for text in one["proof"]),
                heartbeats=one["heartbeats"],
            )
            for number, one in enumerate(ledger["entries"])
        ]
        shown = [one["shown"] for one in ledger["entries"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError("ledger.json.z", f"malformed: {error!r}") from error
    found = Proven(
        container=container,
        about=about,
        evaluation=read_json(members, "evaluation.json.z"),
        inputs=read_json(members, "inputs.json.z"),
        statement=read_json(members, "statement.json") if "statement.json" in members else None,
        before=ledger["before"],
        entries=entries,
        secrets=secrets,
        series=_series(container),
        configs=read_lines(members, "config.jsonl.z"),
        earlier=read_lines(members, "earlier.jsonl.z"),
    )
    _distribute(found, shown, headers, read_lines(members, "events.jsonl.z"))
    return found


def _series(container: Container) -> list[Series]:
    found = []
    for index, packed in enumerate(packed_series(container.members)):
        try:
            rows = unpack(packed)
            found.append(Series(str(packed.head["target"]), str(packed.head["location"]), rows))
        except (ColumnError, KeyError, ValueError) as error:
            raise BundleError(f"rows/{index:05d}.z", str(error)) from error
    return found


def _distribute(found: Proven, shown: list[JSON], headers: list[bytes], events: list[bytes]) -> None:
    """Give each entry its contents. BundleError where there are too few or too many."""
    by_name = {(series.target, series.location): series for series in found.series}
    if len(by_name) != len(found.series):
        raise BundleError("series.json.z", "a series stands twice")
    segments_taken = events_taken = 0
    for entry, groups in zip(found.entries, shown, strict=True):
        try:
            for name, configs, given, event_count in groups:
                if name in entry.groups or min(configs, default=0) < 0:
                    raise BundleError(
                        "ledger.json.z", "a group that stands twice, or a configuration that is not there"
                    )
                withheld = tuple(map(_digest, given)) if isinstance(given, list) else None
                segment_count = given if withheld is None else 0
                mine = headers[segments_taken : segments_taken + segment_count]
                segments_taken += segment_count
                told = events[events_taken : events_taken + event_count]
                events_taken += event_count
                if len(mine) != segment_count or len(told) != event_count:
                    raise BundleError(entry.place, "segments or events are missing")
                entry.groups[name] = ShownGroup(
                    name,
                    tuple(found.configs[index] for index in configs),
                    tuple(_take(header, by_name) for header in mine),
                    tuple(told),
                    withheld,
                )
        except BundleError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BundleError(entry.place, f"malformed: {error}") from error
    if segments_taken != len(headers) or events_taken != len(events):
        raise BundleError("segments.jsonl.z, events.jsonl.z", "segments or events that no entry has")
    for series in found.series:
        if series.used != len(series.rows):
            place = f"{series.target} from {series.location}"
            raise BundleError(place, "observations that no segment has")


def _digest(text: str) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != 32:
        raise ValueError(f"not a digest: {text}")
    return found


def _take(header: bytes, by_name: dict[tuple[str, str], Series]) -> ShownSegment:
    segment, count, data = parse_header(header)
    series = by_name.get((segment.target, segment.location))
    place = f"{segment.day}, {segment.target} from {segment.location}"
    if series is None or count < 0 or series.used + count > len(series.rows):
        raise BundleError(place, "observations are missing")
    start, series.used = series.used, series.used + count
    rows = series.rows.part(start, series.used)
    return ShownSegment(header, data, segment, rows)
