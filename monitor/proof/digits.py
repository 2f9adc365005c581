"""Hex digits kept apart, as bytes, from the text in which they stand (docs/proof-format.md §6).

Hashes do not deflate, and among them the words around deflate worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_DIGITS = re.compile(rb"[0-9a-f]{64}|[0-9a-f]{16}")
_PLACE = re.compile(rb"[\x01-\x08]")


def take_out(texts: Mapping[str, bytes]) -> tuple[dict[str, bytes], bytes]:
    """The texts, with a byte that counts groups of 16 digits in place of each hash and tag; and what was there."""
    found = bytearray()

    def keep(match: re.Match[bytes]) -> bytes:
        found.extend(bytes.fromhex(match[0].decode()))
        return bytes([len(match[0]) // 16])

    return {name: _DIGITS.sub(keep, text) for name, text in texts.items()}, bytes(found)


def put_back(texts: Mapping[str, bytes], taken: bytes) -> dict[str, bytes]:
    """The texts whole again. ValueError where what was taken is too short or too long."""
    at = 0

    def whole(match: re.Match[bytes]) -> bytes:
        nonlocal at
        start, at = at, at + 8 * match[0][0]
        return taken[start:at].hex().encode()

    found = {name: _PLACE.sub(whole, text) for name, text in texts.items()}
    if at != len(taken):
        raise ValueError(f"{len(taken)} bytes of digits, where {at} are missing")
    return found
