"""Merkle trees of RFC 6962 §2.1: roots, proofs that some leaves are in a tree, and growing logs.

A *multiproof* shows several leaves at once. Walk the tree from its root: a subtree with none of the shown leaves is one
hash taken from the proof, in order from left to right; a shown leaf is its own hash; anything else is split as
RFC 6962 splits it. With one leaf these are the hashes of RFC 6962's audit path, in the order of the leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofError(ValueError):
    """A proof does not have the form that its tree asks for."""


def leaf_hash(data: bytes) -> bytes:
    """MTH({d}) = SHA-256(0x00 || d)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two smaller than ``size`` (``size`` > 1)."""
    return 1 << ((size - 1).bit_length() - 1)


def root(leaves: Sequence[bytes]) -> bytes:
    """The root of a tree with these leaf hashes."""
    log = Log()
    for leaf in leaves:
        log = log.append(leaf)
    return log.root()


def multiproof(leaves: Sequence[bytes], shown: Sequence[int]) -> list[bytes]:
    """The hashes that, with the shown leaves (their indices), give the root."""
    wanted = sorted(set(shown))
    if any(not 0 <= index < len(leaves) for index in wanted):
        raise ProofError("a leaf outside the tree")
    proof: list[bytes] = []

    def walk(low: int, high: int, inside: Sequence[int]) -> None:
        if not inside:
            proof.append(root(leaves[low:high]))
        elif high - low > 1:
            middle = low + split(high - low)
            walk(low, middle, [i for i in inside if i < middle])
            walk(middle, high, [i for i in inside if i >= middle])

    if leaves:
        walk(0, len(leaves), wanted)
    return proof


def root_of_proof(size: int, shown: Mapping[int, bytes], proof: Sequence[bytes]) -> bytes:
    """The root that a multiproof gives: ``size`` leaves, the shown ones' hashes by index. ProofError if unfit."""
    if size == 0:
        if shown or proof:
            raise ProofError("an empty tree has no leaves to show")
        return EMPTY_ROOT
    indices = sorted(shown)
    if any(not 0 <= index < size for index in indices):
        raise ProofError("a leaf outside the tree")
    hashes: Iterator[bytes] = iter(proof)

    def walk(low: int, high: int, inside: Sequence[int]) -> bytes:
        if not inside:
            found = next(hashes, None)
            if found is None or len(found) != 32:
                raise ProofError("the proof is too short")
            return found
        if high - low == 1:
            return shown[low]
        middle = low + split(high - low)
        left = walk(low, middle, [i for i in inside if i < middle])
        return node_hash(left, walk(middle, high, [i for i in inside if i >= middle]))

    result = walk(0, size, indices)
    if next(hashes, None) is not None:
        raise ProofError("the proof is too long")
    return result


@dataclass(frozen=True, slots=True)
class Log:
    """A tree that only grows, kept as its peaks: the roots of its complete subtrees, largest first.

    There is one peak for each bit of ``size``. Whoever has the peaks at one size, checks them against the root at that
    size, and appends leaves, has thereby checked that the later roots are consistent with the earlier one
    (RFC 6962 §2.1.2) without a separate proof.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or self.size.bit_count() != len(self.peaks) or any(len(peak) != 32 for peak in self.peaks):
            raise ProofError("the peaks do not fit the size of the log")

    def append(self, leaf: bytes) -> Log:
        """The log with one more leaf hash."""
        peaks, carry, size = list(self.peaks), leaf, self.size
        while size & 1:
            carry = node_hash(peaks.pop(), carry)
            size >>= 1
        return Log(self.size + 1, (*peaks, carry))

    def root(self) -> bytes:
        """The root at this size."""
        if not self.peaks:
            return EMPTY_ROOT
        result = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            result = node_hash(peak, result)
        return result
