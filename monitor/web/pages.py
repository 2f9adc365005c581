"""The pages: each reads in a thread, and renders in the reader's language."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web

from monitor.sla.instants import parse_instant
from monitor.sla.values import OUTCOMES
from monitor.web import contracts as contract_pages
from monitor.web import house, overview, plainly
from monitor.web import outage as outage_page
from monitor.web import service as service_page
from monitor.web.access import Access
from monitor.web.live import Live
from monitor.web.ports import Source
from monitor.web.render import html, language, page, policy_of
from monitor.web.routes import Route
from monitor.web.words import Words

T = TypeVar("T")


class Pages:
    """Handlers of everything that people look at."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.live = Live(source)
        self._made: dict[tuple[object, ...], asyncio.Task[Any]] = {}

    def routes(self) -> list[Route]:
        """Every page."""
        rows = [
            ("/", self.overview, "overview: every contract and service"),
            ("/services/{contract}/{service}", self.service, "one service in one period"),
            ("/services/{contract}/{service}/outages/{start}", self.outage, "one outage with its evidence"),
            ("/contracts", self.contracts, "every contract"),
            ("/contracts/{contract}", self.contract, "one contract in plain words, its claims and tickets"),
            ("/proofs", self.proofs, "the statements, to download and to verify"),
            ("/verifier", self.verifier, "the page that verifies a statement in the browser"),
            ("/monitor", self.monitor, "the monitor's own health"),
            ("/live", self.live.stream, "server-sent events that tell pages to refresh"),
        ]
        return [Route(method="GET", path=p, access=Access.READ, handler=h, summary=s) for p, h, s in rows]

    async def overview(self, request: web.Request) -> web.Response:
        """Every contract and service."""
        view = await self._once(("overview",), overview.build, self._source)
        return await self._page(request, "overview.html", "overview", o=view, location=self._source.config().location)

    async def service(self, request: web.Request) -> web.Response:
        """One service in one period; `from` and `to` zoom its timeline."""
        contract, service = request.match_info["contract"], request.match_info["service"]
        period, start, end = request.query.get("period"), _instant(request, "from"), _instant(request, "to")
        view = await self._source.run(service_page.build, self._source, contract, service, period, start, end)
        return await self._page(request, "service.html", "overview", v=view, now=self._source.clock.now_ms())

    async def outage(self, request: web.Request) -> web.Response:
        """One outage with its evidence."""
        found = request.match_info
        view = await self._source.run(
            outage_page.build, self._source, found["contract"], found["service"], found["start"]
        )
        return await self._page(
            request,
            "outage.html",
            "overview",
            v=view,
            fault_of=outage_page.fault_of,
            most=outage_page.TRANSCRIPTS,
            live=view.outage.running,
        )

    async def contracts(self, request: web.Request) -> web.Response:
        """Every contract."""
        lines = await self._once(("contracts",), contract_pages.every, self._source)
        return await self._page(request, "contracts.html", "contracts", lines=lines)

    async def contract(self, request: web.Request) -> web.Response:
        """One contract in plain words, with its claims and tickets."""
        view = await self._source.run(contract_pages.one, self._source, request.match_info["contract"])
        words = Words(language(request, self._source.settings()))
        parts = plainly.parts(view.terms.contract, words)
        return await self._page(request, "contract.html", "contracts", v=view, parts=parts)

    async def proofs(self, request: web.Request) -> web.Response:
        """The statements."""
        found = [] if self._source.proofs is None else await self._source.run(self._source.proofs.all)
        now = self._source.clock.now_ms()
        names = list(self._source.config().contracts)
        example = (
            f"{self._source.period_at(names[0], now)} --contract {names[0]}" if names else "2026-10 --contract NAME"
        )
        return await self._page(
            request,
            "proofs.html",
            "proofs",
            live=False,
            proofs=found,
            example=example,
            verifier=self._source.verifier is not None,
        )

    async def verifier(self, request: web.Request) -> web.Response:
        """The verifying page, whose own scripts and styles are allowed by their hashes and nothing else is."""
        if self._source.verifier is None:
            raise KeyError("verifier")
        text = await self._source.run(self._source.verifier)
        response = page(text)
        response.headers["Content-Security-Policy"] = policy_of(text)
        response.enable_compression()
        return response

    async def monitor(self, request: web.Request) -> web.Response:
        """The monitor's own health."""
        view = await self._once(("monitor",), house.build, self._source)
        location = self._source.config().location
        return await self._page(request, "monitor.html", "monitor", v=view, location=location, fault_of=OUTCOMES.get)

    async def _once(self, key: tuple[object, ...], build: Callable[..., T], *arguments: Any) -> T:
        """Build what several readers ask for at the same moment only once."""
        task = self._made.get(key)
        if task is None:
            task = asyncio.ensure_future(self._source.run(build, *arguments))
            self._made[key] = task
            task.add_done_callback(lambda _: self._made.pop(key, None))
        result: T = await asyncio.shield(task)
        return result

    async def _page(
        self, request: web.Request, template: str, section: str, *, live: bool = True, **values: Any
    ) -> web.Response:
        settings = self._source.settings()
        words = Words(language(request, settings))
        text = html(template, words, section=section, here=request.path_qs, settings=settings, live=live, **values)
        response = page(text)
        response.headers["Vary"] = "Accept-Language, Cookie"
        response.enable_compression()
        return response


def _instant(request: web.Request, name: str) -> int | None:
    """An instant of the query; what is none is passed over, as a mistyped address of a page still shows the page."""
    try:
        return parse_instant(request.query[name])
    except (KeyError, ValueError):
        return None
