"""What a route is. The application is built from the table of them, and docs/routes.md too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from monitor.web.access import Access

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method and path."""

    method: str
    path: str
    access: Access
    handler: Handler
    summary: str
    """What it answers, in one line."""
    api: bool = False
    """True: part of /api/v1, in the OpenAPI document, errors as JSON."""
