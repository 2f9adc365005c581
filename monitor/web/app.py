"""The web application: routes, gate, headers, errors."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from monitor.sla.period import PeriodError
from monitor.web.access import WHO, Access, Gate, Refusal
from monitor.web.api import Api
from monitor.web.limits import Buckets
from monitor.web.operations import Operations
from monitor.web.pages import Pages
from monitor.web.ports import Missing
from monitor.web.probing import Probing
from monitor.web.public import Public
from monitor.web.render import SECURITY_HEADERS, TYPES, html, language, page, static
from monitor.web.routes import Handler, Route
from monitor.web.toolkit import Toolkit
from monitor.web.words import LANGUAGES, Words

if TYPE_CHECKING:
    from monitor.web.ports import Source

__all__ = ["GUARD", "make_app", "table"]

log = logging.getLogger("slaproof.web")
MAX_BODY = 256 * 1024


def table(source: Source | None, pages: Pages | None = None) -> list[Route]:
    """Every route. Without a source the handlers must not be called: for the documents."""
    given: Source = source  # type: ignore[assignment]  # handlers are bound, not called, where there is none
    return [
        *(pages or Pages(given)).routes(),
        Route(
            method="GET",
            path="/static/{hash}/{name}",
            access=Access.ASSETS,
            handler=_static,
            summary="style, script, icon",
        ),
        Route(
            method="GET",
            path="/lang/{code}",
            access=Access.ASSETS,
            handler=_choose_language,
            summary="keeps the reader's language in a cookie and goes back",
        ),
        *Public(given).routes(),
        *Api(given).routes(),
        *Operations(given).routes(),
        *Probing(given).routes(),
    ]


def make_app(source: Source, toolkit: Toolkit | None = None) -> web.Application:
    """The application for one source; `toolkit` is what the exporter toolkit's file asks for, its TLS aside.

    Another one is taken over by ``app[GUARD].admit(toolkit)``, for every request that comes after.
    """
    toolkit = toolkit or Toolkit()
    pages = Pages(source)
    routes = table(source, pages)
    by_handler = {(route.method, route.path): route for route in routes}
    gate = Gate(source.tokens, toolkit.users, toolkit.sans)
    guard = Guard(source, gate, by_handler, {**SECURITY_HEADERS, **toolkit.headers})
    app = web.Application(middlewares=[guard.middleware], client_max_size=MAX_BODY)
    app[GUARD] = guard
    app.on_shutdown.append(pages.live.close)
    for route in routes:
        if route.method == "GET":
            app.router.add_get(route.path, route.handler, allow_head=True)
        else:
            app.router.add_route(route.method, route.path, route.handler)
    return app


class Guard:
    """What every request passes: rate, gate, handler, headers."""

    def __init__(
        self, source: Source, gate: Gate, routes: dict[tuple[str, str], Route], headers: dict[str, str]
    ) -> None:
        self._headers = headers
        self._source = source
        self._gate = gate
        self._routes = routes
        self._rate = source.settings().requests_per_second
        self._buckets = Buckets(rate=self._rate, burst=5 * self._rate)

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                response = await self._answer(request, handler)
            except web.HTTPException as refused:  # redirects, and what aiohttp itself refuses
                if refused.status >= 400:
                    response = self._error(request, refused.status, refused.reason, {})
                else:
                    response = refused
            if not response.prepared:
                for name, value in self._headers.items():
                    response.headers.setdefault(name, value)
            return response

        self.middleware = middleware

    def admit(self, toolkit: Toolkit) -> None:
        """Take over other users, names of certificates and headers."""
        self._gate.admit(toolkit.users, toolkit.sans)
        self._headers = {**SECURITY_HEADERS, **toolkit.headers}

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        settings = self._source.settings()
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        if not self._buckets.take(str(peer[0]) if isinstance(peer, tuple) and peer else ""):
            return self._error(request, 429, "Too many requests; wait a second.", {"Retry-After": "1"})
        problem = request.match_info.http_exception
        resource = request.match_info.route.resource
        method = "GET" if request.method == "HEAD" else request.method
        route = self._routes.get((method, resource.canonical)) if resource is not None else None
        try:
            who = await self._gate.identify(request, settings)
            request[WHO] = who
            # What is not there is only said to somebody who may read.
            self._gate.allow(
                route.access if route is not None and problem is None else Access.READ, who, request, settings
            )
        except Refusal as refusal:
            return self._error(request, refusal.status, str(refusal), refusal.headers)
        if problem is not None:
            headers = {"Allow": problem.headers["Allow"]} if "Allow" in problem.headers else {}
            nowhere = problem.status == 404 and request.path.startswith("/api/")
            reason = "There is no such call; /api/v1/openapi.json describes them." if nowhere else problem.reason
            return self._error(request, problem.status, reason, headers)
        try:
            return await handler(request)
        except (web.HTTPException, asyncio.CancelledError, ConnectionResetError):
            raise
        except (KeyError, PeriodError) as missing:
            log.debug("nothing at %s: %s", request.path, missing)
            said = isinstance(missing, (Missing, PeriodError))
            return self._error(request, 404, str(missing) if said else "There is no such thing here.", {})
        except Exception:
            log.exception("answering %s failed", request.path)
            return self._error(request, 500, "This page could not be made; the log says why.", {})

    def _error(self, request: web.Request, status: int, reason: str, headers: dict[str, str]) -> web.Response:
        """The refusal as JSON (RFC 9457) for the API and machines, as a page for people."""
        machine = request.path.startswith(("/api/", "/-/", "/metrics", "/live")) or request.path.endswith(
            (".json", ".svg")
        )
        if machine or "text/html" not in request.headers.get("Accept", ""):
            return web.json_response(
                {"type": "about:blank", "title": _TITLES.get(status, "Refused"), "status": status, "detail": reason},
                status=status,
                headers=headers,
                content_type="application/problem+json",
            )
        settings = self._source.settings()
        words = Words(language(request, settings))
        text = html(
            "error.html", words, section="", here="/", settings=settings, live=False, status=status, reason=reason
        )
        response = page(text, status=status)
        response.headers.update(headers)
        return response


GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)
"""Under which an application keeps its guard."""
_TITLES = {
    400: "Bad request",
    401: "Credentials are needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not understood",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}


async def _static(request: web.Request) -> web.Response:
    found = static(request.match_info["name"])
    if found is None or found[1] != request.match_info["hash"]:
        raise KeyError(request.match_info["name"])
    body, _ = found
    kind = TYPES[request.match_info["name"].rpartition(".")[2]]
    response = web.Response(
        body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )
    response.enable_compression()
    return response


async def _choose_language(request: web.Request) -> web.StreamResponse:
    code = request.match_info["code"]
    if code not in LANGUAGES:
        raise KeyError(code)
    back = request.query.get("back", "/")
    # Only a path of this site: "//elsewhere" and "/\elsewhere" would be another one.
    if not back.startswith("/") or back[1:2] in ("/", "\\") or any(ord(c) < 32 for c in back):
        back = "/"
    answer = web.Response(status=303, headers={hdrs.LOCATION: back, "Cache-Control": "no-store"})
    answer.set_cookie(
        "lang", code, max_age=31_536_000, samesite="Strict", httponly=True, path="/", secure=request.secure
    )
    return answer
