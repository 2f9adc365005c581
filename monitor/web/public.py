"""Public status pages: one for each contract that the settings name, and of it only what they name."""

from __future__ import annotations

from monitor.web.ports import Source
from monitor.web.routes import Route


class Public:
    """Handlers that anyone may call."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def routes(self) -> list[Route]:
        """Every one."""
        return []
