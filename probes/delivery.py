"""From end to end: a message with a token goes out over a relay or an HTTP API, and must arrive in a mailbox in time.

It is awaited over IMAP, or in a receiving SMTP of our own. A message that comes after the deadline, or never, is
``undelivered``. The time of each hop is read from the Received headers. Every probe sends a real message: it costs
money and has a daily ``budget``. What fails on the receiving side is ours, since it is no part of the service.
"""

import asyncio
import contextlib
import email.utils
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from typing import ClassVar

from pydantic import Field, model_validator

from probes import _received as received
from probes._classify import failed
from probes._fields import Paid, ProbeTarget
from probes._http import fetch
from probes._mailbox import Arrived, Imap, Watch, open_mailbox
from probes._outcome import Failed
from probes._receiver import Listen, receiving
from probes._smtp import MailAddress, SmtpServer, session
from probes._trace import Trace
from probes._web import Body, Expect, WebTarget, judge, request_for

_LEAVE_S = 0.5
_TOKEN_HEADER = "X-Slaproof-Probe"  # noqa: S105 - a name, no secret


class Api(WebTarget, Body):
    """The provider's HTTP API for sending. In url, body, json and form, ``{token}``, ``{from}``, ``{to}``,
    ``{subject}`` and ``{text}`` are filled in; ``{subject}`` holds the token, by which the message is known again."""

    expect: Expect = Field(default_factory=Expect)

    @model_validator(mode="after")
    def _bears_the_token(self) -> "Api":
        texts = [self.url, self.body or "", self.json_ or "", *(self.form or {}).values()]
        if not any("{token}" in text or "{subject}" in text for text in texts):
            raise ValueError("{subject} must stand in body, json or form: by it the message is known when it arrives")
        return self


class Target(ProbeTarget, Paid):
    """The way out (``smtp`` or ``http``), the way in (``imap`` or ``receive``), and the two addresses."""

    COSTS_MONEY: ClassVar[bool] = True

    smtp: SmtpServer | None = Field(default=None, description="the relay that sends")
    http: Api | None = Field(default=None, description="the API that sends")
    imap: Imap | None = Field(default=None, description="the mailbox where the message arrives")
    receive: Listen | None = Field(default=None, description="a port of our own where the message arrives")
    sender: MailAddress = Field(alias="from")
    recipient: MailAddress = Field(alias="to")

    @model_validator(mode="after")
    def _ways(self) -> "Target":
        if (self.smtp is None) == (self.http is None):
            raise ValueError("write either smtp: or http:, the way by which the message is sent")
        if (self.imap is None) == (self.receive is None):
            raise ValueError("write either imap: or receive:, the place where the message arrives")
        return self


Wait = Callable[[float], Awaitable[Arrived | None]]


async def probe(target: Target, trace: Trace) -> None:
    """Opens the mailbox, sends, and waits."""
    token = f"slaproof-{trace.probe_id}"
    async with _arrivals(target, trace, token) as (wait, why):
        if target.smtp is not None:
            await _over_smtp(target, target.smtp, trace, token)
        elif target.http is not None:
            await _over_http(target, target.http, trace, token)
        sent_ms = trace.elapsed_ms()
        with trace.phase("arrival"):
            spare = min(_LEAVE_S, trace.remaining() * 0.1)
            arrived = await wait(max(0.0, trace.remaining() - spare))
            if arrived is None:
                raise await _missing(target, trace, sent_ms, why)
        if arrived.bounced is not None:
            raise _bounced(arrived.bounced)
        trace.fact("transit_ms", round(trace.elapsed_ms() - sent_ms))
        _keep_way(trace, arrived.head, sent_ms)


@contextlib.asynccontextmanager
async def _arrivals(target: Target, trace: Trace, token: str) -> AsyncIterator[tuple[Wait, Watch | None]]:
    """How to wait for the message, and the mailbox where there is one."""
    if target.imap is not None:
        async with contextlib.AsyncExitStack() as stack:
            with trace.phase("mailbox"):
                limit = trace.remaining() * 0.4
                try:
                    async with asyncio.timeout(limit):
                        watch = await stack.enter_async_context(open_mailbox(trace, target.imap, target.ip))
                except TimeoutError:
                    seen = f"our own mailbox did not open within {limit:.1f} s"
                    raise failed("delivery", "mailbox", "mailbox_failed", seen) from None
            trace.note(f"mailbox {target.imap.mailbox} of {target.imap.username} is open")
            yield lambda seconds: watch.wait(token, seconds), watch
    elif target.receive is not None:
        async with receiving(target.receive, target.recipient, token) as future:

            async def wait(seconds: float) -> Arrived | None:
                done, _ = await asyncio.wait((future,), timeout=seconds)
                return Arrived(*future.result()) if done else None

            yield wait, None


