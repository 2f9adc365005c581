"""Public status pages: one for each contract that the settings name, and of it only what they name.

Anyone may call these routes, so each is built from `PublicView` alone: what was not chosen is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from monitor.judgement.standing import outage_refs, state_now
from monitor.sla.evaluation import cut
from monitor.sla.instants import DAY_MS, write_instant
from monitor.web.access import Access
from monitor.web.days import Day, Run, runs, service_days
from monitor.web.overview import BAR_DAYS, shown_state
from monitor.web.ports import Source
from monitor.web.render import environment, html, language, page
from monitor.web.routes import Route
from monitor.web.settings import PublicPage
from monitor.web.words import Words

OUTAGE_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Maintenance of the provider's, as chosen to be shown."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicService:
    """One service; None: not chosen."""

    name: str
    state: str | None = None
    since: int | None = None
    availability: str | None = None
    """A ratio with six decimals, cut."""
    coverage: str | None = None
    """How much of the time was seen: an availability never stands without it."""
    target: str | None = None
    days: tuple[Day, ...] | None = None
    runs: tuple[Run, ...] | None = None
    outages: tuple[tuple[int, int | None], ...] | None = None
    """Start and end; no end: still going on."""
    windows: tuple[Window, ...] | None = None

    def tally(self) -> dict[str, int]:
        """How many days were of each kind."""
        found: dict[str, int] = {}
        for day in self.days or ():
            found[day.kind] = found.get(day.kind, 0) + 1
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicView:
    """Everything that a public page may say."""

    title: str
    at: int
    period: str
    services: tuple[PublicService, ...]

    @property
    def state(self) -> str | None:
        """The worst of the services; None where states are not shown."""
        states = [service.state for service in self.services]
        return next((state for state in ("down", "unknown", "excused", "up") if state in states), None)


def build(source: Source, contract: str, chosen: PublicPage) -> PublicView:
    """What was chosen of a contract. Blocks. Raises KeyError where there is no such contract."""
    terms = source.contract(contract)
    now = source.clock.now_ms()
    recent = source.recent(contract, now, BAR_DAYS)
    current = recent[-1]
    span = source.reader.span()
    refs = outage_refs(contract, recent) if "outages" in chosen.show else []
    services = []
    for result in current.services:
        if chosen.services and result.service not in chosen.services:
            continue
        fields: dict[str, Any] = {}
        if "state" in chosen.show:
            state, since = state_now(recent, result.service)
            fields["state"] = shown_state(state, result, current.period.to)
            fields["since"] = since
        if "availability" in chosen.show:
            fields["availability"] = None if result.availability is None else cut(result.availability, 6)
            fields["coverage"] = None if result.coverage is None else cut(result.coverage, 6)
            fields["target"] = result.target_text
        if "history" in chosen.show:
            days = service_days(
                [(e, e.service(result.service)) for e in recent],
                terms.contract.timezone,
                now - (BAR_DAYS - 1) * DAY_MS,
                now + 1,
                watched_from=span.first if span else None,
            )[-BAR_DAYS:]
            fields["days"] = tuple(days)
            fields["runs"] = tuple(runs(days))
        if "outages" in chosen.show:
            fields["outages"] = tuple(
                (ref.start, None if ref.running else ref.end)
                for ref in reversed(refs)
                if ref.service == result.service and ref.end >= now - OUTAGE_DAYS * DAY_MS
            )
        if "maintenance" in chosen.show:
            fields["windows"] = tuple(
                Window(start=e.start, end=e.end, kind=e.what)
                for e in result.excuses
                if e.source == "maintenance" and e.end > now
            )
        services.append(PublicService(name=result.service, **fields))
    return PublicView(title=chosen.title or contract, at=now, period=current.period.name, services=tuple(services))


def as_json(view: PublicView) -> dict[str, Any]:
    """The same as JSON: a key that was not chosen is absent."""
    services = []
    for one in view.services:
        line: dict[str, Any] = {"service": one.name}
        if one.state is not None:
            line |= {"state": one.state, "since": _instant(one.since)}
        if one.availability is not None:
            line |= {"availability": one.availability, "coverage": one.coverage, "target": one.target}
        if one.days is not None:
            line["days"] = [{"date": str(day.date), "kind": day.kind} for day in one.days]
        if one.outages is not None:
            line["outages"] = [{"start": write_instant(a), "end": _instant(b)} for a, b in one.outages]
        if one.windows is not None:
            line["maintenance"] = [
                {"start": write_instant(x.start), "end": write_instant(x.end), "kind": x.kind} for x in one.windows
            ]
        services.append(line)
    found: dict[str, Any] = {"title": view.title, "at": write_instant(view.at), "period": view.period}
    if view.state is not None:
        found["state"] = view.state
    return {**found, "services": services}


def _instant(at: int | None) -> str | None:
    return None if at is None else write_instant(at)


WIDTHS = {"narrow": "ilj.,:;|!' ", "wide": "mwMW@"}


def text_width(text: str) -> int:
    """About how wide a text of 11 px is."""
    return round(sum(3.6 if c in WIDTHS["narrow"] else 9.6 if c in WIDTHS["wide"] else 6.6 for c in text))


def badge(label: str, state: str | None, text: str) -> str:
    """An SVG badge: the label, and what is said of it beside a mark whose shape says the same as its colour."""
    template = environment().get_template("badge.svg")
    left, right = text_width(label) + 12, text_width(text) + 30
    return template.render(label=label, text=text, state=state or "plain", left=left, right=right)


class Public:
    """Handlers that anyone may call."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def routes(self) -> list[Route]:
        """Every one."""
        rows = [
            ("/public/{contract}", self.page, "public status page of a contract"),
            ("/public/{contract}/status.json", self.json, "the same as JSON"),
            ("/public/{contract}/badge.svg", self.badge, "badge of a contract, to embed"),
            ("/public/{contract}/{service}/badge.svg", self.badge, "badge of a service, to embed"),
        ]
        return [Route(method="GET", path=p, access=Access.PUBLIC, handler=h, summary=s) for p, h, s in rows]

    async def page(self, request: web.Request) -> web.Response:
        """The page."""
        view = await self._view(request)
        settings = self._source.settings()
        words = Words(language(request, settings))
        name = request.match_info["contract"]
        values = {"v": view, "name": name, "percent": cut_percent}
        text = html("public.html", words, section="", here=request.path, settings=settings, live=False, **values)
        response = page(text)
        response.headers["Vary"] = "Accept-Language, Cookie"
        response.enable_compression()
        return response

    async def json(self, request: web.Request) -> web.Response:
        """JSON, for any site's scripts."""
        response = web.json_response(as_json(await self._view(request)))
        self._open(response)
        return response

    async def badge(self, request: web.Request) -> web.Response:
        """A badge, for any site's pages."""
        view = await self._view(request)
        words = Words(language(request, self._source.settings()))
        name = request.match_info.get("service")
        label, state, availability = view.title, view.state, None
        if name is not None:
            one = next((service for service in view.services if service.name == name), None)
            if one is None:
                raise KeyError(name)
            label, state, availability = f"{view.title} {name}", one.state, one.availability
        said = [] if state is None else [words.t(f"state.{state}").lower()]
        if availability is not None:
            said.append(words.number(cut_percent(availability)) + "\N{NO-BREAK SPACE}%")
        response = web.Response(
            text=badge(label, state, " · ".join(said) or words.t("public.watched")), content_type="image/svg+xml"
        )
        self._open(response)
        return response

    @staticmethod
    def _open(response: web.Response) -> None:
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cache-Control"] = "public, max-age=60"

    async def _view(self, request: web.Request) -> PublicView:
        contract = request.match_info["contract"]
        chosen = self._source.settings().public.get(contract)
        if chosen is None or contract not in self._source.config().contracts:
            raise KeyError(contract)
        view: PublicView = await self._source.run(build, self._source, contract, chosen)
        return view


def cut_percent(ratio: str) -> str:
    """``0.999861`` as ``99.9861``, by moving the point; cut, so that only what is exactly one reads ``100``."""
    if ratio == "1.000000":
        return "100"
    whole, _, rest = ratio.partition(".")
    digits = (whole + rest[:2]).lstrip("0") or "0"
    return f"{digits}.{rest[2:]}"
