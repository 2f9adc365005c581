"""Statements as PDF files: the bundle attached to one, and the signature over its pages (PAdES)."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from monitor.proof.cms import CmsError, SignedData, open_signed
from monitor.proof.container import MAGIC, inflated_limit
from monitor.proof.der import read

_TRIED = 100
"""How many attachments are inflated in search of the bundle."""


class PdfError(ValueError):
    """A PDF file without what was looked for."""


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """The statement's signature: it holds for everything up to ``added`` bytes before the end of the file."""

    signed: SignedData
    added: int
    """Bytes that came after it: an archive timestamp's, or anything else's."""


def bundle_of(pdf: bytes) -> bytes:
    """The bundle attached to a statement. PdfError where there is none, or more than one.

    A stream cannot stand inside another one, so the attachment's stands in the open, with ``/EmbeddedFile`` in its
    dictionary; it is found without reading the rest of the file.
    """
    found, tried, view = [], 0, memoryview(pdf)
    for match in re.finditer(rb"/Type\s*/EmbeddedFile\b", pdf):
        start = pdf.find(b"stream", match.end())
        if start < 0:
            continue
        at = start + len(b"stream")
        at += 2 if pdf[at : at + 2] == b"\r\n" else 1
        # a bundle's bytes are kept as they are, or deflated
        if pdf.startswith(MAGIC, at):
            length = re.search(rb"/Length\s+(\d+)", pdf[pdf.rfind(b"obj", 0, start) : start])
            if length:
                found.append(pdf[at : at + int(length[1])])
            continue
        tried += 1
        if tried > _TRIED:
            break
        try:
            data = zlib.decompressobj().decompress(view[at:], inflated_limit(len(pdf)))
        except zlib.error:
            continue
        if data.startswith(MAGIC):
            found.append(data)
    if len(found) != 1:
        raise PdfError("the PDF has no bundle attached" if not found else "the PDF has more than one bundle attached")
    return found[0]


def signature_of(pdf: bytes) -> PdfSignature:
    """The first signature in the file, checked. PdfError where there is none or it does not hold."""
    match = re.search(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", pdf)
    if match is None:
        raise PdfError("the PDF is not signed: nothing vouches for its pages")
    a, b, c, d = map(int, match.groups())
    hole = pdf[a + b : c]
    if a != 0 or not hole.startswith(b"<") or not hole.endswith(b">") or c + d > len(pdf):
        raise PdfError("the signature of the PDF leaves out more than itself")
    try:
        raw = bytes.fromhex(hole[1:-1].decode("ascii"))
        whole = read(raw).whole
        if hole[1:-1].decode() not in (raw.hex(), raw.hex().upper()) or raw[len(whole) :].strip(b"\0"):
            raise PdfError("the signature of the PDF has something beside it")
        signed = open_signed(whole, pdf[:b] + pdf[c : c + d])
    except (CmsError, ValueError) as error:
        raise PdfError(f"the signature of the PDF does not hold: {error}") from error
    return PdfSignature(signed, len(pdf) - c - d)
