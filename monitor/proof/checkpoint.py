"""Checkpoints: the text that says how large a log is and what its root is (C2SP tlog-checkpoint)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from monitor.proof.note import NoteError, strict_base64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log. slaproof writes no extension lines."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text to sign."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a checkpoint's text. NoteError if it is malformed; extension lines are passed over."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "" or not all(lines[:-1]):
            raise NoteError("a checkpoint has at least three lines")
        origin, size, encoded = lines[:3]
        if not (size.isascii() and size.isdigit() and str(int(size)) == size):
            raise NoteError("a checkpoint's size is a plain number")
        root = strict_base64(encoded)
        if len(root) != 32:
            raise NoteError("a checkpoint's root has 32 bytes")
        return cls(origin, int(size), root)
