"""An HTTP API: one request, and what its answer must be."""

from pydantic import Field

from probes._http import fetch
from probes._trace import Trace
from probes._web import REDIRECTS, Body, Expect, WebTarget, judge, request_for


class Target(WebTarget, Body):
    """The request, and in ``expect`` what a good answer is. Redirects are answers unless ``follow_redirects``."""

    expect: Expect = Field(default_factory=Expect)
    follow_redirects: bool = False


async def probe(target: Target, trace: Trace) -> None:
    """Asks once and judges the answer."""
    request = request_for(target.url, target.content(), target.sending())
    response = await fetch(trace, request, target.ways(REDIRECTS if target.follow_redirects else 0))
    judge(trace, response, target.expect)
