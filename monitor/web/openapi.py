"""The OpenAPI 3.1 document, made from the table of calls."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from monitor.sla.values import OUTCOMES
from monitor.version import version
from monitor.web.access import Access

if TYPE_CHECKING:
    from monitor.web.apicalls import Call

INSTANT = {
    "type": "string",
    "format": "date-time",
    "description": "UTC, with milliseconds and Z",
    "examples": ["2026-10-31T04:01:32.622Z"],
}
RATIO = {
    "type": ["string", "null"],
    "pattern": r"^[0-9]+\.[0-9]{14}$",
    "description": "a share of 1, cut to 14 decimals, never rounded; null where there is nothing to divide by",
    "examples": ["0.99750018687647"],
}
NULL_TEXT = {"type": ["string", "null"]}
NULL_INSTANT = {"type": ["string", "null"], "format": "date-time"}
WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
FREE = {"type": "object", "additionalProperties": True}


def _object(properties: dict[str, Any], *, optional: tuple[str, ...] = (), extra: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        "additionalProperties": extra,
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_UNIT = "milliseconds; checks where the unit is check"
_FIGURES: dict[str, Any] = {
    "service": TEXT,
    "target": {**NULL_TEXT, "description": "what the contract promises, as it writes it", "examples": ["99.99%"]},
    "unit": {"enum": ["time", "minute", "second", "check"], "description": "what the contract counts"},
    "availability": {**RATIO, "description": f"what was not seen is taken as up; {RATIO['description']}"},
    "worst_case": {**RATIO, "description": f"what was not seen is taken as down; {RATIO['description']}"},
    "coverage": {**RATIO, "description": f"how much was seen; {RATIO['description']}"},
    "counted": {**WHOLE, "description": f"what counts as down; {_UNIT}"},
    "out_of": {**WHOLE, "description": f"what it is held against; {_UNIT}"},
    "unknown": {**WHOLE, "description": f"what was not seen; {_UNIT}"},
    "excluded_ms": {**WHOLE, "description": "downtime that the contract leaves out"},
    "verdict": {
        "enum": ["breached", "met", "unproven", "no_target"],
        "description": "met only where even the worst case keeps the promise",
    },
}
_DOWN: dict[str, Any] = {
    "start": INSTANT,
    "end": INSTANT,
    "counted_ms": {**WHOLE, "description": "what counts of it under the contract"},
    "outcome": {"enum": [*OUTCOMES, None], "description": "what the first failed probe found"},
    "claim_by": {**NULL_INSTANT, "description": "until when a credit for it can be claimed"},
}
_RESULT: dict[str, Any] = {
    "at": INSTANT,
    "target": TEXT,
    "location": TEXT,
    "scheduled": {"type": "boolean"},
    "outcome": {"enum": list(OUTCOMES)},
    "fault": {"enum": ["provider", "customer", "network", "monitor", None]},
    "duration_ms": WHOLE,
    "code": {"type": ["integer", "null"]},
    "detail": TEXT,
    "phases": {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "description": "name to milliseconds, in order",
    },
    "facts": FREE,
    "ids": FREE,
    "probe_id": TEXT,
    "evidence": {
        "type": ["object", "null"],
        "description": "transcript and all that was kept of a failed probe; only of one result",
    },
}

SCHEMAS: dict[str, Any] = {
    "Problem": _object({"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT}),
    "Period": _object({"name": TEXT, "start": INSTANT, "end": INSTANT, "to": INSTANT, "complete": {"type": "boolean"}}),
    "Credit": _object(
        {
            "counted": WHOLE,
            "out_of": WHOLE,
            "percent": TEXT,
            "amount": NULL_TEXT,
            "currency": NULL_TEXT,
            "claim_by": NULL_INSTANT,
        }
    ),
    "Budget": _object(
        {
            "allowed": {**WHOLE, "description": f"what may fail in the whole period; {_UNIT}"},
            "used": WHOLE,
            "left": {**WHOLE, "description": "below 0 where the promise is broken"},
        }
    ),
    "Down": _object(_DOWN),
    "Service": _object({**_FIGURES, "outages": _list(_ref("Down"))}),
    "TicketLine": _object(
        {
            "id": TEXT,
            "rule": TEXT,
            "milestone": TEXT,
            "due": NULL_INSTANT,
            "reached": NULL_INSTANT,
            "verdict": {"enum": ["met", "breached", "pending"]},
        }
    ),
    "Evaluation": _object(
        {
            "contract": TEXT,
            "period": _ref("Period"),
            "services": _list(_ref("Service")),
            "credit": {"anyOf": [_ref("Credit"), {"type": "null"}]},
            "tickets": _list(_ref("TicketLine")),
        }
    ),
    "Availability": _object({"contract": TEXT, "period": _ref("Period"), **_FIGURES}),
    "Outage": _object({"contract": TEXT, "service": TEXT, **_DOWN}),
    "ServiceState": _object(
        {
            **_FIGURES,
            "state": {"enum": ["up", "down", "unknown"]},
            "excused_now": {"type": "boolean", "description": "not up, in a span that the contract leaves out"},
            "since": NULL_INSTANT,
            "budget": {"anyOf": [_ref("Budget"), {"type": "null"}]},
        }
    ),
    "ContractState": _object(
        {
            "contract": TEXT,
            "period": _ref("Period"),
            "credit": {"anyOf": [_ref("Credit"), {"type": "null"}]},
            "services": _list(_ref("ServiceState")),
        }
    ),
    "Deadline": _object(
        {"kind": {"enum": ["claim", "ticket", "certificate"]}, "at": INSTANT, "contract": NULL_TEXT, "what": TEXT}
    ),
    "Status": _object(
        {
            "at": INSTANT,
            "location": TEXT,
            "contracts": _list(_ref("ContractState")),
            "deadlines": _list(_ref("Deadline")),
        }
    ),
    "ContractService": _object({"service": TEXT, "target": NULL_TEXT, "targets": _list(TEXT)}),
    "Contract": _object(
        {
            "contract": TEXT,
            "title": NULL_TEXT,
            "timezone": TEXT,
            "period": {"enum": ["calendar_month", "billing_month"]},
            "unit": TEXT,
            "services": _list(_ref("ContractService")),
        }
    ),
    "Result": _object(_RESULT, optional=("evidence",)),
    "Gap": _object(
        {
            "target": TEXT,
            "location": TEXT,
            "start": INSTANT,
            "end": INSTANT,
            "slots": WHOLE,
            "reason": TEXT,
            "detail": TEXT,
        }
    ),
    "Event": _object(
        {
            "id": TEXT,
            "kind": TEXT,
            "at": INSTANT,
            "entered_at": INSTANT,
            "source": TEXT,
            "corrects": NULL_TEXT,
            "data": FREE,
        }
    ),
    "Claim": _object(
        {
            "contract": TEXT,
            "period": TEXT,
            "start": INSTANT,
            "end": INSTANT,
            "complete": {"type": "boolean"},
            "percent": TEXT,
            "amount": NULL_TEXT,
            "currency": NULL_TEXT,
            "claim_by": NULL_INSTANT,
            "days_left": {"type": ["integer", "null"]},
            "state": {"enum": ["running", "open"]},
            "outages": WHOLE,
            "outages_past": WHOLE,
        }
    ),
    "Proof": _object(
        {
            "contract": TEXT,
            "period": TEXT,
            "revision": WHOLE,
            "made_at": INSTANT,
            "sha256": TEXT,
            "size": WHOLE,
            "language": TEXT,
            "note": TEXT,
            "url": TEXT,
        }
    ),
}


def document(calls: Sequence[Call], bodies: dict[str, Any] | None = None) -> dict[str, Any]:
    """The document; `bodies` are the schemas of what is sent."""
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(f"/api/v1{call.path}", {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "slaproof",
            "version": version(),
            "summary": "What the providers' uptime was, and what their contracts make of it.",
            "description": "Reading is open on loopback; elsewhere it needs a token, a client certificate or basic "
            "auth. Entering an event needs a token with the scope `events`. Instants are UTC; intervals are half-open.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **(bodies or {})},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
                "certificate": {"type": "mutualTLS"},
            },
        },
    }


_REFUSED = {
    400: "a parameter cannot be read, or there is none of that name; the detail says which",
    401: "credentials are needed",
    403: "the credentials do not allow it",
    404: "it is not there",
    409: "it contradicts what was entered before",
    410: "it was made, but its file is gone",
    413: "too much was sent",
    415: "what was sent is not JSON",
    422: "what was sent is no such event; the detail says why",
    429: "too many requests from this address; wait as Retry-After says",
    503: "this process only reads; ask the daemon",
}


def _operation(call: Call) -> dict[str, Any]:
    words = [part.strip("{}").removesuffix(".pdf").strip("{}") for part in call.path.strip("/").split("/")]
    content: dict[str, Any] = {}
    for kind in call.formats:
        if kind == "application/json":
            content[kind] = {"schema": call.answer}
        elif kind == "application/pdf":
            content[kind] = {"schema": {"type": "string", "contentMediaType": kind}}
        else:
            content[kind] = {"schema": {"type": "string"}}
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    codes = [400, 401, 403, 404, 429]
    if call.body is not None:
        codes += [409, 413, 415, 422, 503]
    if "application/pdf" in call.formats:
        codes.append(410)
    found: dict[str, Any] = {
        "operationId": "_".join([call.method.lower(), *words]),
        "summary": call.summary,
        "responses": {
            str(call.status): {"description": HTTPStatus(call.status).phrase, "content": content},
            **{str(code): {"description": _REFUSED[code], "content": problem} for code in sorted(codes)},
        },
        "security": [{"token": []}]
        if call.access is Access.ENTER
        else [{}, {"token": []}, {"password": []}, {"certificate": []}],
    }
    if call.params:
        found["parameters"] = [param.openapi() for param in call.params]
    if call.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(call.body)}}}
    return found
