"""Bundles: one file with everything that shows what a month was (docs/proof-format.md §6).

The file begins with a signed note that lists each member with its digest and size, and goes on with the bytes of the
members in that order, and with nothing else. So every byte of the file is signed text, or the signature, or under a
digest.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.proof import digits, merkle
from monitor.proof.canonical import JSON, canonical, parse_canonical, sha256
from monitor.proof.columns import Packed, pack
from monitor.proof.container import FORMAT, BundleError, read_container
from monitor.proof.keyring import Keyring
from monitor.proof.ledger import COMMON, day_start, group_tag, rfc3339
from monitor.proof.note import Note, Signer, sign_note, signature_line
from monitor.proof.segment import Rows, Segment, segment_bytes

# --- what a bundle is built from


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The contents of one group in one entry, exactly as they were sealed."""

    configs: tuple[bytes, ...] = ()
    segments: tuple[Segment, ...] = ()
    events: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHeartbeat:
    """A heartbeat as the store keeps it."""

    entry: bytes
    leaves: tuple[bytes, ...]
    first: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEntry:
    """An entry of the log as the store keeps it, with what is shown of it."""

    entry: bytes
    note: str
    """Its checkpoint, signed."""
    leaves: tuple[bytes, ...] = ()
    """The leaf hashes of its tree; needed where anything of it is shown."""
    shown: Mapping[str, Shown] = field(default_factory=dict)
    """By group. Each of the common group and the contract's that the entry has must stand here."""
    heartbeats: tuple[SealedHeartbeat, ...] | None = None
    """The day's heartbeats; None: not opened, the entry's commitment alone stands. Those of a day whose observations
    are withheld cannot be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What a later revision changes."""

    of: str
    """SHA-256, in hex, of the revision before: the whole file."""
    why: str
    changes: tuple[str, ...] = ()
    """What changed, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleInput:
    """Everything that goes into a bundle."""

    origin: str
    contract: str
    period: Mapping[str, JSON]
    """As in the evaluation's answer: name, start, end, to, complete (arithmetic §9)."""
    days: tuple[str, str]
    """The first and the last UTC day that the evaluation looked at, sealed or not. Of days after the last one the
    observations are withheld."""
    made_at: int
    now: int | None = None
    """As known when the evaluation was made (arithmetic §9's ``--now``); None: as if every deadline were past."""
    secrets: Mapping[str, bytes]
    """``group_secret`` of the common group and of the contract's."""
    config: bytes
    """The configuration's content under which the evaluation was made; sealed in one of the entries."""
    before: merkle.Log
    """The log before the first entry."""
    before_note: str | None
    """Its checkpoint, signed; None where it was empty."""
    entries: tuple[SealedEntry, ...]
    """Consecutive entries of the log: every one from the first day's on, supplements too."""
    earlier: tuple[bytes, ...] = ()
    """The contract's events in the entries before the first, all of them, in order."""
    evaluation: JSON
    """The answer of ``slaproof evaluate`` (arithmetic §9)."""
    inputs: JSON
    """The events that the evaluation was given, folded from the ledger's, as arithmetic §9's events.yaml."""
    statement: JSON = None
    """The dress of the statement, and the digest of what it prints; None where there is none."""
    keys: Keyring
    timestamps: Mapping[int, bytes] = field(default_factory=dict)
    """RFC 3161 tokens over the signed checkpoints, by the log's size."""
    revision: int = 1
    amends: Amendment | None = None
    pdf_signer: str | None = None
    """SHA-256, in hex, of the certificate that will sign the statement; None for a bundle without a statement."""


# --- building


PackedSeries = dict[tuple[str, str], Packed]
"""The packed observations of each target and location: the dear part of a bundle."""


def build_bundle(given: BundleInput, signer: Signer, packed: PackedSeries | None = None) -> bytes:
    """The bundle's bytes. Identical input gives identical bytes. BundleError if something does not fit together.

    ``packed`` is filled at the first call; given again with the same entries, it spares packing them anew.
    """
    members = _members(given, {} if packed is None else packed)
    text = head_text(given.origin, members)
    return sign_note(text, signer).encode() + b"".join(members.values())


def head_text(origin: str, members: Mapping[str, bytes]) -> str:
    """The text at the head of a bundle, to be signed."""
    lines = [f"{sha256(data).hex()} {len(data)} {name}\n" for name, data in members.items()]
    return f"{FORMAT}\n{origin}\n{''.join(lines)}"


def resign(data: bytes, signer: Signer) -> bytes:
    """The same bundle with a head that fits its members, signed by ``signer``."""
    container = read_container(data)
    text = head_text(container.origin, container.members)
    return (text + "\n" + signature_line(text, signer)).encode() + b"".join(container.members.values())


