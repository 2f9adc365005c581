"""Events that people send: what is sent, and what becomes of it."""

from __future__ import annotations

from typing import Any

from monitor.judgement.events import PEOPLE, BadEvent, correction, make
from monitor.judgement.stating import check, check_ticket_known
from monitor.store import Event
from monitor.web.params import BadRequest
from monitor.web.ports import Source

BODIES: dict[str, Any] = {
    "NewEvent": {
        "type": "object",
        "required": ["kind"],
        "additionalProperties": False,
        "properties": {
            "kind": {"type": "string", "enum": list(PEOPLE), "description": "what is stated"},
            "data": {
                "type": ["object", "null"],
                "additionalProperties": True,
                "description": "what an events file says of it (docs/arithmetic.md, section 9), and `contract`; of a "
                "correction the new data, or null: the old event is withdrawn",
            },
            "corrects": {"type": ["string", "null"], "description": "the id of the event that a correction corrects"},
            "why": {"type": ["string", "null"], "maxLength": 1000, "description": "why it is corrected"},
        },
        "examples": [
            {
                "kind": "maintenance",
                "data": {
                    "contract": "mailgun",
                    "start": "2026-10-12T02:00:00Z",
                    "end": "2026-10-12T04:00:00Z",
                    "announced": "2026-10-08T09:00:00Z",
                    "kind": "scheduled",
                    "services": ["api"],
                },
            },
            {"kind": "correction", "corrects": "06G0X3M4A8ZK1T9Q", "data": None, "why": "entered twice"},
        ],
    }
}
"""Schemas of what is sent."""


class Unusable(Exception):
    """The event is well-formed and cannot be used; the text says why."""


def read_event(body: Any, source: Source, by: str) -> Event:
    """The event that a body states, entered by the token named. Raises BadRequest and Unusable. Blocks."""
    if not isinstance(body, dict):
        raise BadRequest("send an object with kind and data")
    for key in body:
        if key not in BODIES["NewEvent"]["properties"]:
            raise BadRequest(f"“{str(key)[:40]}” is no key of an event; there are kind, data, corrects and why")
    kind, data, corrects, why = (body.get(key) for key in ("kind", "data", "corrects", "why"))
    if not isinstance(kind, str) or kind not in PEOPLE:
        raise BadRequest(f"kind: write one of {', '.join(PEOPLE)}")
    if data is not None and not isinstance(data, dict):
        raise BadRequest("data: write an object")
    if not isinstance(corrects, str | None) or not isinstance(why, str | None) or len(why or "") > 1000:
        raise BadRequest("corrects and why: write text, of a thousand characters at the most")
    try:
        if kind == "correction":
            old = source.reader.event(corrects or "")
            while old is not None and old.kind == "correction":  # it corrects what that one corrects
                old = source.reader.event(old.corrects or "")
            if old is None:
                raise Unusable("corrects: there is no event of that id")
            about = old.kind
            new = correction(old, source=f"api:{by}", why=why or "", data=data)
        elif corrects is not None or why is not None:
            raise Unusable("only a correction names an event that it corrects, and why")
        else:
            about, new = kind, make(kind, data or {}, source=f"api:{by}")
        said = new.data.get("replace") or new.data
        if "contract" in said:
            check({one.name: one for one in source.terms()}, about, said)
            if kind != "correction":
                check_ticket_known(kind, said, source.judge.stated(said["contract"]).events.tickets)
    except BadEvent as problem:
        raise Unusable(str(problem)) from None
    return new
