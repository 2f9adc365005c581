"""The address at which pages, API and metrics are served, and what they are given."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from monitor.context import Context
from monitor.errors import Refused
from monitor.store import Event
from monitor.verifier import page as verifying_page
from monitor.web.kept import KeptProofs, KeptTokens, last_seal
from monitor.web.ports import Health, Source
from monitor.web.settings import WebSettings

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
    """The application, and the TLS that it is served with. Raises Problems where the web configuration is wrong."""
    from monitor.web.app import make_app as make
    from monitor.web.toolkit import Toolkit, read

    file = context.config.section(WebSettings).config_file
    toolkit = Toolkit() if file is None else read(file)
    return make(source_of(context), toolkit), toolkit.tls


def source_of(context: Context) -> Source:
    """What the pages and the API are given: readers, the judgement, and three narrow ways to act."""
    writer = context.store.writer

    async def enter(event: Event) -> Event:
        return await writer.put_event(event)

    return Source(
        config=lambda: context.config,
        settings=lambda: context.config.section(WebSettings),
        reader=context.store.reader,
        judge=context.judge,
        clock=context.clock,
        health=lambda: health_of(context),
        enter=enter,
        reload=context.reload,
        metrics=context.metrics.render,
        trouble=lambda: trouble(context),
        not_ready=lambda: not_ready(context),
        tokens=KeptTokens(context.store.tokens, context.clock),
        proofs=KeptProofs(context.store.proofs),
        seal=lambda: last_seal(context.store.ledger),
        verifier=verifying_page,
        run=context.store.run,
    )


def health_of(context: Context) -> Health:
    """How the monitor is, for its page."""
    state, daemon, metrics = context.store.writer.state, context.daemon, context.metrics
    clock = daemon.clock_state
    return Health(
        started_at=daemon.started_at or None,
        queued=state.queued,
        failing_since=state.failing_since,
        last_error=state.last_error,
        last_commit_at=state.last_commit_at,
        dropped=state.dropped,
        lateness_p50_ms=metrics.lateness_ms(0.5),
        lateness_p99_ms=metrics.lateness_ms(0.99),
        running=daemon.running,
        clock_offset_ms=clock.offset_s * 1000 if clock is not None else None,
        clock_synchronised=clock.synchronised if clock is not None else None,
        online=daemon.reference.online if daemon.reference.configured else None,
        offline_since=daemon.offline_since,
        reload_ok=metrics.reload_ok,
        reloaded_at=metrics.reloaded_at,
    )
