"""Canonical bytes: one value, one spelling (RFC 8785), so that a digest speaks of the value and not of its typing.

The ledger holds no floating point numbers at all: numbers are integers that every JSON reader holds exactly
(at most 2**53 - 1 in size), decimals are strings. So the one hard part of RFC 8785, the printing of doubles, never
arises, and a value with a float in it is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

JSON = Any
"""A JSON value: None, bool, int, str, list, dict with str keys."""

MAX_INTEGER = 2**53 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotCanonicalError(ValueError):
    """The value has no canonical bytes, or the bytes are not the canonical ones."""


def sha256(data: bytes) -> bytes:
    """The SHA-256 digest, 32 bytes."""
    return hashlib.sha256(data).digest()


def canonical(value: JSON) -> bytes:
    """The bytes of a JSON value by RFC 8785. Raises NotCanonicalError for floats, big integers, lone surrogates."""
    return _text(value).encode()


def parse_canonical(data: bytes) -> JSON:
    """The value whose canonical bytes these are. Raises NotCanonicalError if they are not canonical."""
    try:
        value = json.loads(data, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotCanonicalError(f"not JSON: {error}") from error
    if canonical(value) != data:
        raise NotCanonicalError("not in canonical form")
    return value


def _refuse(text: str) -> None:
    raise NotCanonicalError(f"a number that is not an integer: {text}")


def _text(value: JSON) -> str:
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise NotCanonicalError(f"an integer that not every reader holds exactly: {value}")
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise NotCanonicalError("a key that is not a string")
        # RFC 8785 §3.2.3: keys in the order of their UTF-16 code units
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_string(key)}:{_text(value[key])}" for key in keys) + "}"
    raise NotCanonicalError(f"no JSON value: {type(value).__name__}")


def _string(text: str) -> str:
    if _SURROGATE.search(text):
        raise NotCanonicalError("a lone surrogate")
    return json.dumps(text, ensure_ascii=False)
