"""An SMS gateway over HTTP: asks it as an application would, and reads what it says in its text.

Without ``deliver`` nothing is sent unless the URL itself sends: use the gateway's dry run, balance or status address.
With ``deliver: true`` a message goes to a test number and its receipt is awaited, by polling or by the gateway's call
to us. That costs money, so it has a daily ``budget``.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlencode

from pydantic import Field, model_validator

from probes._answer import Response
from probes._callback import calls
from probes._classify import failed
from probes._fields import Duration, Paid, Regex, Settings
from probes._http import fetch
from probes._outcome import Failed, Fault, Outcome
from probes._search import search
from probes._trace import Trace
from probes._web import Body, Captured, Expect, WebTarget, captured, judge, judge_status, request_for

# What gateways say in the text of an answer whose status is good: Kannel's "Denied", Clickatell's "ERR: 001, ...".
# In doubt it is a refusal of us.
_SAYS = (
    ("throttled", re.compile(r"(?i)\A\W*(throttl|too many|rate limit|slow down)")),
    (
        "server_error",
        re.compile(r"(?i)\A\W*(temporal failure|internal (server )?error|service unavailable|queue full)"),
    ),
    ("refused", re.compile(r"(?i)\A\W*(denied|err(or)?\b|auth\w* (failed|required)|access denied|forbidden)")),
)
_LEAVE_S = 0.1


class Receipt(Settings):
    """How the receipt comes: we ask (``poll``), or the gateway calls us (``listen``); and what good news looks like.

    ``{message}`` stands for the gateway's identifier, ``{id}`` for the probe's.
    """

    poll: str | None = Field(default=None, description="URL to ask, with {message} or {id} in it")
    every: Duration = Field(default=2_000, ge=100, description="how often to ask")
    listen: str | None = Field(default=None, pattern=r"^\S+:\d+$", description="host:port where the gateway calls us")
    delivered: Regex = Field(description="what the receipt says when the message was delivered")
    failed: Regex | None = Field(default=None, description="what it says when it never will be")

    @model_validator(mode="after")
    def _one(self) -> "Receipt":
        if (self.poll is None) == (self.listen is None):
            raise ValueError("write either poll or listen")
        return self


class Target(WebTarget, Body, Paid):
    """The request; ``{id}`` in url, params and body stands for the probe's identifier."""

    params: dict[str, str] = Field(default_factory=dict, description="parameters to add to the URL")
    expect: Expect = Field(default_factory=Expect)
    smsc: str | None = Field(default=None, description="url is Kannel's status.xml: this SMSC must be online there")
    deliver: bool = Field(default=False, description="the request sends a message; await its receipt: costs money")
    message_id: Captured | None = Field(default=None, description="where the gateway's identifier stands")
    receipt: Receipt | None = None

    @model_validator(mode="after")
    def _deliverable(self) -> "Target":
        if self.deliver != (self.receipt is not None):
            raise ValueError("deliver: true and receipt: belong together")
        if self.receipt and "{message}" in (self.receipt.poll or "") and self.message_id is None:
            raise ValueError("poll names {message}: say with message_id: where it stands in the answer")
        return self

    @property
    def costs_money(self) -> bool:
        """Only with ``deliver``."""
        return self.deliver


async def probe(target: Target, trace: Trace) -> None:
    """Asks the gateway, and where asked awaits the receipt."""
    receipt = target.receipt
    if receipt is None:
        await _ask(target, trace)
    elif receipt.listen is not None:
        async with calls(receipt.listen, trace.probe_id) as heard:
            await _ask(target, trace)
            await _awaited(receipt, trace, lambda: _heard(trace, heard))
    else:
        message_id = await _ask(target, trace)
        url = (receipt.poll or "").replace("{id}", quote(trace.probe_id, safe=""))
        url = url.replace("{message}", quote(message_id or "", safe=""))
        await _awaited(receipt, trace, lambda: _polled(target, trace, url))


