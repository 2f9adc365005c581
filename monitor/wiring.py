"""Puts the daemon together and runs it: the only file that knows everyone.

Order of a start: configuration, store (which may refuse), judge and metrics, the address, the daemon, the other
parts, then word to the service manager that we are ready. Of an end: the probing first, then the parts, the address,
the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from monitor import logs, serving
from monitor.clock import Clock, SystemClock
from monitor.config.load import Config, load
from monitor.config.yamlfile import Problems
from monitor.context import Context
from monitor.errors import Refused
from monitor.judgement.judge import Judge
from monitor.metrics.page import Metrics, Vitals
from monitor.probing import descriptors
from monitor.probing.daemon import Daemon
from monitor.probing.reference import Reference
from monitor.probing.timer import SchedulerTimer
from monitor.sdnotify import Supervisor
from monitor.store import Event, Gap, Row, open_store

log = logging.getLogger(__name__)

PARTS: tuple[str, ...] = (
    "monitor.notify.service",
    "monitor.proving.service",
    "monitor.feeds.service",
    "monitor.outage_reports.service",
)
"""Modules with a coroutine function ``serve(context)`` that runs beside the probing; absent ones are passed over."""

PART_PAUSE_S = 10.0
"""How long a part that failed waits before it is started again."""

LOAD_PAUSE_S = 10.0
"""How long to wait where the running periods could not be read."""

Say = Callable[[str], None]


class Running:
    """A daemon from its start to its end."""

    def __init__(self, config: Config, *, clock: Clock | None = None, supervisor: Supervisor | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.supervisor = supervisor or Supervisor()
        self.context: Context
        self._doors: serving.Doors
        self._ended = asyncio.Event()
        self._up = False
        self._reason = "stop"
        self._reloading = asyncio.Lock()
        self._next_reload: asyncio.Task[str | None] | None = None
        self._loading: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where the pages are."""
        return self._doors.address

    def end(self, reason: str) -> None:
        """Ask for the end."""
        self._reason = reason
        self._ended.set()

    async def until_the_end(self, say: Say) -> None:
        """Start, say where the pages are, run until `end` is called, and stop. Raises Refused where it cannot start."""
        async with AsyncExitStack() as stack:
            async with self._reloading:  # who asks for a reload meanwhile waits for the start
                await self._start(stack)
                self._up = True
            say(f"slaproof watches {len(self.config.targets)} targets; its pages are at {self.address}")
            self.supervisor.ready(self._status())
            await self._ended.wait()
            self.supervisor.stopping()
            log.info("stopping", extra={"reason": self._reason})

    async def _start(self, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        config, clock = self.config, self.clock
        store = open_store(Path(config.storage), config.location, clock, daemon=True)
        stack.callback(store.close)
        judge = Judge(store.reader, config, clock, live=True)
        metrics = Metrics(config, judge=judge, reader=store.reader, writer=store.writer, clock=clock)
        daemon = Daemon(
            config,
            reader=store.reader,
            writer=store.writer,
            clock=clock,
            timer=SchedulerTimer(),
            reference=Reference(config.reference_hosts, config.reference, clock),
            observer=metrics,
            supervisor=self.supervisor,
        )
        context = self.context = Context(
            config=config, clock=clock, store=store, judge=judge, metrics=metrics, daemon=daemon, reload=self.reload
        )
        metrics.vitals = lambda: Vitals(
            running=daemon.running,
            online=daemon.reference.online if daemon.reference.configured else None,
            clock=daemon.clock_state,
            started_at=daemon.started_at,
        )
        context.subscribe(metrics.committed)

        def committed(rows: Sequence[Row], gaps: Sequence[Gap], events: Sequence[Event]) -> None:  # the writer's thread
            judge.fed(rows, gaps, events)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(context.publish, rows, gaps, events)

        store.writer.on_commit(committed)
        self._doors = await stack.enter_async_context(serving.listening(context))
        await daemon.start()
        # Entered last, left first: nothing is probed any more when the parts and the pages go.
        await stack.enter_async_context(self._parts(context))
        stack.push_async_callback(self._stop, daemon)
        self._load(context)
        stack.callback(lambda: self._loading is not None and self._loading.cancel())

    async def _stop(self, daemon: Daemon) -> None:
        await daemon.stop(self._reason)

    def _status(self) -> str:
        return f"watching {len(self.config.targets)} targets from {self.config.location}, pages at {self.address}"

    @asynccontextmanager
    async def _parts(self, context: Context) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_kept_going(name, serve, context)) for name, serve in found_parts()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self) -> str | None:
        """Read the configuration anew; the sentence that says why the old one stays in force, or None.

        However often it is asked for while another reload is under way, the file is read once more after it.
        """
        if self._next_reload is None:
            self._next_reload = asyncio.get_running_loop().create_task(self._reload_in_turn())
        return await asyncio.shield(self._next_reload)

    async def _reload_in_turn(self) -> str | None:
        async with self._reloading:
            self._next_reload = None  # whoever asks from here on may have written the file since it was read
            if not self._up:
                return "slaproof could not start"
            self.supervisor.reloading()
            problem = await self._reload()
            self.supervisor.ready(self._status() if problem is None else f"the configuration cannot be used: {problem}")
            return problem

    async def _reload(self) -> str | None:
        loop, context, old = asyncio.get_running_loop(), self.context, self.config
        try:
            config = await loop.run_in_executor(None, load, old.path)
            _check_unchanged(old, config)
            toolkit = await loop.run_in_executor(None, serving.guarding, config)
        except Refused as refused:
            problems = [str(p) for p in refused.problems] if isinstance(refused, Problems) else [str(refused)]
            for problem in problems:
                log.error("reload refused", extra={"problem": problem})
            context.metrics.reloaded(None)
            failed = Event(kind="reload_failed", at=self.clock.now_ms(), data={"problems": problems[:20]})
            context.store.writer.put_event(failed).add_done_callback(_passed_over)
            return "\n".join(problems)
        except Exception as error:
            log.exception("reload failed")
            context.metrics.reloaded(None)
            return f"{type(error).__name__} while reading the file; the log has more"
        # In a thread: it may wait for a judgement that is under way, and the loop that probes must not.
        await loop.run_in_executor(None, context.judge.reconfigure, config)
        logs.set_up(config.log, config.redactor)
        self.config = context.config = config
        context.daemon.apply(config)
        context.metrics.reloaded(config)
        await self._doors.take(toolkit)
        for tell in context.on_reload:
            try:
                tell(config)
            except Exception:
                log.exception("a part failed at a reload")
        self._load(context)  # ahead of the first scrape that would wait for it
        return None

    def _load(self, context: Context) -> None:
        """Have the judge read the running periods beside the probing."""
        if self._loading is not None:
            self._loading.cancel()
        self._loading = asyncio.get_running_loop().create_task(_load(context))


