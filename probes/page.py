"""A web page as a visitor's browser fetches it: redirects followed, and a text that must be there."""

import html

from pydantic import Field

from probes._answer import Response
from probes._classify import failed
from probes._fields import Statuses, Strings
from probes._http import fetch
from probes._trace import Trace
from probes._web import REDIRECTS, WebTarget, judge_status, request_for


class Target(WebTarget):
    """The page, the texts that it must hold, and those that it must not."""

    contains: Strings = Field(default=(), description="a text, or several, that must stand in the page")
    contains_not: Strings = Field(default=(), description="a text, or several, that must not stand in the page")
    status: Statuses = (200,)
    follow_redirects: bool = True


async def probe(target: Target, trace: Trace) -> None:
    """Fetches the page, redirects and all, and looks for the texts."""
    request = request_for(target.url, ("GET", {}, b""), {"Accept": "text/html,*/*;q=0.8", **target.sending()})
    response = await fetch(trace, request, target.ways(REDIRECTS if target.follow_redirects else 0))
    judge_status(trace, response, target.status)
    if target.contains or target.contains_not:
        _look(response, target)


def _look(response: Response, target: Target) -> None:
    if response.encoding:
        seen = f"the page comes as {response.encoding[:40]!r}, which was not asked for"
        raise failed("http", "assert", "encoding", seen, code=response.status)
    source = response.text()
    # What a person reads may be written with entities and broken over lines.
    read = " ".join(html.unescape(source).split())
    for text in target.contains_not:
        if text in source or text in read:
            raise failed("http", "assert", "body_not", f"the page holds {text!r}", code=response.status)
    for text in target.contains:
        if text not in source and text not in read:
            happened = "cut" if response.cut else "body"
            where = f"the first {len(response.body)} bytes of the page" if response.cut else "the page"
            raise failed("http", "assert", happened, f"{text!r} is not in {where}", code=response.status)