async def _ask(target: Target, trace: Trace) -> str | None:
    """The gateway's identifier of the message, where it is asked for. Raises Failed."""
    method, extra, body = target.content()
    url = target.url
    if target.params:
        url += ("&" if "?" in url else "?") + urlencode(target.params, safe="{}")
    url = url.replace("{id}", quote(trace.probe_id, safe=""))
    body = body.replace(b"{id}", trace.probe_id.encode())
    response = await fetch(trace, request_for(url, (method, extra, body), target.sending()), target.ways())
    _judge(target, trace, response)
    if target.smsc is not None:
        _smsc(trace, response, target.smsc)
    if target.message_id is None:
        return None
    value = captured(target.message_id, response)
    if value is None:
        raise failed("sms", "answer", "no_id", code=response.status)
    trace.identify("message_id", value)
    return value


def _judge(target: Target, trace: Trace, response: Response) -> None:
    """The status and what is expected, then the words of the gateway, unless they are as expected."""
    verdict: Failed | None = None
    try:
        judge(trace, response, target.expect)
    except Failed as error:
        verdict = error
    asked = target.expect.body is not None or target.expect.json_
    if (verdict is None and asked) or (verdict is not None and verdict.outcome is not Outcome.WRONG_ANSWER):
        if verdict is not None:
            raise verdict
        return
    # Kannel wraps its word in XML.
    text = re.sub(r"<[^<>]{0,200}>", " ", response.text()[:4096])
    for happened, words in _SAYS:
        if 200 <= response.status < 300 and words.search(text):
            seen = trace.redact(" ".join(text.split()))[:100]
            detail = f"HTTP {response.status}, but the gateway says: {seen}"
            raise failed("sms", "answer", happened, detail, code=response.status)
    if verdict is not None:
        raise verdict


def _smsc(trace: Trace, response: Response, name: str) -> None:
    for rest in response.text().split("<smsc>")[1:]:
        fields = dict(re.findall(r"<([a-z-]+)>([^<]*)</\1>", rest.partition("</smsc>")[0]))
        if name in (fields.get("id"), fields.get("admin-id"), fields.get("name")):
            status = fields.get("status", "")
            trace.fact("smsc_status", status[:100])
            if not status.startswith("online"):
                raise failed("sms", "smsc", "dead", f"the gateway says that its SMSC {name} is {status[:100]!r}")
            return
    raise failed("sms", "smsc", "not_listed", f"the gateway's status lists no SMSC {name!r}")


async def _awaited(receipt: Receipt, trace: Trace, news: Callable[[], Awaitable[str]]) -> None:
    """Waits for a receipt that tells the end; ends a moment before the deadline, to say what was heard last."""
    last = ""
    with trace.phase("receipt"):
        try:
            async with asyncio.timeout(max(0.0, trace.remaining() - min(_LEAVE_S, trace.remaining() * 0.2))):
                while True:
                    text = await news()
                    last = " ".join(text.split())[:200] or last
                    if search(receipt.delivered, text):
                        return
                    if receipt.failed is not None and search(receipt.failed, text):
                        seen = f"the receipt says: {trace.redact(last)}"
                        raise failed("sms", "receipt", "not_delivered", seen)
        except TimeoutError:
            heard = f"; last heard: {trace.redact(last)}" if last else ""
            raise failed("sms", "receipt", "no_receipt", f"accepted, but no receipt in time{heard}") from None


async def _heard(trace: Trace, calls: "asyncio.Queue[str]") -> str:
    text = await calls.get()
    trace.received(text)
    return text


async def _polled(target: Target, trace: Trace, url: str) -> str:
    """What the gateway says of the receipt after a while; nothing where it does not answer: it may later."""
    assert target.receipt is not None
    await asyncio.sleep(target.receipt.every / 1000)
    try:
        response = await fetch(trace, request_for(url, ("GET", {}, b""), target.sending()), target.ways())
        judge_status(trace, response, None)
    except Failed as error:
        if error.outcome.fault is not Fault.PROVIDER:
            raise
        trace.note(f"no answer about the receipt: {error.detail}")
        return ""
    return response.text()
