"""Typesets a statement: PDF/A-3 and PDF/UA-1 by typst, with the evidence attached; repeatable to the byte."""

import datetime as dt
import json
from functools import cache
from importlib.resources import files

from monitor.statement.content import Content

STANDARDS = ("a-3a", "ua-1")
"""Conformance that typst itself checks while it writes: archival with real text, and accessible."""


class CannotTypeset(Exception):
    """The pages could not be made; the text is the typesetter's own message."""


def render(content: Content, *, made_at: int, evidence: bytes = b"", evidence_name: str = "") -> bytes:
    """The statement as a PDF. `made_at` (ms) dates it; `evidence` is attached under `evidence_name` where given.

    Fonts are the typesetter's own, so that every machine makes the same pages. Raises CannotTypeset.
    """
    import typst  # 34 MB of library: loaded only where a statement is made

    source = {
        "main": _template(),
        "content.json": json.dumps(content | {"evidence_name": evidence_name}, ensure_ascii=False).encode(),
    }
    if evidence_name:
        source[evidence_name] = evidence
    try:
        pdf: bytes = typst.compile(  # type: ignore[call-overload]  # a dict of files is accepted, and not in its types
            source,
            format="pdf",
            pdf_standards=list(STANDARDS),
            ignore_system_fonts=True,
            timestamp=dt.datetime.fromtimestamp(made_at // 1000, dt.UTC),
        )
    except typst.TypstError as error:
        raise CannotTypeset(str(error)) from None
    return pdf


@cache
def _template() -> bytes:
    return files("monitor.statement").joinpath("template.typ").read_bytes()
