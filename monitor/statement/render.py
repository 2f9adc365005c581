"""Typesets a statement: PDF/A-3 and PDF/UA-1 by typst, with the evidence attached; repeatable to the byte."""

import datetime as dt
import json
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

from monitor.statement.content import Content


class CannotTypeset(Exception):
    """The pages could not be made; the text is the typesetter's own message."""


def render(content: Content, *, made_at: int, evidence: bytes = b"", evidence_name: str = "") -> bytes:
    """The statement as a PDF. `made_at` (ms) dates it; `evidence` is attached under `evidence_name` where given.

    The typesetter checks the conformance to both standards while it writes. Fonts are its own, so that every machine
    makes the same pages. Raises CannotTypeset.
    """
    import typst  # 34 MB of library: loaded only where a statement is made

    words = json.dumps(content | {"evidence_name": evidence_name}, ensure_ascii=False).encode()
    # In files, because the typesetter takes nothing but text from memory.
    with tempfile.TemporaryDirectory(prefix="slaproof-") as name:
        folder = Path(name)
        for file, data in {"main.typ": _template(), "content.json": words, evidence_name or "none": evidence}.items():
            (folder / file).write_bytes(data)
        try:
            pdf = typst.compile(
                folder / "main.typ",
                root=folder,
                format="pdf",
                pdf_standards=["a-3a", "ua-1"],
                ignore_system_fonts=True,
                timestamp=dt.datetime.fromtimestamp(made_at // 1000, dt.UTC),
            )
        except (typst.TypstError, RuntimeError) as error:
            raise CannotTypeset(str(error)) from None
    return pdf


@cache
def _template() -> bytes:
    return files("monitor.statement").joinpath("template.typ").read_bytes()
