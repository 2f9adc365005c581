"""Watches for what is wrong, lets messages wait in the outbox, and delivers them; and the heartbeat for the outside.

What is known is kept in the store: a restart repeats nothing and forgets nothing. The messages of one look are put into
the outbox before it is remembered that they were told; a death between the two puts them there again, under the same
keys, and the outbox takes each key once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import aiohttp

from monitor.context import Context
from monitor.judgement.standing import Standing
from monitor.notify.conditions import Condition
from monitor.notify.delivery import Delivery
from monitor.notify.engine import Known, Telling, step
from monitor.notify.settings import NotifySettings
from monitor.notify.watch import Own, Shown, conditions, ended, unsure
from monitor.sla.period import PeriodError
from monitor.store import StoreError

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often it is looked for changes."""
_PREFIX = "notify/"


async def serve(context: Context) -> None:
    """Runs until it is cancelled; the parts share nothing but the outbox."""
    watcher = Watcher(context)
    context.on_reload.append(lambda _config: watcher.configure())
    async with asyncio.TaskGroup() as group:
        group.create_task(watcher.watch())
        group.create_task(watcher.deliver())
        group.create_task(watcher.beat())


class Watcher:
    """Looks, tells, delivers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[str, Known] | None = None
        self.configure()

    def configure(self) -> None:
        """Takes the configuration in force."""
        self.settings = self._context.config.section(NotifySettings)
        context = self._context
        self._delivery = Delivery(self.settings, context.store.outbox, context.clock, context.config.redactor)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Looks again and again."""
        while True:
            if self.settings.channels:
                try:
                    await self.look()
                except StoreError as error:
                    log.warning("messages wait, the store cannot be used: %s", error)
            await self._context.clock.sleep(LOOK_S)

    async def look(self) -> list[Telling]:
        """Tells what has changed since the last look. Raises StoreError."""
        store, now = self._context.store, self._context.clock.now_ms()
        if self._known is None:
            kept = await store.run(store.outbox.recall_all, _PREFIX)
            self._known = {key.removeprefix(_PREFIX): Known.from_json(value) for key, value in kept.items()}
        standing = await store.run(self._context.judge.current)
        found = await self._conditions(standing, now)
        hidden = unsure(standing)
        gone = [key for key in self._known.keys() - {one.key for one in found} if not key.startswith(tuple(hidden))]
        over: dict[str, Condition] = {}
        if standing is not None and gone:
            over, still = await store.run(self._over, standing, [self._known[key].condition for key in gone])
            hidden += still
        tellings, after = step(self.settings, self._known, found, now, unsure=hidden, over=over)
        for one in tellings:
            body = {"change": one.change, "at": one.at, "condition": one.condition.as_json()}
            await store.outbox.add(
                one.key, one.channel, one.condition.kind, body, now=one.at, not_before=one.not_before
            )
        # A death here tells the same again, under keys that the outbox knows already.
        for key in self._known.keys() - after.keys():
            await store.outbox.remember(_PREFIX + key, None)
        for key, known in after.items():
            before = self._known.get(key)
            if before is None or before.escalated != known.escalated:
                await store.outbox.remember(_PREFIX + key, known.as_json())
        self._known = after
        return tellings

    async def _conditions(self, standing: Standing | None, now: int) -> list[Condition]:
        store, daemon = self._context.store, self._context.daemon
        clock = daemon.clock_state
        foreign = daemon.foreign_clocks.offset_ms(self._context.clock.monotonic())
        disciplined = round(clock.offset_s * 1000) if clock is not None and clock.synchronised else None
        # A Date header tells whole seconds; below two of them it says nothing.
        offset = foreign if foreign is not None and abs(foreign) >= 2_000 else disciplined
        own = Own(
            location=self._context.config.location,
            offline_since=daemon.offline_since,
            clock_offset_ms=offset,
            writer=store.writer.state,
        )
        failures = await store.run(self._first_failures, standing) if standing is not None else {}
        certificates = await store.run(self._certificates)
        return conditions(self.settings, standing, own, certificates, failures, now)

    def _first_failures(self, standing: Standing) -> dict[str, tuple[str, str]]:
        """Of each running outage: the target that failed first, and what was seen."""
        found = {}
        reader = self._context.store.reader
        for contract in standing.contracts:
            for service in contract.services:
                if (outage := service.outage) is None:
                    continue
                first = outage.parts[0][1].first
                if first is not None:
                    rows = reader.rows(first.at, first.at + 1, targets=[first.target], location=first.location)
                    found[outage.id] = (first.target, rows[0].detail if rows else "")
        return found

    def _over(self, standing: Standing, gone: Sequence[Condition]) -> tuple[dict[str, Condition], list[str]]:
        """What is to be told of outages that are no longer there, and those that do go on after all, by key.

        The end and what is counted are asked of the judgement: when it was noticed is another time.
        """
        over: dict[str, Condition] = {}
        still: list[str] = []
        for one in gone:
            if one.kind != "outage":
                continue
            try:
                outage = self._context.judge.outage(one.key.removeprefix("outage/"))
            except PeriodError:  # so long ago that its probes were removed: it is told as it was known
                continue
            if outage is not None and outage.running:  # seen again since this look began
                still.append(one.key)
            else:
                over[one.key] = ended(one, outage, standing)
        return over, still

    def _certificates(self) -> list[Shown]:
        reader, location = self._context.store.reader, self._context.config.location
        found = []
        for target in self._context.config.targets:
            row = reader.last_row(target.name, location)
            not_after = row.facts.get("cert_not_after") if row is not None else None
            if isinstance(not_after, int):
                found.append(
                    Shown(target=target.name, contract=target.contract, service=target.service, not_after=not_after)
                )
        return found

    # --- telling ----------------------------------------------------------------------------------------------------

    async def deliver(self) -> None:
        """Delivers what is due, again and again."""
        while True:
            try:
                await self._delivery.deliver()
            except StoreError as error:
                log.warning("the outbox cannot be used: %s", error)
            await self._context.clock.sleep(LOOK_S)

    async def beat(self) -> None:
        """Calls the heartbeat's address for as long as probing and writing go on: silence is the alarm."""
        while True:
            settings = self.settings.heartbeat
            if settings is not None and self.healthy():
                try:
                    async with (
                        asyncio.timeout(20),
                        aiohttp.ClientSession() as session,
                        session.get(settings.url, allow_redirects=True) as answer,
                    ):
                        if answer.status >= 400:
                            log.warning("the heartbeat was answered with HTTP %d", answer.status)
                except (aiohttp.ClientError, OSError) as error:
                    log.warning("the heartbeat did not get through: %s", error or type(error).__name__)
            await self._context.clock.sleep(settings.interval / 1000 if settings is not None else 60.0)

    def healthy(self) -> bool:
        """Whether probes run and their results are written."""
        return bool(self._context.daemon.running) and self._context.store.writer.state.failing_since is None
