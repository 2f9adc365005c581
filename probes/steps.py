"""A sequence of HTTP requests that passes values on: log in, open, check. What "online application" means.

Each step is a request of its own on a connection of its own; cookies are kept between them, and what ``capture`` finds
in an answer stands as ``{{name}}`` in the steps after it.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote, urlencode, urljoin

from pydantic import Field, model_validator

from probes._classify import failed
from probes._cookies import Cookies
from probes._fields import ProbeTarget
from probes._http import MAX_BODY, Ways, fetch
from probes._outcome import Failed
from probes._pem import CertificateFile
from probes._tls import TlsSettings
from probes._trace import Trace
from probes._url import parse
from probes._web import REDIRECTS, Auth, Body, Captured, Expect, Headers, captured, judge, proxy_of, request_for

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SECRET_LENGTH = 6
"""Captured values of this length or more are hidden like secrets: a token must not stand in a transcript."""


class Step(Body):
    """One request. ``url`` may be relative to the answer before it."""

    name: str | None = None
    url: str
    headers: Headers = Field(default_factory=dict)
    expect: Expect = Field(default_factory=Expect)
    capture: dict[Annotated[str, Field(pattern=r"^\w+$")], Captured] = Field(default_factory=dict)
    follow_redirects: bool = True

    def places(self) -> set[str]:
        """The names that this step needs."""
        texts = [self.url, self.body or "", self.json_ or "", *self.headers.values(), *(self.form or {}).values()]
        return {name for text in texts for name in _PLACE.findall(text)}


class Target(ProbeTarget):
    """The steps, and what all of them share."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)]
    headers: Headers = Field(default_factory=dict, description="headers of every step")
    auth: Auth | None = None
    ca: CertificateFile | None = None
    tls: TlsSettings = Field(default_factory=TlsSettings)
    proxy: str | None = None
    max_body: int = Field(default=MAX_BODY, ge=0, le=16 << 20)

    @model_validator(mode="after")
    def _in_order(self) -> "Target":
        known: set[str] = set()
        for number, step in enumerate(self.steps, 1):
            if unknown := sorted(step.places() - known):
                raise ValueError(f"step {number} needs {{{{{unknown[0]}}}}}, which no step before it captures")
            if "{{" not in step.url and (number == 1 or "://" in step.url):
                parse(step.url)
            known |= step.capture.keys()
        if self.proxy is not None:
            proxy_of(self.proxy)
        return self

    def ways(self) -> Ways:
        """How requests are made, with cookies of this probe's own."""
        tls = self.tls.model_copy(update={"ca": self.ca}) if self.ca else self.tls
        proxy = proxy_of(self.proxy) if self.proxy else None
        return Ways(ip=self.ip, tls=tls, proxy=proxy, max_body=self.max_body, redirects=REDIRECTS, cookies=Cookies())


async def probe(target: Target, trace: Trace) -> None:
    """Goes through the steps until one fails."""
    ways = target.ways()
    values: dict[str, str] = {}
    here = ""
    sending = {**({"Authorization": target.auth.header()} if target.auth else {}), **target.headers}
    for number, step in enumerate(target.steps, 1):
        name = step.name or f"step {number}"
        trace.note(f"step {number} of {len(target.steps)}: {name}")
        trace.fact("step", name)
        try:
            with trace.phase(f"step {number}"):
                here = await _step(step, trace, ways, values, here, sending)
        except Failed as error:
            raise Failed(error.outcome, f"{name}: {error.detail}", advice=error.advice, code=error.code) from None


async def _step(
    step: Step, trace: Trace, ways: Ways, values: dict[str, str], here: str, sending: dict[str, str]
) -> str:
    """Makes one step and adds what it captures to ``values``; the address where it ended."""
    url = urljoin(here, _address(step.url, values))
    try:
        parse(url)
    except ValueError as error:
        raise failed("steps", "capture", "unusable", f"{trace.redact(str(error))}") from None
    headers = {name: _filled(text, values, _one_line) for name, text in step.headers.items()}
    request = request_for(url, _content(step, values), {**sending, **headers})
    response = await fetch(trace, request, replace(ways, redirects=REDIRECTS if step.follow_redirects else 0))
    judge(trace, response, step.expect)
    for name, where in step.capture.items():
        value = captured(where, response)
        if value is None:
            raise failed("steps", "capture", "missing", f"{name} is not in the answer", code=response.status)
        values[name] = value
        if len(value) >= _SECRET_LENGTH:
            trace.conceal(value)
    return response.url


def _content(step: Step, values: Mapping[str, str]) -> tuple[str, dict[str, str], bytes]:
    """What the step sends, with the values in their places, each written as its surroundings want it."""
    method, headers, body = step.content()
    if step.json_ is not None:
        body = _filled(step.json_, values, lambda value: json.dumps(value, ensure_ascii=False)[1:-1]).encode()
    elif step.form is not None:
        body = urlencode({name: _filled(text, values, str) for name, text in step.form.items()}).encode()
    elif step.body is not None:
        body = _filled(step.body, values, str).encode()
    return method, headers, body


def _filled(text: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    return _PLACE.sub(lambda match: written(values[match[1]]), text) if "{{" in text else text


def _address(text: str, values: Mapping[str, str]) -> str:
    """An address that begins with a value takes it as it is (a link); elsewhere values are quoted."""
    match = _PLACE.match(text)
    if match is None:
        return _filled(text, values, lambda value: quote(value, safe=""))
    return values[match[1]] + _address(text[match.end() :], values)


def _one_line(value: str) -> str:
    if re.search(r"[\r\n\0]", value) or value != value.strip():
        raise failed("steps", "capture", "unusable", "a captured value holds line ends and cannot stand in a header")
    return value
