"""How sealed contents are kept: segments as columns, the rest compressed. What comes back is what was sealed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

from monitor.proof.bundle import Shown
from monitor.proof.canonical import canonical, parse_canonical
from monitor.proof.columns import Packed, pack, unpack
from monitor.proof.segment import Segment, parse_header
from monitor.sealing.contents import GroupDay
from monitor.store.ledger import Content


def pack_group(day: GroupDay) -> list[Content]:
    """A group's contents, in the order of its leaves."""
    found = [Content(group=day.name, kind="config", data=zlib.compress(config)) for config in day.configs]
    ordered = sorted(day.segments, key=lambda s: (s.target, s.location))
    found += [Content(group=day.name, kind="segment", data=_pack_segment(segment)) for segment in ordered]
    found += [Content(group=day.name, kind="event", data=zlib.compress(event)) for _, event in day.events]
    return found


def unpack_groups(contents: Iterable[Content]) -> dict[str, Shown]:
    """The contents of one entry by group."""
    configs: dict[str, list[bytes]] = {}
    segments: dict[str, list[Segment]] = {}
    events: dict[str, list[bytes]] = {}
    for one in contents:
        if one.kind == "config":
            configs.setdefault(one.group, []).append(zlib.decompress(one.data))
        elif one.kind == "segment":
            segments.setdefault(one.group, []).append(_unpack_segment(one.data))
        else:
            events.setdefault(one.group, []).append(zlib.decompress(one.data))
    return {
        name: Shown(
            configs=tuple(configs.get(name, ())),
            segments=tuple(segments.get(name, ())),
            events=tuple(events.get(name, ())),
        )
        for name in {*configs, *segments, *events}
    }


def unpack_events(packed: Iterable[bytes]) -> tuple[bytes, ...]:
    """Events' contents."""
    return tuple(map(zlib.decompress, packed))


def _pack_segment(segment: Segment) -> bytes:
    step = segment.plan[0].interval_ms if segment.plan else 60_000
    packed = pack(segment.rows, step)
    evidence = [[index, digest] for index, digest in sorted(segment.rows.evidence.items())]
    heads = canonical({"evidence": evidence, "header": parse_canonical(segment.header()), "rows": packed.head})
    return zlib.compress(heads) + packed.data


def _unpack_segment(data: bytes) -> Segment:
    inflating = zlib.decompressobj()
    heads = parse_canonical(inflating.decompress(data))
    segment, _, _ = parse_header(canonical(heads["header"]))
    rows = unpack(Packed(heads["rows"], inflating.unused_data))
    return replace(segment, rows=replace(rows, evidence=dict(map(tuple, heads["evidence"]))))
