"""The signing key: the only place that reads it. It stands in a file that nobody else may read, never in the database.

A key file holds one line, ``PRIVATE+KEY+name+keyid+base64`` (the spelling of C2SP signed notes). Beside it stands
``FILE.pub``, which anybody may see: every key there has been and the notes of rotations and revocations. Rotating
writes the new key beside the old one, then the note, then puts the new key in place. From the note on the new key
signs, wherever it stands; so whoever dies in between leaves exactly one key in use.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import Refused
from monitor.proof.keyring import Keyring, parse_key_text, revocation_note, rotation_note
from monitor.proof.ledger import rfc3339
from monitor.proof.note import NoteError, SeedSigner, Signer, VerifierKey

_LONGEST = 4096


class KeyRefused(Refused):
    """The key cannot be used, or may not be written; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The key in use and the history of all keys."""

    signer: Signer
    ring: Keyring
    path: Path


def public_path(path: Path) -> Path:
    """Where the public history of a key file stands."""
    return path.with_name(path.name + ".pub")


def credential_path(name: str) -> Path:
    """Where systemd puts a credential. KeyRefused where it gave none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise KeyRefused(f"The credential {name} is not there: systemd gives it with LoadCredential={name}:FILE.")
    return Path(folder) / name


def load_keys(path: Path, *, public: Path | None = None) -> Keys:
    """Read the private key and the public history. KeyRefused where somebody else could read it, or it is malformed."""
    signer = _read_private(path)
    history = public if public is not None else public_path(path)
    try:
        keys, notes = parse_key_text(history.read_text()) if history.is_file() else ([signer.key], [])
        ring = Keyring.of(keys, notes, signer.name)
    except NoteError as error:
        raise KeyRefused(f"The history of keys {history} cannot be used: {error}.") from error
    successor = path.with_name(path.name + ".new")
    if any(rotation.old == signer.key for rotation in ring.rotations) and successor.exists():
        # a rotation died between its note and the new key's taking its place: the note stands, so the new key signs
        signer = _read_private(successor)
    if signer.key not in ring.keys:
        raise KeyRefused(
            f"The key {path} does not stand in its history {history}: one of the two is another monitor's."
        )
    if (revoked := ring.revoked(signer.key)) is not None:
        raise KeyRefused(f"The key {path} was revoked at {rfc3339(revoked.at)}: {revoked.reason}.")
    return Keys(signer, ring, path)


def new_key(path: Path, name: str) -> Keys:
    """Make a key. KeyRefused where there is one already, or the name cannot be one."""
    if path.exists():
        raise KeyRefused(
            f"There is a key in {path} already. “slaproof key rotate” replaces it and keeps old proofs good."
        )
    try:
        signer = SeedSigner(name, secrets.token_bytes(32))
    except NoteError as error:
        raise KeyRefused(f"A key cannot be named {name!r}: {error}.") from error
    ring = Keyring.of([signer.key], [], name)
    # a death after this line leaves a history without a key: the next “key new” writes both again
    _replace(public_path(path), ring.to_text(), 0o644)
    _replace(path, signer.private_text() + "\n", 0o600, new=True)
    return Keys(signer, ring, path)


def rotate_key(path: Path, at: int) -> Keys:
    """Put a new key in the place of the one in use; both sign that. KeyRefused where the old one cannot be used."""
    old = load_keys(path)
    waiting = path.with_name(path.name + ".new")
    if not waiting.exists():
        fresh = SeedSigner(old.signer.key.name, secrets.token_bytes(32))
        # a death after this line: the key that waits is nobody's yet, and the next rotation takes it
        _replace(waiting, fresh.private_text() + "\n", 0o600, new=True)
    signer = _read_private(waiting)
    ring = old.ring
    if signer.key != old.signer.key:
        note = rotation_note(signer.name, old.signer, signer, at)
        ring = Keyring.of([*ring.keys, signer.key], [*ring.notes, note], signer.name)
        # a death after this line: load_keys takes the waiting key, and the next rotation puts it in place
        _replace(public_path(path), ring.to_text(), 0o644)
    waiting.replace(path)
    _sync_folder(path.parent)
    return Keys(signer, ring, path)


def revoke_key(path: Path, key_id: str, at: int, reason: str) -> Keys:
    """Say that an older key is no longer to be trusted from ``at`` on. KeyRefused where there is no such older key."""
    keys = load_keys(path)
    found = [key for key in keys.ring.keys if key.id.hex() == key_id]
    if not found:
        known = ", ".join(key.id.hex() for key in keys.ring.keys)
        raise KeyRefused(f"There is no key {key_id} in the history, which has {known}.")
    if found[0] == keys.signer.key:
        raise KeyRefused(f"The key {key_id} is the one in use: rotate first, then revoke it.")
    try:
        note = revocation_note(keys.signer.key.name, found[0], keys.signer, at, reason)
    except NoteError as error:
        raise KeyRefused(f"The key cannot be revoked: {error}.") from error
    ring = Keyring.of(keys.ring.keys, [*keys.ring.notes, note], keys.signer.key.name)
    _replace(public_path(path), ring.to_text(), 0o644)
    return Keys(keys.signer, ring, path)


def page_secret(keys: Keys) -> bytes:
    """32 secret bytes that follow from the key in use: what signs a statement's pages is made from them.

    Ed25519 signatures are deterministic, so signing a text that is never published gives a secret of its own.
    """
    signature = keys.signer.sign(b"slaproof: the secret of the statements' pages; this signature is never published")
    return hashlib.sha256(signature).digest()


def interrupted(path: Path) -> VerifierKey | None:
    """The key of a rotation that was begun and not ended; None where there is none."""
    waiting = path.with_name(path.name + ".new")
    return _read_private(waiting).key if waiting.exists() else None


def _read_private(path: Path) -> SeedSigner:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyRefused(f"There is no key {path}. “slaproof key new” makes one.") from None
    except OSError as error:
        raise KeyRefused(f"The key {path} cannot be read: {error.strerror}.") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise KeyRefused(f"The key {path} is not a plain file.")
        credential = os.environ.get("CREDENTIALS_DIRECTORY")
        # systemd's own folder is closed to others already; the files in it may be readable by their group
        allowed = 0o040 if credential and path.resolve().parent == Path(credential).resolve() else 0
        if found.st_mode & 0o077 & ~allowed:
            raise KeyRefused(f"Others can read the key {path}. Close it with: chmod 600 {path}")
        text = os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)
    try:
        return SeedSigner.parse(text.decode("ascii"))
    except (NoteError, UnicodeDecodeError) as error:
        raise KeyRefused(f"The key {path} is malformed: {error}.") from None


def _replace(path: Path, text: str, mode: int, *, new: bool = False) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if new:
            path.hardlink_to(draft)  # unlike a rename, this never takes the place of a key that is there
        else:
            draft.replace(path)
    except FileExistsError:
        raise KeyRefused(f"There is a file {path} already.") from None
    except OSError as error:
        raise KeyRefused(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
