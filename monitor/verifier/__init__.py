"""The page with which the other side verifies a proof in its browser: one file, no network, nothing to install.

Its parts stand beside this module: ``crypto.js`` and ``format.js`` are written from docs/proof-format.md,
``arithmetic.js`` from docs/arithmetic.md, ``words.js`` has every sentence in English and German.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

_SCRIPTS = ("crypto.js", "arithmetic.js", "format.js", "words.js", "app.js")


def page() -> str:
    """The page, whole. Its policy lets nothing run but its own script, and nothing be fetched at all."""
    style = _read("style.css")
    script = "\n".join([_read(_SCRIPTS[0]), *(_read(name).replace('"use strict";\n', "") for name in _SCRIPTS[1:])])
    if "</script" in script or "</style" in style:
        raise ValueError("a part of the page would end it")
    parts = {"script": script, "style": style, "script_hash": _hash(script), "style_hash": _hash(style)}
    text = _read("page.html")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
