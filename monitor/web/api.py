"""The API, /api/v1: what the pages show, for programs. Its OpenAPI document is made from the same table."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from monitor.judgement.claims import gather
from monitor.sla.evaluation import Evaluation
from monitor.sla.instants import write_instant
from monitor.sla.period import PeriodError
from monitor.store import Row
from monitor.web import overview
from monitor.web.access import WHO, Access
from monitor.web.apicalls import Call, Query, calls_of
from monitor.web.apijson import (
    answer,
    budget,
    csv_text,
    cursor_of,
    event,
    figures,
    gap,
    proof,
    read_evidence,
    refuse,
    result,
    result_lines,
)
from monitor.web.entering import BODIES, Unusable, read_event
from monitor.web.params import (
    BadRequest,
    read_query,
)
from monitor.web.ports import Missing, Proof, Source
from monitor.web.routes import Route

PAGE = 5_000
BEGINNING, END = -62_135_596_800_000, 253_402_300_800_000
"""The years 1 to 9999."""
RESULT_COLUMNS = ("at", "target", "location", "scheduled", "outcome", "duration_ms")
"""What “slaproof evaluate --results” reads."""


class Api:
    """Handlers of /api/v1."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def calls(self) -> list[Call]:
        """Every call."""
        return calls_of(self)

    def routes(self) -> list[Route]:
        """Every call as a route, and the document."""
        found = [
            Route(
                method="GET",
                path="/api/v1/openapi.json",
                access=Access.READ,
                handler=self.document,
                summary="the OpenAPI 3.1 document",
                api=True,
            )
        ]
        for call in self.calls():
            text = call.summary[0].lower() + call.summary[1:]
            found.append(
                Route(
                    method=call.method,
                    path=f"/api/v1{call.path}",
                    access=call.access,
                    handler=self._bound(call),
                    summary=text,
                    api=True,
                )
            )
        return found

    def _bound(self, call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                query = read_query(request, call.params)
                response = await call.handler(request, query)
            except BadRequest as problem:
                return refuse(400, str(problem))
            if not response.prepared:
                response.headers.setdefault("Cache-Control", "no-store")
            return response

        return handler

    async def document(self, request: web.Request) -> web.Response:
        """The OpenAPI document."""
        from monitor.web.openapi import document

        return answer(document(self.calls(), BODIES))

    # --- judged -----------------------------------------------------------------------------------------------------

    async def status(self, request: web.Request, query: Query) -> web.Response:
        """What the overview shows."""
        view = await self._source.run(overview.build, self._source)
        return answer(
            {
                "at": write_instant(view.now),
                "location": self._source.config().location,
                "contracts": [
                    {
                        "contract": c.terms.name,
                        "period": c.evaluation.answer()["period"],
                        "credit": c.evaluation.answer()["credit"],
                        "services": [
                            {
                                **figures(s.result),
                                "state": s.judged,
                                "excused_now": s.state == "excused",
                                "since": None if s.since is None else write_instant(s.since),
                                "budget": None if s.budget is None else budget(s.budget),
                            }
                            for s in c.services
                        ],
                    }
                    for c in view.contracts
                ],
                "deadlines": [
                    {"kind": d.kind, "at": write_instant(d.at), "contract": d.contract or None, "what": d.what}
                    for d in view.deadlines
                ],
            }
        )

    async def contracts(self, request: web.Request, query: Query) -> web.Response:
        """The contracts as configured."""
        return answer(
            {
                "items": [
                    {
                        "contract": terms.name,
                        "title": terms.contract.title,
                        "timezone": terms.contract.timezone,
                        "period": terms.contract.period,
                        "unit": terms.contract.availability.unit,
                        "services": [
                            {
                                "service": service.name,
                                "target": service.target_text,
                                "targets": [t.name for t in self._source.targets(terms.name, service.name)],
                            }
                            for service in terms.contract.services
                        ],
                    }
                    for terms in self._source.terms()
                ]
            }
        )

    async def availability(self, request: web.Request, query: Query) -> web.Response:
        """Each service's figures in a period."""
        lines = [
            {"contract": e.terms.name, "period": e.answer()["period"], **figures(result)}
            for e in await self._evaluations(query["contract"], query["period"])
            for result in e.services
            if query["service"] in (None, result.service)
        ]
        if query["format"] == "csv":
            flat = [
                {**line, "period": line["period"]["name"], "start": line["period"]["start"], "to": line["period"]["to"]}
                for line in lines
            ]
            columns = [
                "contract",
                "period",
                "start",
                "to",
                "service",
                "target",
                "unit",
                "availability",
                "worst_case",
                "coverage",
                "counted",
                "out_of",
                "unknown",
                "excluded_ms",
                "verdict",
            ]
            return web.Response(text=csv_text(columns, flat), content_type="text/csv", charset="utf-8")
        return answer({"items": lines})

    async def evaluation(self, request: web.Request, query: Query) -> web.Response:
        """The answer of “slaproof evaluate”."""
        evaluation = await self._source.run(
            self._source.judge.evaluate, self._named(query["contract"]), query["period"]
        )
        return answer(evaluation.answer())

    async def outages(self, request: web.Request, query: Query) -> web.Response:
        """Outages, oldest first."""
        found = [
            {"contract": e.terms.name, "service": result["service"], **outage}
            for e in await self._evaluations(query["contract"], query["period"])
            for result in e.answer()["services"]
            if query["service"] in (None, result["service"])
            for outage in result["outages"]
        ]
        return answer({"items": sorted(found, key=lambda o: (o["start"], o["contract"], o["service"]))})

    async def claims(self, request: web.Request, query: Query) -> web.Response:
        """Credits that are due and can still be claimed, the nearest deadline first."""
        terms = [self._source.contract(name) for name in self._names(query["contract"])]
        now = self._source.clock.now_ms()
        found = await self._source.run(gather, self._source.judge, terms, now)
        return answer({"items": [one.answer() for one in found]})

    def _names(self, contract: str | None) -> list[str]:
        return [t.name for t in self._source.terms()] if contract is None else [self._named(contract)]

    def _named(self, contract: str) -> str:
        return self._source.contract(contract).name

    async def _evaluations(self, contract: str | None, period: str | None) -> list[Evaluation]:
        now = self._source.clock.now_ms()
        found = []
        for name in self._names(contract):
            wanted = period or self._source.period_at(name, now)
            try:
                found.append(await self._source.run(self._source.judge.evaluate, name, wanted))
            except PeriodError:
                if contract is not None:
                    raise
        return found

    # --- recorded ---------------------------------------------------------------------------------------------------

    async def results(self, request: web.Request, query: Query) -> web.StreamResponse:
        """Observations, a page of them or all as a stream."""
        start, end = _range(query)
        if query["format"] == "json":
            rows, more = await self._source.run(self._some, query, start, end, query["cursor"], query["limit"])
            last = rows[-1] if more else None
            return answer({"items": [result(row) for row in rows], "next": cursor_of(last) if last else None})
        return await self._stream(request, query, start, end)

    async def _stream(self, request: web.Request, query: Query, start: int, end: int) -> web.StreamResponse:
        written = query["format"] == "csv"
        response = web.StreamResponse(headers={"Cache-Control": "no-store"})
        response.content_type = "text/csv" if written else "application/x-ndjson"
        response.charset = "utf-8"
        response.enable_compression()
        await response.prepare(request)
        if written:
            await response.write((",".join(RESULT_COLUMNS) + "\r\n").encode())
        left = query["limit"] if "limit" in request.query else None
        cursor = query["cursor"]
        while True:
            count = PAGE if left is None else min(PAGE, left)
            rows, more = await self._source.run(self._some, query, start, end, cursor, count)
            text = (
                result_lines(rows)
                if written
                else "".join(json.dumps(result(row), ensure_ascii=False) + "\n" for row in rows)
            )
            await response.write(text.encode())
            if left is not None:
                left -= len(rows)
            if not more or left == 0:
                break
            cursor = (rows[-1].at, rows[-1].target, rows[-1].location)
        await response.write_eof()
        return response

    def _some(
        self, query: Query, start: int, end: int, cursor: tuple[int, str, str] | None, count: int
    ) -> tuple[list[Row], bool]:
        """So many rows behind the cursor, and whether there are more. Blocks."""
        found: list[Row] = []
        if cursor is not None:
            start = max(start, cursor[0])
        wanted = count + 1
        ask = wanted + 64
        while start < end:
            rows = self._source.reader.rows(
                start,
                end,
                targets=None if query["target"] is None else [query["target"]],
                location=query["location"],
                outcomes=query["outcome"],
                limit=ask,
            )
            fresh = [
                row
                for row in rows
                if (cursor is None or (row.at, row.target, row.location) > cursor)
                and query["scheduled"] in (None, row.scheduled)
            ]
            found += fresh
            if len(found) >= wanted or len(rows) < ask:
                break
            last = (rows[-1].at, rows[-1].target, rows[-1].location)
            if cursor is not None and last <= cursor:  # more rows at one instant than were asked for
                ask *= 2
                continue
            cursor, start = last, rows[-1].at
        return found[:count], len(found) > count

    async def result(self, request: web.Request, query: Query) -> web.Response:
        """One observation."""
        at = query["at"]
        rows = await self._source.run(self._one, query["target"], query["location"], at)
        if not rows:
            raise Missing(f"Nothing was seen of “{query['target']}” from “{query['location']}” at {write_instant(at)}.")
        return answer({**result(rows[0]), "evidence": read_evidence(rows[0].evidence)})

    def _one(self, target: str, location: str, at: int) -> list[Row]:
        if not BEGINNING <= at < END:
            return []
        return self._source.reader.rows(at, at + 1, targets=[target], location=location, with_evidence=True)

    async def gaps(self, request: web.Request, query: Query) -> web.Response:
        """Gaps that touch the range."""
        start, end = _range(query)
        targets = None if query["target"] is None else [query["target"]]
        found = await self._source.run(
            lambda: self._source.reader.gaps(start, end, targets=targets, location=query["location"])
        )
        return answer({"items": [gap(each) for each in found]})

    async def events(self, request: web.Request, query: Query) -> web.Response:
        """Events by the time spoken of."""
        start, end = _range(query)
        kinds = None if query["kind"] is None else [query["kind"]]
        found = await self._source.run(
            lambda: self._source.reader.events(start, end, kinds=kinds, after_id=query["after"])
        )
        return answer({"items": [event(each) for each in found[: query["limit"]]]})

    async def enter(self, request: web.Request, query: Query) -> web.Response:
        """Enter an event."""
        if self._source.enter is None:
            return refuse(503, "This process only reads; ask the daemon.")
        if request.content_type != "application/json":
            return refuse(415, "Send the event as application/json.")
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError):
            raise BadRequest("the body is no JSON") from None
        caller = request[WHO].caller
        assert caller is not None  # the gate lets nobody else through
        try:
            new = await self._source.run(read_event, body, self._source, caller.name)
        except Unusable as problem:
            return refuse(422, str(problem))
        return answer(event(await self._source.enter(new)), status=201)

    async def proofs(self, request: web.Request, query: Query) -> web.Response:
        """The statements."""
        return answer(
            {"items": [proof(each) for each in await self._all_proofs() if query["contract"] in (None, each.contract)]}
        )

    async def proof(self, request: web.Request, query: Query) -> web.StreamResponse:
        """One statement's PDF."""
        found = [
            each
            for each in await self._all_proofs()
            if (each.contract, each.period) == (query["contract"], query["period"])
            and query["revision"] in (None, each.revision)
            and query["language"] in (None, each.language)
        ]
        if not found:
            raise Missing(f"There is no such statement of “{query['contract']}” for {query['period']}.")
        newest = max(found, key=lambda each: (each.revision, each.language == "en"))
        if not newest.path.is_file():
            return refuse(410, "The statement was made, but its file is gone.")
        name = f"{newest.contract}-{newest.period}.pdf"
        response = web.FileResponse(newest.path)
        response.content_type = "application/pdf"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    async def _all_proofs(self) -> list[Proof]:
        if self._source.proofs is None:
            return []
        found: list[Proof] = await self._source.run(self._source.proofs.all)
        return found


def _range(query: Query) -> tuple[int, int]:
    start = BEGINNING if query["from"] is None else query["from"]
    end = END if query["to"] is None else query["to"]
    return max(start, BEGINNING), min(end, END)
