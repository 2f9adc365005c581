"""Columns: a series' observations in few bytes (docs/proof-format.md §6).

A column of n numbers is cut into planes: all lowest bytes, then all second-lowest bytes, and so on, as many as the
largest number needs. Four columns (slot steps, lateness, duration, kind) one after another make one zlib stream. The
digests in the ledger are over the canonical lines, never over these bytes.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add

from monitor.proof.canonical import JSON
from monitor.proof.segment import Kind, Rows

MAX_ROWS = 50_000_000
_TYPES = {1: "B", 2: "H", 4: "I", 8: "Q"}


class ColumnError(ValueError):
    """Columns that cannot be decoded."""


def planes(column: Sequence[int]) -> tuple[int, list[bytes]]:
    """The width in bytes of the largest number (0 where all are 0) and the planes, lowest bytes first."""
    width = (max(column, default=0).bit_length() + 7) // 8
    if width > 8 or min(column, default=0) < 0:
        raise ColumnError("a number that does not fit into a column")
    size = next(size for size in (1, 2, 4, 8) if size >= width)
    data = memoryview(_little(array(_TYPES[size], column))).cast("B")
    return width, [bytes(data[plane::size]) for plane in range(width)]


def unplane(data: memoryview, count: int, width: int) -> list[int]:
    """The column of ``count`` numbers whose planes these are."""
    if not width:
        return [0] * count
    size = next(size for size in (1, 2, 4, 8) if size >= width)
    raw = bytearray(count * size)
    for plane in range(width):
        raw[plane::size] = data[plane * count : (plane + 1) * count]
    column = array(_TYPES[size])
    column.frombytes(raw)
    return _little(column).tolist()


def _little(column: array[int]) -> array[int]:
    if array("H", [1]).tobytes() == b"\x00\x01":  # a big-endian machine
        column.byteswap()
    return column


@dataclass(frozen=True, slots=True)
class Packed:
    """A series' observations as they stand in a bundle."""

    head: JSON
    """What is needed to read the bytes: see docs/proof-format.md §6."""
    data: bytes
    """A zlib stream."""


def pack(rows: Rows, step_ms: int) -> Packed:
    """Pack observations, most of which come once every ``step_ms`` (the target's interval)."""
    phase = _phase(rows.at, step_ms)
    slots = [(at - phase) // step_ms for at in rows.at]
    first = slots[0] if slots else 0
    steps = [_zigzag(slot - before - 1) for before, slot in zip([first - 1, *slots], slots, strict=False)]
    late = [(at - phase) % step_ms for at in rows.at]
    used = sorted(set(rows.kind), key=rows.kind.index) if len(rows.kinds) < 2000 else list(range(len(rows.kinds)))
    renumber = {old: new for new, old in enumerate(used)}
    kinds = [renumber[kind] for kind in rows.kind]
    widths, parts = [], []
    for column in (steps, late, rows.duration_ms, kinds):
        width, bytes_ = planes(column)
        widths.append(width)
        parts.append(bytes_)
    head = {
        "evidence": [[index, digest] for index, digest in sorted(rows.evidence.items())],
        "first": first,
        "kinds": [[int(k.scheduled), k.outcome, k.code, k.detail] for k in (rows.kinds[old] for old in used)],
        "phase": phase,
        "rows": len(rows),
        "step": step_ms,
        "widths": widths,
    }
    return Packed(head, _deflate(parts))


def unpack(packed: Packed) -> Rows:
    """The observations. ColumnError if the bytes do not fit the head."""
    try:
        head = packed.head
        count, widths, step, phase = head["rows"], head["widths"], head["step"], head["phase"]
        if not (0 <= count <= MAX_ROWS and len(widths) == 4 and all(0 <= width <= 8 for width in widths)):
            raise ColumnError("columns of an impossible size")
        raw = inflate(packed.data, count * sum(widths))
        if len(raw) != count * sum(widths):
            raise ColumnError("columns of the wrong length")
        view, columns, at = memoryview(raw), [], 0
        for width in widths:
            columns.append(unplane(view[at : at + width * count], count, width))
            at += width * count
        steps, late, duration, kind = columns
        moves = [(n >> 1 ^ -(n & 1)) + 1 for n in steps] if widths[0] else [1] * count
        slots = accumulate(moves, add, initial=head["first"] - 1)
        next(slots)
        kinds = tuple(Kind(bool(on), outcome, code, detail) for on, outcome, code, detail in head["kinds"])
        if kind and max(kind) >= len(kinds):
            raise ColumnError("a kind that is not in the list")
        evidence = {int(index): str(digest) for index, digest in head["evidence"]}
        if any(not 0 <= index < count for index in evidence):
            raise ColumnError("evidence of an observation that is not there")
        instants = [slot * step + phase + ms for slot, ms in zip(slots, late, strict=True)]
        return Rows(instants, duration, kind, kinds, evidence)
    except (KeyError, TypeError, AttributeError) as error:
        raise ColumnError(f"columns with a malformed head: {error!r}") from error


def inflate(data: bytes, limit: int) -> bytes:
    """Decompress a zlib stream of at most ``limit`` bytes, with nothing after it. ColumnError otherwise."""
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise ColumnError(f"a broken zlib stream: {error}") from error
    if len(raw) > limit or not stream.eof or stream.unused_data:
        raise ColumnError("a zlib stream of the wrong length")
    return raw


def _phase(at: Sequence[int], step: int) -> int:
    """Where in the step to count from: the end of the longest stretch of it in which no observation falls."""
    offsets = sorted({instant % step for instant in at[:5000]})
    if not offsets:
        return 0
    gaps = [(after - before, after) for before, after in zip([offsets[-1] - step, *offsets], offsets, strict=False)]
    return max(gaps)[1]


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _deflate(parts: Sequence[Sequence[bytes]]) -> bytes:
    """One zlib stream (RFC 1950) over all planes, each packed in the way that suits it best.

    Noise packs best by Huffman's code alone, repetition by matching; so each plane is deflated by itself, up to a byte
    boundary, and the pieces are put together.
    """
    checksum, out = 1, [b"\x78\xda"]
    for plane in (plane for column in parts for plane in column):
        checksum = zlib.adler32(plane, checksum)
        candidates = []
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY):
            stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
            candidates.append(stream.compress(plane) + stream.flush(zlib.Z_SYNC_FLUSH))
        out.append(min(candidates, key=len))
    return b"".join([*out, b"\x03\x00", checksum.to_bytes(4, "big")])
