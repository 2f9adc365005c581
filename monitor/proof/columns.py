"""Columns: a series' observations in few bytes (docs/proof-format.md §6).

The numbers of a column are cut into planes of a few bits each, and the planes of five columns (kind; slot and lateness
of the scheduled observations; distance of the others from the one before; duration) one after another make one zlib
stream. The digests in the ledger are over the canonical lines, never over these bytes.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from operator import add

from monitor.proof.canonical import JSON
from monitor.proof.segment import Kind, Rows

MAX_ROWS = 50_000_000


class ColumnError(ValueError):
    """Columns that cannot be decoded."""


Column = tuple[int, tuple[int, ...], tuple[bytes, ...]]
"""What is added to each number, how many bits each plane holds of the rest (lowest first), and the planes."""
_WIDEST = 56
_LOW: tuple[int, ...] = (8, 4, 2)
"""How many bits the lowest plane may have. The higher ones have eight."""


def cut(column: Sequence[int], low: int = 8) -> Column:
    """A column cut into planes, with ``low`` bits (1, 2, 4 or 8) in the lowest. ColumnError where it cannot be."""
    base = min(column, default=0)
    width = (max(column, default=0) - base).bit_length()
    if width > _WIDEST:
        raise ColumnError("numbers that are too far apart for a column")
    data = _little(array("Q", [number - base for number in column] if base else column)).tobytes()
    bits, planes = [], []
    if width and low < 8:
        bits.append(low)
        planes.append(_dense(data[::8].translate(_lowest(low, 0)), low))
        # All numbers at once, as one big one: what falls into a number from the next one stays above its own bits.
        data = (int.from_bytes(data, "little") >> low).to_bytes(len(data), "little")
        width -= low
    for plane in range(-(-width // 8)):
        bits.append(8)
        planes.append(data[plane::8])
    return base, tuple(bits), tuple(planes)


def joined(column: Column, count: int) -> list[int]:
    """The ``count`` numbers of a column."""
    base, bits, planes = column
    if not bits:
        return [base] * count
    low = bits[0] if bits[0] < 8 else 0
    raw = bytearray(count * 8)
    for number, plane in enumerate(planes[1:] if low else planes):
        raw[number::8] = plane
    if low and len(bits) > 1:
        raw = bytearray((int.from_bytes(raw, "little") << low).to_bytes(len(raw) + 8, "little")[: len(raw)])
    if low:
        least = _sparse(planes[0], low, count)
        raw[::8] = (int.from_bytes(raw[::8], "little") | int.from_bytes(least, "little")).to_bytes(count, "little")
    whole = array("Q")
    whole.frombytes(raw)
    found = _little(whole).tolist()
    return [base + number for number in found] if base else found


def _dense(small: bytes, bits: int) -> bytes:
    """Numbers of so few bits, several in a byte, the first in its lowest bits."""
    each = 8 // bits
    small += bytes(-len(small) % each)
    # All at once, as one big number: byte by byte it would take a hundred times as long.
    whole = 0
    for place in range(each):
        whole |= int.from_bytes(small[place::each], "little") << place * bits
    return whole.to_bytes(len(small) // each, "little")


def _sparse(dense: bytes, bits: int, count: int) -> bytes:
    each = 8 // bits
    out = bytearray(len(dense) * each)
    for place in range(each):
        out[place::each] = dense.translate(_lowest(bits, place * bits))
    return bytes(out[:count])


@cache
def _lowest(bits: int, shift: int) -> bytes:
    """For ``translate``: so many bits of each byte, from this one on."""
    return bytes(byte >> shift & (1 << bits) - 1 for byte in range(256))


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
    used = sorted(set(rows.kind), key=rows.kind.index) if len(rows.kinds) < 2000 else list(range(len(rows.kinds)))
    renumber = {old: new for new, old in enumerate(used)}
    on_interval = [kind.scheduled for kind in rows.kinds]
    scheduled = [at for at, kind in zip(rows.at, rows.kind, strict=True) if on_interval[kind]]
    phase = _phase(scheduled, step_ms)
    slots = [(at - phase) // step_ms for at in scheduled]
    first = slots[0] if slots else 0
    before = [first * step_ms + phase, *rows.at]
    columns = (
        [renumber[kind] for kind in rows.kind],
        [_zigzag(slot - last - 1) for last, slot in zip([first - 1, *slots], slots, strict=False)],
        [(at - phase) % step_ms for at in scheduled],
        [
            _zigzag(at - last)
            for last, at, kind in zip(before, rows.at, rows.kind, strict=False)
            if not on_interval[kind]
        ],
        rows.duration_ms,
    )
    best = [_best(column) for column in columns]
    data = _stream(best)
    if len(rows) > 1000 + 8 * len(data):
        # Too good to be believed: readers refuse few bytes that say they are very many observations.
        plain = [cut(column) for column in columns]
        base, bits, planes = plain[-1]
        plain[-1] = base, bits or (8,), planes or (bytes(len(rows)),)
        best = [(*column, [_deflate(plane, (zlib.Z_HUFFMAN_ONLY,)) for plane in column[2]]) for column in plain]
        data = _stream(best)
    head = {
        "columns": [[base, list(bits)] for base, bits, _, _ in best],
        "first": first,
        "kinds": [[int(k.scheduled), k.outcome, k.code, k.detail] for k in (rows.kinds[old] for old in used)],
        "phase": phase,
        "rows": len(rows),
        "step": step_ms,
    }
    return Packed(head, data)


def unpack(packed: Packed) -> Rows:
    """The observations. ColumnError if the bytes do not fit the head."""
    try:
        head = packed.head
        count, step, phase = head["rows"], head["step"], head["phase"]
        if not 0 <= count <= MAX_ROWS or len(head["columns"]) != 5:
            raise ColumnError("columns of an impossible size")
        taking = _Taking(packed.data, head["columns"], count)
        kind = taking.take(count)
        kinds = tuple(Kind(bool(on), outcome, code, detail) for on, outcome, code, detail in head["kinds"])
        if kind and not 0 <= min(kind) <= max(kind) < len(kinds):
            raise ColumnError("a kind that is not in the list")
        on_interval = [one.scheduled for one in kinds]
        many = sum(map(on_interval.__getitem__, kind))
        steps, late, rest, duration = (
            taking.take(many),
            taking.take(many),
            taking.take(count - many),
            taking.take(count),
        )
        taking.end()
        start = head["first"] * step + phase
        starts: Iterable[int] = range(start, start + many * step, step)
        if any(steps):  # seldom: without a gap, slot follows slot
            starts = accumulate((((n >> 1 ^ -(n & 1)) + 1) * step for n in steps), add, initial=start - step)
            next(starts)
        at = list(map(add, starts, late))
        if rest:
            scheduled, distances, last, at = iter(at), iter(rest), start, []
            for one in kind:
                last = next(scheduled) if on_interval[one] else last + ((n := next(distances)) >> 1 ^ -(n & 1))
                at.append(last)
        return Rows(at, duration, kind, kinds)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        if isinstance(error, ColumnError):
            raise
        raise ColumnError(f"columns with a malformed head: {error!r}") from error


class _Taking:
    """Takes columns, one after another, off an inflated stream."""

    def __init__(self, data: bytes, columns: JSON, count: int) -> None:
        self._columns = iter(columns)
        if any(
            sum(bits) > _WIDEST + 7 or not set(bits[:1]) <= {1, 2, 4, 8} or set(bits[1:]) - {8} for _, bits in columns
        ):
            raise ColumnError("planes of an impossible width")
        self._raw = inflate(data, count * sum(len(bits) for _, bits in columns))
        self._at = 0

    def take(self, count: int) -> list[int]:
        """The next column, of so many numbers."""
        base, bits = next(self._columns)
        planes = []
        for width in bits:
            planes.append(self._raw[self._at : self._at + -(-count * width // 8)])
            self._at += -(-count * width // 8)
        if self._at > len(self._raw):
            raise ColumnError("columns of the wrong length")
        return joined((base, tuple(bits), tuple(planes)), count)

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._raw):
            raise ColumnError("columns of the wrong length")


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


_Chosen = tuple[int, tuple[int, ...], tuple[bytes, ...], list[bytes]]


def _best(column: Sequence[int]) -> _Chosen:
    """The column cut so that it deflates to the fewest bytes, and what its planes deflate to."""
    found, lows = [], _LOW
    if len(column) > _SAMPLE:  # a part of it tells well enough how to cut
        part = column[len(column) // 3 :][:_SAMPLE]
        sizes = {low: sum(map(len, _best_planes(cut(part, low)[2]))) for low in _LOW}
        lows = (min(_LOW, key=lambda low: sizes[low]),)
    for low in lows:
        base, bits, planes = cut(column, low)
        found.append((base, bits, planes, _best_planes(planes)))
        if sum(map(len, found[-1][3])) < 1000:
            break  # there is nothing to be gained
    return min(found, key=lambda one: sum(map(len, one[3])))


_SAMPLE = 5000


def _best_planes(planes: Sequence[bytes]) -> list[bytes]:
    return [_deflate(plane, _STRATEGIES) for plane in planes]


_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY)


def _deflate(plane: bytes, strategies: Sequence[int]) -> bytes:
    """The plane deflated up to a byte boundary, in the way that suits it best.

    Noise packs best by Huffman's code alone, repetition by matching.
    """
    candidates = []
    for strategy in strategies:
        stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        candidates.append(stream.compress(plane) + stream.flush(zlib.Z_SYNC_FLUSH))
    return min(candidates, key=len)


def _stream(columns: Sequence[_Chosen]) -> bytes:
    """One zlib stream (RFC 1950) over all planes, each deflated by itself."""
    checksum = 1
    for plane in (plane for _, _, planes, _ in columns for plane in planes):
        checksum = zlib.adler32(plane, checksum)
    pieces = [piece for *_, pieces in columns for piece in pieces]
    return b"".join([b"\x78\xda", *pieces, b"\x03\x00", checksum.to_bytes(4, "big")])