def _message(target: Target, trace: Trace, token: str) -> bytes:
    """The message: who sent it and why stands in it, since a person may find it."""
    message = EmailMessage()
    message["From"] = target.sender
    message["To"] = target.recipient
    message["Subject"] = _subject(token)
    message["Date"] = email.utils.formatdate(trace.now_ms / 1000)
    message["Message-ID"] = f"<{token}@{target.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message[_TOKEN_HEADER] = token
    message.set_content(_text(token))
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))


def _subject(token: str) -> str:
    return f"delivery probe {token}"


def _text(token: str) -> str:
    return f"This message measures whether mail is delivered, and how fast. It can be deleted.\n{token}\n"


async def _over_smtp(target: Target, server: SmtpServer, trace: Trace, token: str) -> None:
    async with session(trace, server, ip=target.ip) as smtp:
        await smtp.mail(target.sender)
        await smtp.rcpt(target.recipient)
        answer = await smtp.data(_message(target, trace, token))
        trace.identify("message_id", f"{token}@{target.sender.rpartition('@')[2]}")
        trace.fact("accepted", f"{answer.code} {' '.join(answer.message.split())[:200]}")
        await smtp.quit()


async def _over_http(target: Target, api: Api, trace: Trace, token: str) -> None:
    values = {
        "token": token,
        "from": target.sender,
        "to": target.recipient,
        "subject": _subject(token),
        "text": _text(token),
    }
    filled = api.model_copy(
        update={
            "body": _fill(api.body, values),
            "json_": _fill(api.json_, {name: json.dumps(value)[1:-1] for name, value in values.items()}),
            "form": {name: _fill(text, values) for name, text in api.form.items()} if api.form else api.form,
        }
    )
    url = _fill(api.url, {name: value for name, value in values.items() if name == "token"}) or api.url
    response = await fetch(trace, request_for(url, filled.content(), filled.sending()), filled.ways())
    judge(trace, response, api.expect)
    trace.fact("accepted", f"{response.status} {' '.join(response.text().split())[:200]}")


def _fill(text: str | None, values: dict[str, str]) -> str | None:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value) if text is not None else None
    return text


async def _missing(target: Target, trace: Trace, sent_ms: float, watch: Watch | None) -> Failed:
    """Why nothing arrived, as far as it can be known here."""
    waited = (trace.elapsed_ms() - sent_ms) / 1000
    accepted = trace.facts.get("accepted") or "no words"
    where = f"{target.recipient} within {waited:.1f} s"
    said = f"accepted with {str(accepted)!r}, but nothing arrived at {where}"
    if watch is not None and target.imap is not None and target.imap.junk is not None:
        try:
            async with asyncio.timeout(trace.remaining() * 0.6):
                if await watch.in_junk(f"slaproof-{trace.probe_id}"):
                    return failed("delivery", "arrival", "junk", f"arrived in {target.imap.junk}, not in the inbox")
        except (Failed, TimeoutError) as error:
            trace.note(f"could not look into {target.imap.junk}: {error or 'too slow'}")
    return failed("delivery", "arrival", "not_arrived", said)


def _bounced(told: received.Bounce) -> Failed:
    """A bounce: undelivered where the way failed (X.3.x, X.4.x), a refusal of us or of the address otherwise."""
    way = told.status[2:].startswith(("3.", "4.")) or told.status.startswith("4")
    said = f"came back as undeliverable with {told.status}: {told.diagnostic[:200]}"
    return failed("delivery", "arrival", "not_delivered" if way else "bounced", said)


def _keep_way(trace: Trace, head: bytes, sent_ms: float) -> None:
    message = received.head(head)
    hops = received.hops(message)
    way = received.as_evidence(hops, (trace.now_ms + round(sent_ms)) // 1000)
    trace.witness("hops", way)
    trace.fact("hops", len(way))
    trace.fact("slowest_hop", received.slowest(way))
    if hops and hops[0].id and "queue_id" not in trace.ids:
        trace.identify("queue_id", hops[0].id)
    trace.received("\n".join(f"Received: {key} {value}" for key, value in _lines(way)))
    trace.fact(
        "arrived_at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((trace.now_ms + trace.elapsed_ms()) / 1000))
    )


def _lines(way: list[dict[str, object]]) -> list[tuple[str, str]]:
    return [(f"{hop['from']} -> {hop['by']}", f"({hop.get('after_s', '?')} s) id {hop['id']}") for hop in way]
