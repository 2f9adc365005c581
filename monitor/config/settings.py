"""The base of every block of the configuration file, and the list of the parts that bring one.

A part keeps its block as a model in a module of its own and is joined in with one line of `SECTIONS`. Whoever holds
the configuration asks for it by its type: ``config.section(WebSettings)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import ClassVar

from probes._fields import Settings

__all__ = ["SECTIONS", "Section", "Settings", "sections"]

SECTIONS: tuple[str, ...] = (
    "monitor.web.settings:WebSettings",
    "monitor.notify.settings:NotifySettings",
    "monitor.feeds.settings:FeedsSettings",
    "monitor.letters.settings:ClaimsSettings",
    "monitor.proving.settings:ProofSettings",
    "monitor.outage_reports.settings:OutageReportSettings",
)
"""``module:class`` of each block; one whose module is not installed is passed over, and its key is then unknown."""


class Section(Settings):
    """A top-level block of the configuration that belongs to one part. Every field has a default."""

    KEY: ClassVar[str]
    """The block's key in the file."""

    FILE_SECRETS: ClassVar[bool] = True
    """Whether ``{file: path}`` in place of a text means the text in that file. False where a block speaks of files."""

    def against(self, contracts: Mapping[str, Sequence[str]]) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """What does not fit the contracts (with their services): where in the block, and a sentence."""
        return ()


@cache
def sections() -> tuple[type[Section], ...]:
    """The blocks of the parts that are installed."""
    found = []
    for entry in SECTIONS:
        module, _, name = entry.partition(":")
        try:
            there = find_spec(module) is not None
        except ModuleNotFoundError:  # its package is not installed
            there = False
        if there:
            section = getattr(import_module(module), name)
            assert issubclass(section, Section)
            found.append(section)
    return tuple(found)
