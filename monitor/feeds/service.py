"""Follows the providers' pages beside the probing: what changed is kept as evidence, and becomes events.

A page that cannot be read or understood is told of once, and again when it can; it holds up nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from functools import partial

import aiohttp

from monitor.context import Context
from monitor.feeds import icalendar, statuspage
from monitor.feeds.fetch import Got, NotRead, Page, new_session
from monitor.feeds.settings import Feed, FeedsSettings
from monitor.feeds.windows import BadPage, Content, incident_events, source_of, window_events
from monitor.judgement.events import BadEvent, make
from monitor.judgement.stating import check
from monitor.metrics.exposition import Page as Exposition
from monitor.metrics.exposition import labels, seconds
from monitor.sla.instants import zone
from monitor.store import Event, StoreError

log = logging.getLogger(__name__)

_TROUBLE = (NotRead, BadPage, BadEvent, StoreError)


async def serve(context: Context) -> None:
    """Runs until it is cancelled; a reload begins anew with the pages that are then configured."""
    changed = asyncio.Event()
    context.on_reload.append(lambda _config: changed.set())
    followers: list[Follower] = []
    context.metrics.more["feeds"] = lambda page: _expose(page, followers)
    async with new_session() as session:
        while True:
            changed.clear()
            followers[:] = [Follower(context, feed, session) for feed in context.config.section(FeedsSettings).pages]
            tasks = [asyncio.create_task(one.run()) for one in followers]
            try:
                await changed.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


class Follower:
    """One feed, round after round."""

    def __init__(self, context: Context, feed: Feed, session: aiohttp.ClientSession) -> None:
        self.feed = feed
        self._context = context
        self._session = session
        base = context.config.path.resolve().parent
        addresses = statuspage.addresses(feed.statuspage) if feed.statuspage else (str(feed.icalendar),)
        self._pages = [Page(address, base) for address in addresses]
        self.trouble: str | None = None
        """Why it could not be read the last time."""
        self.read_at: int | None = None
        """When it was last read."""

    async def run(self) -> None:
        """Read, wait, and read again."""
        await self._recall()
        while True:
            await self.once()
            await self._context.clock.sleep(self.feed.interval / 1000)

    async def once(self) -> None:
        """One round; what goes wrong is told of and never raised."""
        try:
            await self._read()
        except _TROUBLE as error:
            for page in self._pages:
                page.forget()
            await self._failed(str(error))
        except Exception as error:  # a fault of ours must not stop the other feeds, nor this one for good
            log.exception("a feed failed", extra={"feed": self.feed.name})
            await self._failed(f"{type(error).__name__} while reading the page")
        else:
            self.read_at = self._context.clock.now_ms()
            if self.trouble is not None:
                log.info("a feed can be read again", extra={"feed": self.feed.name})
                self.trouble = None
                await self._note("feed_again", {})

    async def _read(self) -> None:
        context, feed = self._context, self.feed
        entry = context.config.contracts.get(feed.contract)
        if entry is None:
            raise BadPage(f"the feed is for the contract '{feed.contract}', which is not configured")
        changed = [await page.get(self._session) for page in self._pages]
        if not any(changed):
            return
        now = context.clock.now_ms()
        got = [page.got for page in self._pages if page.got is not None]
        for page, answer in zip(self._pages, got, strict=True):
            await self._keep(page.address, answer, now)
        content = await asyncio.to_thread(self._understand, got, entry.terms.contract.timezone, now)
        terms = {name: one.terms for name, one in context.config.contracts.items()}
        for event in await context.store.run(partial(self._events, content, now)):
            data = event.data.get("replace") or event.data
            if "contract" in data:
                check(terms, event.kind, data)
            await context.store.writer.put_event(event)

    def _understand(self, got: list[Got], timezone: str, now: int) -> Content:
        if self.feed.statuspage is not None:
            return statuspage.read(self.feed, got[0].body, got[1].body)
        return icalendar.read(self.feed, got[0].body, zone(timezone), now)

    def _events(self, content: Content, now: int) -> list[Event]:
        known = self._context.judge.stated(self.feed.contract).statements
        incidents = self._context.store.reader.events(kinds=["feed_incident"])
        return [
            *window_events(self.feed, content, known, now),
            *incident_events(self.feed, content, incidents, now),
        ]

    async def _keep(self, address: str, got: Got, now: int) -> None:
        """Keep a copy of a page that changed since it was kept last."""
        kept = await self._context.store.pages.put(
            self.feed.name, address, at=now, content_type=got.content_type, body=got.body
        )
        if kept:
            digest = hashlib.sha256(got.body).hexdigest()
            summary = f"{address} changed: {len(got.body)} bytes, SHA-256 {digest}"
            await self._note("feed_page", {"url": address, "sha256": digest, "bytes": len(got.body),
                                           "summary": summary})  # fmt: skip

    async def _failed(self, why: str) -> None:
        first = self.trouble is None
        self.trouble = why
        if first:
            log.warning("a feed cannot be read", extra={"feed": self.feed.name, "why": why})
            await self._note("feed_failed", {"why": why})

    async def _note(self, kind: str, data: dict[str, object]) -> None:
        now = self._context.clock.now_ms()
        own = {"contract": self.feed.contract, "feed": self.feed.name, **data}
        try:
            await self._context.store.writer.put_event(make(kind, own, source=source_of(self.feed), at=now))
        except StoreError as error:
            log.error("a record was not kept", extra={"why": str(error)})

    async def _recall(self) -> None:
        """Whether it failed before we were started: then it is not told of again."""
        reader = self._context.store.reader
        found = await self._context.store.run(partial(reader.events, kinds=["feed_failed", "feed_again"]))
        own = [event for event in found if event.data.get("feed") == self.feed.name]
        if own and own[-1].kind == "feed_failed":
            self.trouble = str(own[-1].data.get("why", ""))


def _expose(page: Exposition, followers: list[Follower]) -> None:
    def of(one: Follower) -> str:
        return labels(contract=one.feed.contract, feed=one.feed.name)

    known = [one for one in followers if one.read_at is not None or one.trouble is not None]
    if known:
        page.gauge(
            "slaproof_feed_up",
            "Whether a provider's page could be read the last time",
            [(of(one), int(one.trouble is None)) for one in known],
        )
    read = [(of(one), seconds(one.read_at)) for one in followers if one.read_at is not None]
    if read:
        page.gauge(
            "slaproof_feed_last_read_timestamp_seconds", "When a provider's page was last read, as Unix time", read
        )
