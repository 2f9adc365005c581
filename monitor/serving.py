"""The address at which pages, API and metrics are served, and what they are given."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from monitor.config.load import Config
from monitor.context import Context
from monitor.errors import Refused
from monitor.store import Event
from monitor.verifier import page as verifying_page
from monitor.web.app import GUARD, make_app
from monitor.web.kept import KeptProofs, KeptTokens, last_seal
from monitor.web.ports import Health, Source
from monitor.web.settings import WebSettings
from monitor.web.toolkit import Toolkit, read

log = logging.getLogger(__name__)

SHUTDOWN_S = 1.0
"""How long an open page may take to end when the daemon does."""
BACKLOG = 128
LOOK_S = 5.0
"""How often it is looked whether the files of `web.config_file` were changed."""


class AddressRefused(Refused):
    """The address cannot be listened on."""


class Doors:
    """The address with what guards it: TLS, users and headers may be changed while it is open.

    The listening socket stays for the whole time, so that nobody is refused while another TLS configuration takes its
    place. Connections that stand go on with the certificate that they were opened with; users are asked for with each
    request.
    """

    def __init__(self, context: Context, toolkit: Toolkit) -> None:
        self._context = context
        self._toolkit = toolkit
        self._seen = _state(toolkit.files)
        self._app = make_app(source_of(context), toolkit)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        self._sockets: list[socket.socket] = []
        self._sites: list[web.SockSite] = []

    @property
    def address(self) -> str:
        """The address as one opens it in a browser."""
        bound = self._sockets[0].getsockname()
        shown = "127.0.0.1" if bound[0] in ("0.0.0.0", "::") else bound[0]
        shown = f"[{shown}]" if ":" in shown else shown
        return f"http{'s' if self._toolkit.tls else ''}://{shown}:{bound[1]}/"

    async def open(self) -> None:
        """Begin to listen. Raises AddressRefused."""
        await self._runner.setup()
        host, port = self._context.config.listen
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for family, _, _, _, where in dict.fromkeys(infos):
                self._sockets.append(_listener(family, where))
        except (OSError, UnicodeError) as error:  # a label of more than 63 letters is a UnicodeError
            raise AddressRefused(_refused(host, port, error)) from error
        await self._serve()

    async def _serve(self) -> None:
        """Let whoever comes from now on in by the TLS configuration in force; who waits meanwhile, waits a moment."""
        for site in self._sites:
            await site.stop()
        self._sites = [web.SockSite(self._runner, one.dup(), ssl_context=self._toolkit.tls) for one in self._sockets]
        for site in self._sites:
            await site.start()

    async def take(self, toolkit: Toolkit) -> None:
        """Guard the address by this from now on."""
        before, self._toolkit = self._toolkit, toolkit
        self._seen = _state(toolkit.files)
        self._app[GUARD].admit(toolkit)
        if before.tls is not None or toolkit.tls is not None:
            await self._serve()

    async def watch(self) -> None:
        """Take over what was changed in the files, as a renewed certificate, without being told to."""
        while True:
            await self._context.clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look once. What cannot be used is said once, and what was in force before stays in force."""
        context = self._context
        if _state(self._toolkit.files) == self._seen:
            return
        self._seen = _state(self._toolkit.files)
        try:
            toolkit = await context.store.run(guarding, context.config)
        except Refused as refused:
            for problem in str(refused).splitlines():
                log.error("the changed web configuration is not used", extra={"problem": problem})
            context.metrics.reloaded(None)
            return
        await self.take(toolkit)
        context.metrics.reloaded(context.config)
        log.info("the changed web configuration is in force")

    async def close(self) -> None:
        """Stop to listen, and let open pages end."""
        await self._runner.cleanup()
        for one in self._sockets:
            one.close()


def _listener(family: int, where: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _state(files: Sequence[Path]) -> tuple[tuple[int, ...] | None, ...]:
    """What changes when one of the files is written or replaced."""
    found: list[tuple[int, ...] | None] = []
    for path in files:
        try:
            told = path.stat()
            found.append((told.st_mtime_ns, told.st_size, told.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)


@asynccontextmanager
async def listening(context: Context) -> AsyncIterator[Doors]:
    """Serve until left. Raises AddressRefused, and Problems where the web configuration is wrong."""
    doors = Doors(context, guarding(context.config))
    watching: asyncio.Task[None] | None = None
    try:
        await doors.open()
        watching = asyncio.create_task(doors.watch())
        yield doors
    finally:
        if watching is not None:
            watching.cancel()
        await doors.close()


def guarding(config: Config) -> Toolkit:
    """TLS, users and headers that a configuration asks for. Raises Problems. Blocks."""
    file = config.section(WebSettings).config_file
    return Toolkit() if file is None else read(file)


def _refused(host: str, port: int, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    why = error.strerror or str(error) if isinstance(error, OSError) else "no such name"
    hint = {
        errno.EADDRINUSE: "Stop what listens there, or change “listen” in the configuration.",
        errno.EACCES: "Ports below 1024 are for root: change “listen” in the configuration.",
    }.get(number or 0, "Change “listen” in the configuration to an address of this machine.")
    return f"{host}:{port} cannot be listened on: {why}. {hint}"


def trouble(context: Context) -> str | None:
    """What is wrong with the monitor; None while it works. A store that cannot be written is no reason to end us."""
    silent = context.clock.monotonic() - context.daemon.beaten_at
    return f"the schedule has stood still for {silent:.0f} s" if silent > 10 else None


def not_ready(context: Context) -> str | None:
    """Why no probes go out yet."""
    return None if context.daemon.started_at else "the first probes are not out yet"


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
