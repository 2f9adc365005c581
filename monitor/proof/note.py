"""Signed notes (C2SP signed-note) with Ed25519 keys (RFC 8032), and their one-line spelling of keys.

A note is text, an empty line, and signature lines ``— name base64(key id || signature)``; what is signed is the text
with its last newline. A public key reads ``name+keyid+base64(0x01 || key)``, a private one ``PRIVATE+KEY+`` and the
same with the seed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from monitor.proof.canonical import sha256

_ED25519 = b"\x01"
_LINE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


class NoteError(ValueError):
    """A note or a key that is malformed, or a signature that does not verify."""


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that name a key in a signature line."""
    return sha256(name.encode() + b"\n" + _ED25519 + public)[:4]


def strict_base64(text: str) -> bytes:
    """Decode base64 that has exactly one spelling (RFC 4648 §4, unused bits zero). NoteError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"not base64: {error}") from error
    if base64.b64encode(data).decode() != text:
        raise NoteError("base64 with stray bits")
    return data


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name."""

    name: str
    public: bytes
    """32 bytes, RFC 8032."""

    @property
    def id(self) -> bytes:
        """Four bytes: the key's id in signature lines."""
        return key_id(self.name, self.public)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read ``name+keyid+base64``. NoteError if it is malformed or the id is not the key's."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteError("a public key reads name+keyid+base64")
        name, ident, encoded = parts
        data = strict_base64(encoded)
        if not valid_name(name) or len(data) != 33 or data[:1] != _ED25519:
            raise NoteError("not an Ed25519 key")
        key = cls(name, data[1:])
        if key.id.hex() != ident:
            raise NoteError("the key's id is not that of its bytes")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """Whether this is the key's signature of the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


def valid_name(name: str) -> bool:
    """A key's name is not empty and has no white space and no plus sign."""
    return bool(name) and "+" not in name and not re.search(r"\s", name) and not _CONTROL.search(name)


class Signer(Protocol):
    """Who can sign: the private key itself stays behind this."""

    @property
    def key(self) -> VerifierKey:
        """The public key."""
        ...

    def sign(self, data: bytes) -> bytes:
        """64 bytes of Ed25519 signature."""
        ...


@dataclass(frozen=True, slots=True)
class SeedSigner:
    """A signer from 32 bytes of seed."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not valid_name(self.name):
            raise NoteError("a key's name has no spaces and no plus sign, and is not empty")
        if len(self.seed) != 32:
            raise NoteError("an Ed25519 seed has 32 bytes")

    @property
    def key(self) -> VerifierKey:
        """The public key."""
        return VerifierKey(self.name, self._private().public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """64 bytes of Ed25519 signature."""
        return self._private().sign(data)

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @classmethod
    def parse(cls, text: str) -> SeedSigner:
        """Read ``PRIVATE+KEY+name+keyid+base64(0x01 || seed)``. NoteError if it is malformed."""
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise NoteError("a private key reads PRIVATE+KEY+name+keyid+base64")
        data = strict_base64(parts[4])
        if len(data) != 33 or data[:1] != _ED25519:
            raise NoteError("not an Ed25519 private key")
        signer = cls(parts[2], data[1:])
        if signer.key.id.hex() != parts[3]:
            raise NoteError("the private key's id is not that of its bytes")
        return signer

    def private_text(self) -> str:
        """The private key in one line."""
        return f"PRIVATE+KEY+{self.name}+{self.key.id.hex()}+{base64.b64encode(_ED25519 + self.seed).decode()}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; nothing in it is verified yet."""

    text: str
    """What is signed, with its last newline."""
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> Note:
        """Take a note apart. NoteError if it is malformed."""
        if _CONTROL.search(note):
            raise NoteError("a control character")
        head, mark, tail = note.rpartition("\n\n")
        if not mark or not tail.endswith("\n"):
            raise NoteError("no signatures")
        lines = tail[:-1].split("\n")
        if len(lines) > 100:
            raise NoteError("too many signatures")
        found = []
        for line in lines:
            match = _LINE.fullmatch(line)
            if not match or not valid_name(match[1]):
                raise NoteError("a malformed signature line")
            data = strict_base64(match[2])
            if len(data) < 5:
                raise NoteError("a signature that is too short")
            found.append(Signature(match[1], data[:4], data[4:]))
        return cls(head + "\n", tuple(found))

    def verified_by(self, keys: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Those of the known keys that signed it. NoteError where a known key's signature is wrong."""
        found: list[VerifierKey] = []
        for signature in self.signatures:
            for key in keys:
                if key.name == signature.name and key.id == signature.id:
                    if not key.verifies(signature.signature, self.text.encode()):
                        raise NoteError(f"the signature of {key.name} ({key.id.hex()}) is wrong")
                    found.append(key)
        return tuple(found)


def sign_note(text: str, *signers: Signer) -> str:
    """The text as a signed note. NoteError if it does not end in a newline or has control characters."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise NoteError("a note's text ends in a newline and has no control characters")
    lines = [signature_line(text, signer) for signer in signers]
    return text + "\n" + "".join(lines)


def signature_line(text: str, signer: Signer) -> str:
    """One signature line over the text."""
    data = signer.key.id + signer.sign(text.encode())
    return f"— {signer.key.name} {base64.b64encode(data).decode()}\n"


def open_note(note: str, keys: Sequence[VerifierKey]) -> str:
    """The text of a note signed by one of the keys. NoteError if none of them did."""
    parsed = Note.parse(note)
    if not parsed.verified_by(keys):
        raise NoteError("not signed by a known key")
    return parsed.text
