"""A bundle's file taken apart into its members, and these read (docs/proof-format.md §6).

Nothing is verified here but the form, and how much of a small file may fill the memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.proof import digits
from monitor.proof.canonical import JSON, sha256
from monitor.proof.columns import Packed, inflate
from monitor.proof.note import Note, NoteError

FORMAT = "slaproof bundle 1"
MAGIC = FORMAT.encode() + b"\n"
ROOM = 1 << 20
"""What every bundle may inflate to, and how many observations it may have, however small it is."""
_MEMBER = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,11}) ([a-z0-9][a-z0-9._/-]{0,80})")


class BundleError(ValueError):
    """A bundle that cannot be read or may not be built; ``place`` says where."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(why)
        self.place = place


def inflated_limit(size: int) -> int:
    """How many bytes a member may inflate to whose bundle's members have ``size`` bytes (format §6): none is a bomb."""
    return ROOM + 100 * size


def _size(members: Mapping[str, bytes]) -> int:
    return sum(map(len, members.values()))


@dataclass(frozen=True, slots=True)
class Container:
    """A bundle's file taken apart; nothing is verified but its form."""

    origin: str
    note: Note
    members: Mapping[str, bytes]
    wrong: tuple[str, ...]
    """Members whose bytes are not those that the head lists."""
    trailing: int = 0
    """How many bytes the file has beyond (more than 0) or short of its members."""


def read_container(data: bytes) -> Container:
    """Take the file apart. BundleError where its head cannot be read."""
    if not data.startswith(MAGIC):
        raise BundleError("head", "the file does not begin as a bundle does")
    end = data.find(b"\n\n")
    signature_end = data.find(b"\n", end + 2)
    if end < 0 or signature_end < 0:
        raise BundleError("head", "the head has no end")
    try:
        note = Note.parse(data[: signature_end + 1].decode())
    except (NoteError, UnicodeDecodeError) as error:
        raise BundleError("head", f"the head is not a signed note: {error}") from error
    _, origin, *lines = note.text[:-1].split("\n")
    members: dict[str, bytes] = {}
    wrong = []
    at = signature_end + 1
    for line in lines:
        match = _MEMBER.fullmatch(line)
        if not match or match[3] in members:
            raise BundleError("head", f"a line that lists no member: {line[:100]}")
        size = int(match[2])
        members[match[3]] = data[at : at + size]
        if sha256(members[match[3]]).hex() != match[1]:
            wrong.append(match[3])
        at += size
    return Container(origin, note, members, tuple(wrong), len(data) - at)


def read_json(members: Mapping[str, bytes], name: str) -> JSON:
    """A member's JSON. BundleError if it is missing or malformed."""
    return parse_json(name, read_member(members, name))


def parse_json(name: str, data: bytes) -> JSON:
    """The JSON of a member that is read. BundleError if it is malformed."""
    try:
        return json.loads(data, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        raise BundleError(name, f"not JSON: {error}") from error


def read_lines(members: Mapping[str, bytes], name: str) -> list[bytes]:
    """A member's lines, without their newlines. BundleError if it is missing or malformed."""
    return split_lines(name, read_member(members, name))


def split_lines(name: str, data: bytes) -> list[bytes]:
    """The lines of a member that is read. BundleError if the last one has no end."""
    if data and not data.endswith(b"\n"):
        raise BundleError(name, "the last line has no end")
    return data.split(b"\n")[:-1]


def read_member(members: Mapping[str, bytes], name: str) -> bytes:
    """A member's bytes, decompressed where its name ends in ``.z``. BundleError if it is missing or malformed."""
    if name not in members:
        raise BundleError(name, "the bundle has no such member")
    try:
        return inflate(members[name], inflated_limit(_size(members))) if name.endswith(".z") else members[name]
    except ValueError as error:
        raise BundleError(name, str(error)) from error


def read_ledger(members: Mapping[str, bytes]) -> tuple[JSON, list[bytes]]:
    """What ledger.json.z and segments.jsonl.z say, with their digits. BundleError if one is missing or malformed."""
    texts = {name: read_member(members, name) for name in ("ledger.json.z", "segments.jsonl.z")}
    try:
        ledger, segments = digits.put_back(texts, read_member(members, "digits")).values()
    except ValueError as error:
        raise error if isinstance(error, BundleError) else BundleError("digits", str(error)) from error
    return parse_json("ledger.json.z", ledger), split_lines("segments.jsonl.z", segments)


def packed_series(members: Mapping[str, bytes]) -> list[Packed]:
    """The series in the order of series.json.z. BundleError where a member is missing, or there are too many rows."""
    heads = read_json(members, "series.json.z")
    try:
        many = sum(max(0, head["rows"]) for head in heads)
    except (KeyError, TypeError) as error:
        raise BundleError("series.json.z", f"malformed: {error!r}") from error
    if many > ROOM + 10 * _size(members):
        raise BundleError("series.json.z", f"{many} observations are more than a file of this size may have")
    found = []
    for index, head in enumerate(heads):
        name = f"rows/{index:05d}.z"
        if name not in members:
            raise BundleError(name, "the bundle has no such member")
        found.append(Packed(head, members[name]))
    return found


def _no_float(text: str) -> None:
    raise ValueError(f"a number that is not an integer: {text}")
