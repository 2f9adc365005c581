"""The address at which pages, API and metrics are served, and what they are given."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from monitor.context import Context
from monitor.errors import Refused

log = logging.getLogger(__name__)

SHUTDOWN_S = 1.0
"""How long an open page may take to end when the daemon does."""


class AddressRefused(Refused):
    """The address cannot be listened on."""


@asynccontextmanager
async def listening(context: Context) -> AsyncIterator[str]:
    """Serve until left; gives the address as one opens it in a browser. Raises AddressRefused."""
    app, tls = make_app(context)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    host, port = context.config.listen
    site = web.TCPSite(runner, host, port, ssl_context=tls, reuse_address=True)
    try:
        try:
            await site.start()
        except OSError as error:
            raise AddressRefused(
                f"{host}:{port} cannot be listened on: {error.strerror or error}. Stop what listens there, or change "
                "“listen” in the configuration."
            ) from error
        bound = runner.addresses[0]
        shown = "127.0.0.1" if bound[0] in ("0.0.0.0", "::") else bound[0]
        yield f"http{'s' if tls else ''}://{f'[{shown}]' if ':' in shown else shown}:{bound[1]}/"
    finally:
        await runner.cleanup()


def trouble(context: Context) -> str | None:
    """What is wrong with the monitor; None while it works. A store that cannot be written is no reason to end us."""
    silent = context.clock.monotonic() - context.daemon.beaten_at
    return f"the schedule has stood still for {silent:.0f} s" if silent > 10 else None


def not_ready(context: Context) -> str | None:
    """Why no probes go out yet."""
    return None if context.daemon.started_at else "the first probes are not out yet"


def make_app(context: Context) -> tuple[web.Application, ssl.SSLContext | None]:
    """The application, and the TLS that it is served with."""
    app = web.Application()

    async def metrics(request: web.Request) -> web.Response:
        body, kind = await context.store.run(context.metrics.render, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": kind})

    async def healthy(_request: web.Request) -> web.Response:
        return _said(trouble(context))

    async def ready(_request: web.Request) -> web.Response:
        return _said(not_ready(context))

    async def reload(_request: web.Request) -> web.Response:
        problem = await context.reload()
        return web.Response(text=f"{problem or 'reloaded'}\n", status=500 if problem else 200)

    app.router.add_get("/metrics", metrics)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)
    app.router.add_post("/-/reload", reload)
    return app, None


def _said(problem: str | None) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)
