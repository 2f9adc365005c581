"""The table of the API's calls: routes, parameters, answers. The routes and the OpenAPI document are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from monitor.web.access import Access
from monitor.web.params import (
    CONTRACT,
    CURSOR,
    FORMAT,
    FROM,
    LIMIT,
    LOCATION,
    OUTCOME,
    PERIOD,
    SCHEDULED,
    SERVICE,
    TARGET,
    TO,
    Param,
)

if TYPE_CHECKING:
    from monitor.web.api import Api

Query = Any
"""The parameters of a call by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API, for the routes and for the OpenAPI document."""

    method: str
    path: str
    summary: str
    params: tuple[Param, ...]
    answer: dict[str, Any]
    """The schema of its JSON answer."""
    handler: Callable[[web.Request, Query], Awaitable[web.StreamResponse]]
    access: Access = Access.READ
    formats: tuple[str, ...] = ("application/json",)
    body: str | None = None
    """The component that a POST takes."""
    status: int = 200


def ref(name: str) -> dict[str, Any]:
    """A reference to a component of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def many(name: str, **others: Any) -> dict[str, Any]:
    """A list of components under ``items``."""
    return {
        "type": "object",
        "required": ["items"],
        "properties": {"items": {"type": "array", "items": ref(name)}, **others},
    }


def calls_of(api: Api) -> list[Call]:
    """Every call of the API, with the handlers of `api`."""
    path = {
        name: replace(param, place="path")
        for name, param in (("contract", CONTRACT), ("period", PERIOD), ("target", TARGET), ("location", LOCATION))
    }
    at = Param(name="at", kind="instant", text="when the probe started, to the millisecond", place="path")
    tabular = ("application/json", "text/csv", "application/x-ndjson")
    after = Param(name="after", kind="name", text="only events entered after the one with this id")
    kind = Param(name="kind", kind="name", text="only events of this kind")
    revision = Param(
        name="revision", kind="integer", text="an earlier revision; without it the newest", least=1, most=9999
    )
    tongue = Param(
        name="language", kind="choice", text="its language; English where there are several", choices=("en", "de")
    )
    return [
        Call(
            method="GET",
            path="/status",
            summary="The state of every service and what is left of its budget",
            params=(),
            answer=ref("Status"),
            handler=api.status,
        ),
        Call(
            method="GET",
            path="/contracts",
            summary="The contracts, their services and targets",
            params=(),
            answer=many("Contract"),
            handler=api.contracts,
        ),
        Call(
            method="GET",
            path="/availability",
            summary="Availability by contract, service and period",
            params=(CONTRACT, SERVICE, PERIOD, replace(FORMAT, choices=("json", "csv"), text="how it is written")),
            answer=many("Availability"),
            handler=api.availability,
            formats=tabular[:2],
        ),
        Call(
            method="GET",
            path="/contracts/{contract}/periods/{period}",
            summary="The whole answer for one contract and period",
            params=(path["contract"], path["period"]),
            answer=ref("Evaluation"),
            handler=api.evaluation,
        ),
        Call(
            method="GET",
            path="/outages",
            summary="Outages of a period",
            params=(CONTRACT, SERVICE, PERIOD),
            answer=many("Outage"),
            handler=api.outages,
        ),
        Call(
            method="GET",
            path="/results",
            summary="Observations, oldest first",
            params=(TARGET, LOCATION, FROM, TO, OUTCOME, SCHEDULED, LIMIT, CURSOR, FORMAT),
            answer=many(
                "Result",
                next={"type": ["string", "null"], "description": "the next page's cursor; null on the last one"},
            ),
            handler=api.results,
            formats=tabular,
        ),
        Call(
            method="GET",
            path="/results/{target}/{location}/{at}",
            summary="One observation with its transcript and evidence",
            params=(path["target"], path["location"], at),
            answer=ref("Result"),
            handler=api.result,
        ),
        Call(
            method="GET",
            path="/gaps",
            summary="Probes that were not made, and why",
            params=(TARGET, LOCATION, FROM, TO),
            answer=many("Gap"),
            handler=api.gaps,
        ),
        Call(
            method="GET",
            path="/events",
            summary="What people and the monitor stated, in order of entry",
            params=(kind, FROM, TO, after, LIMIT),
            answer=many("Event"),
            handler=api.events,
        ),
        Call(
            method="POST",
            path="/events",
            summary="Enter an event; a correction names the one that it corrects",
            params=(),
            answer=ref("Event"),
            handler=api.enter,
            access=Access.ENTER,
            body="NewEvent",
            status=201,
        ),
        Call(
            method="GET",
            path="/claims",
            summary="Credits that are due, and until when they can be claimed",
            params=(CONTRACT,),
            answer=many("Claim"),
            handler=api.claims,
        ),
        Call(
            method="GET",
            path="/proofs",
            summary="The statements that were made",
            params=(CONTRACT,),
            answer=many("Proof"),
            handler=api.proofs,
        ),
        Call(
            method="GET",
            path="/proofs/{period}/{contract}.pdf",
            summary="One statement",
            params=(path["period"], path["contract"], revision, tongue),
            answer={},
            handler=api.proof,
            formats=("application/pdf",),
        ),
    ]