def _members(given: BundleInput, packed: PackedSeries) -> dict[str, bytes]:
    if given.amends is not None and given.revision < 2:
        raise BundleError("about.json", "an amendment has a revision of 2 or more")
    configs = _Pool()
    events: list[bytes] = []
    headers: list[bytes] = []
    series: dict[tuple[str, str], list[Segment]] = {}
    entries: list[JSON] = []
    for sealed in given.entries:
        head = parse_canonical(sealed.entry)
        first_of = dict(head["groups"])
        withheld = head["day"] > given.days[1]
        shown_list: list[JSON] = []
        indices: list[int] = []
        for name in (COMMON, given.contract):
            shown = sealed.shown.get(name)
            if shown is None:
                continue
            ordered = sorted(shown.segments, key=lambda s: (s.target, s.location))
            digests = [sha256(segment_bytes(segment)).hex() for segment in ordered] if withheld else len(ordered)
            shown_list.append([name, [configs.index(c) for c in shown.configs], digests, len(shown.events)])
            for segment in () if withheld else ordered:
                headers.append(segment.header())
                series.setdefault((segment.target, segment.location), []).append(segment)
            events += shown.events
            first = first_of[_tag(given, name, given.before.size + len(entries))]
            count = 1 + len(shown.configs) + len(shown.segments) + len(shown.events)
            indices += range(first, first + count)
        proof = merkle.multiproof(sealed.leaves, indices) if indices else []
        opened = sealed.heartbeats is not None and not (withheld and sealed.heartbeats)
        beats = _beats(sealed.heartbeats or (), given.contract) if opened else None
        entries.append(
            {
                "entry": sealed.entry.decode(),
                "heartbeats": beats,
                "proof": [one.hex() for one in proof],
                "shown": shown_list,
                "signatures": _signature_lines(sealed.note),
            }
        )
    ledger = {
        "before": {
            "peaks": [peak.hex() for peak in given.before.peaks],
            "signatures": None if given.before_note is None else _signature_lines(given.before_note),
            "size": given.before.size,
        },
        "entries": entries,
        "secrets": {name: given.secrets[name].hex() for name in (COMMON, given.contract)},
    }
    for key, parts in series.items():
        if key not in packed:
            packed[key] = pack(_joined(parts), _step(parts))
    keys = sorted(packed)
    about = {
        "amends": amends_json(given.amends),
        "config": sha256(given.config).hex(),
        "contract": given.contract,
        "days": list(given.days),
        "made": rfc3339(given.made_at),
        "now": None if given.now is None else rfc3339(given.now),
        "origin": given.origin,
        "pdf_signer": given.pdf_signer,
        "period": dict(given.period),
        "revision": given.revision,
    }
    configs.index(given.config)
    found = {
        "about.json": _pretty(about),
        "keys.json": _pretty(given.keys.to_json()),
    }
    if given.statement is not None:
        found["statement.json"] = _pretty(given.statement)
    found["evaluation.json.z"] = _zipped(_pretty(given.evaluation))
    found["inputs.json.z"] = _zipped(_pretty(given.inputs))
    found["config.jsonl.z"] = _zipped(b"".join(one + b"\n" for one in configs.contents))
    found["earlier.jsonl.z"] = _zipped(b"".join(one + b"\n" for one in given.earlier))
    found["events.jsonl.z"] = _zipped(b"".join(one + b"\n" for one in events))
    told = {"ledger.json.z": canonical(ledger), "segments.jsonl.z": b"".join(one + b"\n" for one in headers)}
    told, found["digits"] = digits.take_out(told)
    found |= {name: _zipped(text) for name, text in told.items()}
    heads = [{**packed[key].head, "location": key[1], "target": key[0]} for key in keys]
    found["series.json.z"] = _zipped(canonical(heads))
    for index, key in enumerate(keys):
        found[f"rows/{index:05d}.z"] = packed[key].data
    tokens = {str(size): base64.b64encode(token).decode() for size, token in sorted(given.timestamps.items())}
    found["timestamps.json.z"] = _zipped(canonical(tokens))
    return found


def amends_json(amends: Amendment | None) -> JSON:
    """An amendment as ``about.json`` has it."""
    return None if amends is None else {"changes": list(amends.changes), "sha256": amends.of, "why": amends.why}


def _tag(given: BundleInput, name: str, index: int) -> str:
    return group_tag(given.secrets[name], index)


def _beats(beats: Sequence[SealedHeartbeat], contract: str) -> JSON:
    """Each heartbeat as steps from the one before: in a steady rhythm they are alike, and cost next to nothing."""
    found: list[JSON] = []
    before = 0
    for beat in beats:
        head = parse_canonical(beat.entry)
        before = before or day_start(head["day"])
        first = [beat.first.get(name, -1) for name in (COMMON, contract)]
        proof = merkle.multiproof(beat.leaves, [index for index in first if index >= 0])
        steps = [head["at"] - before, head["at"] - head["horizon"], head["leaves"]]
        found.append([*steps, first, [one.hex() for one in proof]])
        before = head["at"]
    return found


def _signature_lines(note: str) -> str:
    return note[len(Note.parse(note).text) + 1 :]


def _joined(parts: Sequence[Segment]) -> Rows:
    return Rows.joined(part.rows for part in parts)


def _step(parts: Sequence[Segment]) -> int:
    spans = [span.interval_ms for part in parts for span in part.plan]
    return max(spans, key=spans.count, default=60_000)


def _pretty(value: JSON) -> bytes:
    canonical(value)  # no floats, nothing that two readers take differently
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False).encode() + b"\n"


def _zipped(data: bytes) -> bytes:
    return min((_deflated(data, strategy) for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED)), key=len)


def _deflated(data: bytes, strategy: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    return stream.compress(data) + stream.flush()


class _Pool:
    """Contents, each kept once."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self._known: dict[bytes, int] = {}

    def index(self, content: bytes) -> int:
        """Where the content stands."""
        if content not in self._known:
            self._known[content] = len(self.contents)
            self.contents.append(content)
        return self._known[content]