class _NeedsRestart(Refused):
    """Something changed that a running daemon cannot follow."""


def _check_unchanged(old: Config, new: Config) -> None:
    for name in ("location", "storage", "listen"):
        if getattr(old, name) != getattr(new, name):
            raise _NeedsRestart(f"{new.path}: '{name}' was changed, which needs a restart: slaproof goes on as before")


def _passed_over(future: asyncio.Future[Event]) -> None:
    if not future.cancelled() and future.exception() is not None:
        log.error("a record was not kept", extra={"why": str(future.exception())})


async def _load(context: Context) -> None:
    """Let the judge read the running periods; until then what it would say is absent."""
    while True:
        try:
            return await context.store.run(context.judge.load)
        except Exception:  # whatever it is may pass, as a locked file does
            log.exception("the running periods could not be read, and are tried again")
        await context.clock.sleep(LOAD_PAUSE_S)


def found_parts() -> list[tuple[str, Callable[[Context], Awaitable[None]]]]:
    """The parts that are installed."""
    found = []
    for name in PARTS:
        package = name.rpartition(".")[0]
        if find_spec(package) is not None and find_spec(name) is not None:
            serve = getattr(import_module(name), "serve", None)
            if serve is not None:
                found.append((name, serve))
    return found


async def _kept_going(name: str, serve: Callable[[Context], Awaitable[None]], context: Context) -> None:
    """Run a part, and again when it fails: none takes the probing or another part with it."""
    while True:
        try:
            await serve(context)
            return
        except Exception:
            log.exception("a part failed and is started again", extra={"part": name})
            await context.clock.sleep(PART_PAUSE_S)


async def run(config: Config, *, sandbox: bool, say: Say) -> None:
    """The command ``slaproof run``: until SIGTERM or SIGINT; SIGHUP reloads."""
    logs.set_up(config.log, config.redactor)
    descriptors.raise_limit()
    running = Running(config)
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[str | None]] = set()

    def reload() -> None:
        task = loop.create_task(running.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.end, number.name)
    loop.add_signal_handler(signal.SIGHUP, reload)
    async with AsyncExitStack() as stack:
        if sandbox:
            from monitor.sandbox.stage import Sandbox

            try:
                await stack.enter_async_context(Sandbox())
            except OSError as error:
                raise SandboxRefused(f"The sandbox cannot start: {error.strerror or error}.") from error
            log.info("the sandbox's providers are listening")
        await running.until_the_end(say)


class SandboxRefused(Refused):
    """The sandbox's ports are taken."""
