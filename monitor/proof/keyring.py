"""Which keys a monitor has had, and what vouches for each: rotations and revocations as signed notes.

A rotation is signed by the old key and by the new one, so whoever knows either knows both. A revocation says from when
on a key's signatures prove nothing by themselves; what it signed before stays good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.proof.ledger import rfc3339
from monitor.proof.note import Note, NoteError, Signer, VerifierKey, sign_note

ROTATION = "slaproof key rotation"
REVOCATION = "slaproof key revocation"


def parse_rfc3339(text: str) -> int:
    """Milliseconds of ``2026-10-01T00:00:00.000Z``. ValueError for any other spelling."""
    moment = datetime.fromisoformat(text)
    ms = round(moment.timestamp() * 1000)
    if rfc3339(ms) != text:
        raise ValueError(f"not an instant as the ledger spells it: {text}")
    return ms


def rotation_note(origin: str, old: Signer, new: Signer, at: int) -> str:
    """The note by which ``new`` takes over from ``old``."""
    text = f"{ROTATION}\n{origin}\n{old.key}\n{new.key}\n{rfc3339(at)}\n"
    return sign_note(text, old, new)


def revocation_note(origin: str, revoked: VerifierKey, signer: Signer, at: int, reason: str) -> str:
    """The note that revokes a key from ``at`` on; signed by a key that vouches for it or is vouched for by it."""
    if "\n" in reason or not reason.strip():
        raise NoteError("a revocation has a reason, in one line")
    return sign_note(f"{REVOCATION}\n{origin}\n{revoked}\n{rfc3339(at)}\n{reason}\n", signer)


@dataclass(frozen=True, slots=True)
class Rotation:
    """One key takes over from another."""

    old: VerifierKey
    new: VerifierKey
    at: int


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key no longer to be trusted by itself."""

    key: VerifierKey
    at: int
    reason: str
    by: VerifierKey


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys and what is said of them."""

    keys: tuple[VerifierKey, ...]
    """Oldest first."""
    rotations: tuple[Rotation, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    notes: tuple[str, ...] = ()
    """The notes that the rotations and revocations come from."""

    @classmethod
    def of(cls, keys: Iterable[VerifierKey], notes: Sequence[str], origin: str) -> Keyring:
        """Read the notes. NoteError for one that is malformed, of another origin, or not signed as it must be."""
        known = list(dict.fromkeys(keys))
        rotations, revocations = [], []
        for note in dict.fromkeys(notes):
            parsed = Note.parse(note)
            lines = parsed.text.split("\n")
            if len(lines) != 6 or lines[1] != origin:
                raise NoteError("a note about keys that is malformed or of another origin")
            if lines[0] == ROTATION:
                old, new = VerifierKey.parse(lines[2]), VerifierKey.parse(lines[3])
                if set(parsed.verified_by([old, new])) != {old, new}:
                    raise NoteError("a rotation that the old key and the new one have not both signed")
                rotations.append(Rotation(old, new, _instant(lines[4])))
                known += [key for key in (old, new) if key not in known]
            elif lines[0] == REVOCATION:
                revoked = VerifierKey.parse(lines[2])
                signers = parsed.verified_by(known)
                if not signers:
                    raise NoteError("a revocation that no key of this history has signed")
                revocations.append(Revocation(revoked, _instant(lines[3]), lines[4], signers[0]))
            else:
                raise NoteError("a note that is neither a rotation nor a revocation")
        return cls(tuple(known), tuple(rotations), tuple(revocations), tuple(notes))

    def vouched(self, trusted: Iterable[VerifierKey]) -> frozenset[VerifierKey]:
        """The trusted keys and all that rotations link to them."""
        found = set(trusted)
        while True:
            more = {r.new for r in self.rotations if r.old in found} | {r.old for r in self.rotations if r.new in found}
            if more <= found:
                return frozenset(found)
            found |= more

    def replaced_at(self, key: VerifierKey) -> int | None:
        """When another key took over from this one."""
        return min((rotation.at for rotation in self.rotations if rotation.old == key), default=None)

    def revoked(self, key: VerifierKey) -> Revocation | None:
        """The first revocation of the key by a key that is linked to it."""
        linked = self.vouched([key])
        found = [r for r in self.revocations if r.key == key and r.by in linked]
        return min(found, key=lambda r: r.at, default=None)

    def to_json(self) -> dict[str, list[str]]:
        """As in a bundle's keys.json."""
        return {"keys": [str(key) for key in self.keys], "notes": list(self.notes)}

    def to_text(self) -> str:
        """As in a key file: a line for each key, then the notes, each after a line of three dashes."""
        return "".join(f"{key}\n" for key in self.keys) + "".join(f"---\n{note}" for note in self.notes)


def parse_key_text(text: str) -> tuple[list[VerifierKey], list[str]]:
    """The keys and notes of a key file. NoteError for a malformed key."""
    head, *notes = ("\n" + text).replace("\r\n", "\n").split("\n---\n")
    lines = [line.strip() for line in head.splitlines()]
    return [VerifierKey.parse(line) for line in lines if line and not line.startswith("#")], [
        note.rstrip("\n") + "\n" for note in notes
    ]


def _instant(text: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise NoteError(str(error)) from error
