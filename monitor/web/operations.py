"""What machines ask: metrics, health, readiness, reload."""

from __future__ import annotations

from aiohttp import web

from monitor.web.access import Access
from monitor.web.ports import Source
from monitor.web.routes import Route


class Operations:
    """The routes beside pages and API."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def routes(self) -> list[Route]:
        """Every one of them."""
        return [
            Route(
                method="GET", path="/metrics", access=Access.READ, handler=self.metrics, summary="what Prometheus reads"
            ),
            Route(
                method="GET",
                path="/-/healthy",
                access=Access.READ,
                handler=self.healthy,
                summary="200 while the monitor works, else 503 and why",
            ),
            Route(
                method="GET",
                path="/-/ready",
                access=Access.READ,
                handler=self.ready,
                summary="200 once probes go out, else 503 and why",
            ),
            Route(
                method="POST",
                path="/-/reload",
                access=Access.MANAGE,
                handler=self.reload,
                summary="reads the configuration anew",
            ),
        ]

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics, in the form that was asked for."""
        if self._source.metrics is None:
            raise KeyError("metrics")
        body, kind = await self._source.run(self._source.metrics, request.headers.get("Accept", ""))
        response = web.Response(body=body)
        response.headers["Content-Type"] = kind
        response.enable_compression()
        return response

    async def healthy(self, request: web.Request) -> web.Response:
        """Whether the monitor works."""
        return self._say(self._source.trouble())

    async def ready(self, request: web.Request) -> web.Response:
        """Whether probes go out."""
        return self._say(self._source.not_ready())

    async def reload(self, request: web.Request) -> web.Response:
        """Reload; an invalid file leaves the old configuration in force."""
        if self._source.reload is None:
            raise KeyError("reload")
        problem = await self._source.reload()
        if problem is None:
            return web.Response(text="reloaded\n")
        return web.Response(text=f"{problem}\n", status=500)

    @staticmethod
    def _say(problem: str | None) -> web.Response:
        return web.Response(
            text=f"{problem or 'ok'}\n", status=503 if problem else 200, headers={"Cache-Control": "no-store"}
        )
