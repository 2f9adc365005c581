"""Parameters of API calls: each is read strictly and describes itself for the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from monitor.sla.instants import parse_instant
from monitor.sla.values import OUTCOMES

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
PERIOD_PATTERN = "^(19[789][0-9]|[2-8][0-9]{3})-(0[1-9]|1[0-2])$"
CURSOR_PATTERN = "^[0-9]{1,14}:[A-Za-z0-9][A-Za-z0-9._-]{0,99}:[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class BadRequest(Exception):
    """The call is not understood; the text says what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a query or a path."""

    name: str
    kind: str
    """``name``, ``period``, ``instant``, ``integer``, ``flag``, ``choice``, ``outcomes``, ``cursor``."""
    text: str
    choices: tuple[str, ...] = ()
    least: int = 1
    most: int = 1000
    default: int | str | None = None
    place: str = "query"

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        found: dict[str, Any]
        match self.kind:
            case "name":
                found = {"type": "string", "pattern": NAME_PATTERN}
            case "period":
                found = {"type": "string", "pattern": PERIOD_PATTERN, "examples": ["2026-10"]}
            case "instant":
                found = {"type": "string", "format": "date-time", "examples": ["2026-10-01T00:00:00Z"]}
            case "integer":
                found = {"type": "integer", "minimum": self.least, "maximum": self.most}
            case "flag":
                found = {"type": "boolean"}
            case "choice":
                found = {"type": "string", "enum": list(self.choices)}
            case "outcomes":
                found = {
                    "type": "array",
                    "items": {"type": "string", "enum": list(OUTCOMES)},
                    "minItems": 1,
                    "uniqueItems": True,
                }
            case "cursor":
                found = {"type": "string", "pattern": CURSOR_PATTERN}
            case other:
                raise ValueError(other)
        if self.default is not None:
            found["default"] = self.default
        return found

    def openapi(self) -> dict[str, Any]:
        """Its OpenAPI parameter object."""
        found: dict[str, Any] = {"name": self.name, "in": self.place, "description": self.text, "schema": self.schema()}
        if self.place == "path":
            found["required"] = True
        if self.kind == "outcomes":
            found |= {"style": "form", "explode": False}
        return found

    def read(self, text: str) -> Any:
        """Its value. Raises BadRequest."""
        match self.kind:
            case "name":
                return self._matching(text, NAME_PATTERN, "letters, digits, '.', '_' and '-'")
            case "period":
                return self._matching(text, PERIOD_PATTERN, "a year and a month like 2026-10")
            case "instant":
                try:
                    return parse_instant(text)
                except ValueError as error:
                    raise BadRequest(f"{self.name}: {error}") from None
            case "integer":
                if not re.fullmatch(r"-?[0-9]{1,9}", text) or not self.least <= int(text) <= self.most:
                    raise BadRequest(f"{self.name}: write a whole number from {self.least} to {self.most}")
                return int(text)
            case "flag":
                if text not in ("true", "false"):
                    raise BadRequest(f"{self.name}: write true or false")
                return text == "true"
            case "choice":
                if text not in self.choices:
                    raise BadRequest(f"{self.name}: write one of {', '.join(self.choices)}")
                return text
            case "outcomes":
                names = text.split(",")
                if not set(names) <= set(OUTCOMES) or len(set(names)) != len(names):
                    raise BadRequest(f"{self.name}: write some of {', '.join(OUTCOMES)}, each once, with commas")
                return tuple(names)
            case "cursor":
                self._matching(text, CURSOR_PATTERN, "what “next” of the page before said")
                at, target, location = text.split(":")
                return int(at), target, location
            case other:
                raise ValueError(other)

    def _matching(self, text: str, pattern: str, what: str) -> str:
        if not re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text):
            raise BadRequest(f"{self.name}: write {what}")
        return text


def read_query(request: web.Request, params: tuple[Param, ...]) -> Mapping[str, Any]:
    """Every parameter's value, its default, or None. Raises BadRequest: unknown, given twice, or not understood."""
    known = {param.name: param for param in params if param.place == "query"}
    for name in request.query:
        if name not in known:
            raise BadRequest(f"“{name[:40]}” is no parameter here; there are {', '.join(known) or 'none'}")
        if len(request.query.getall(name)) > 1:
            raise BadRequest(f"{name}: write it once")
    found = {}
    for param in params:
        source = request.query if param.place == "query" else request.match_info
        text = source.get(param.name)
        found[param.name] = param.default if text is None else param.read(text)
    return found


CONTRACT = Param(name="contract", kind="name", text="the contract's name in the configuration")
SERVICE = Param(name="service", kind="name", text="a service of the contract")
PERIOD = Param(name="period", kind="period", text="a period of the contract; without it the one that runs")
TARGET = Param(name="target", kind="name", text="a target's name")
LOCATION = Param(name="location", kind="name", text="where it was probed from")
FROM = Param(name="from", kind="instant", text="not before this instant")
TO = Param(name="to", kind="instant", text="before this instant")
OUTCOME = Param(name="outcome", kind="outcomes", text="only these outcomes")
SCHEDULED = Param(name="scheduled", kind="flag", text="only probes on the interval, or only extra ones")
LIMIT = Param(name="limit", kind="integer", text="how many at the most", least=1, most=10_000, default=1000)
CURSOR = Param(name="cursor", kind="cursor", text="go on behind this one: “next” of the page before")
FORMAT = Param(
    name="format",
    kind="choice",
    text="how it is written; csv and ndjson are not paged unless a limit is given",
    choices=("json", "csv", "ndjson"),
    default="json",
)
