"""SMS gateways over HTTP: what they say in their text, and receipts that are asked for or come by themselves."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request

import pytest
from pydantic import ValidationError

import probes
from probes._outcome import Outcome
from tests.probes.running import PROBE_ID, ask, told
from tests.servers import free_port
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import http_response

STATUS = (
    b'<?xml version="1.0"?><gateway><smscs><count>2</count><smsc><name>FAKE:20</name><admin-id>a</admin-id>'
    b"<id>one</id><status>online 12s</status></smsc><smsc><name>SMPP:x</name><id>two</id><status>dead</status></smsc>"
    b"</smscs></gateway>"
)


@pytest.mark.parametrize(
    ("status", "text", "outcome"),
    [
        ("202 Accepted", b"0: Accepted for delivery", "ok"),
        ("200 OK", b"Denied", "rejected"),
        ("200 OK", b"ERR: 001, Authentication failed", "rejected"),
        ("200 OK", b'{"error": "no credit"}', "rejected"),
        ("200 OK", b"Too many requests", "throttled"),
        ("200 OK", b"Temporal failure, try again later.", "server_error"),
        ("403 Forbidden", b"Authorization failed for sendsms", "rejected"),
        ("503 Service Unavailable", b"Temporal failure", "server_error"),
    ],
)
async def test_what_the_text_says(status: str, text: bytes, outcome: str) -> None:
    """A good status with a refusal in its text is a refusal."""
    with Misbehaving("http", instead={0: http_response(text, status=status)}) as server:
        result = await ask("sms", url=server.url())
    assert result.outcome == outcome, result


async def test_expectations_overrule_the_text() -> None:
    """Where the body is asserted, the assertion decides; where it fails, the gateway's own words say why."""
    with Misbehaving("http", instead={0: http_response(b"error: none")}) as server:
        assert (await ask("sms", url=server.url(), expect={"body": "^error: none$"})).outcome == Outcome.OK
    with Misbehaving("http", instead={0: http_response(b"Denied")}) as server:
        assert (await ask("sms", url=server.url(), expect={"body": "balance"})).outcome == Outcome.REJECTED
    with Misbehaving("http", instead={0: http_response(b"hello")}) as server:
        assert (await ask("sms", url=server.url(), expect={"body": "balance"})).outcome == Outcome.WRONG_ANSWER


@pytest.mark.parametrize(("name", "outcome"), [("one", "ok"), ("two", "server_error"), ("three", "wrong_answer")])
async def test_the_link_behind_a_kannel(name: str, outcome: str) -> None:
    """A gateway that answers but has lost its SMSC cannot send: its own status says so."""
    with Misbehaving("http", instead={0: http_response(STATUS)}) as server:
        result = await ask("sms", url=server.url("/status.xml"), smsc=name)
    assert result.outcome == outcome, result


async def test_parameters_bear_the_probe() -> None:
    """`{id}` in the parameters is the probe's identifier."""
    with Misbehaving("http") as server:
        await ask("sms", url=server.url("/send?a=1"), params={"text": "probe {id} & more"})
        assert server.requests[0].startswith(f"GET /send?a=1&text=probe+{PROBE_ID}+%26+more ".encode())


async def test_a_receipt_that_is_polled() -> None:
    """The identifier of the submission is put into the address that is asked until it tells the end."""
    waiting = [http_response(b'{"state": "sent"}')] * 2
    replies = {b"POST /send": http_response(b'{"id": "m 7"}'), b"GET /state/m%207": http_response(b'{"state": "done"}')}
    with Misbehaving("http", replies=replies) as server:
        settings = {
            "url": server.url("/send"),
            "form": {"to": "+49"},
            "deliver": True,
            "message_id": {"json": "$.id"},
            "receipt": {"poll": server.url("/state/{message}"), "every": "100ms", "delivered": "done", "failed": "bad"},
        }
        result = await ask("sms", **settings)
        assert result.outcome == Outcome.OK, told(result)
        assert result.ids["message_id"] == "m 7"
    with Misbehaving("http", replies=replies | {b"GET /state": waiting[0]}) as server:
        settings |= {"url": server.url("/send")}
        settings["receipt"] = {"poll": server.url("/state/{message}"), "every": "100ms", "delivered": "done"}
        result = await ask("sms", 0.8, **settings)
        assert result.outcome == Outcome.UNDELIVERED
        assert result.detail.endswith('last heard: {"state": "sent"}')
        settings["receipt"] |= {"failed": "sent"}
        result = await ask("sms", 2, **settings)
        assert result.outcome == Outcome.UNDELIVERED
        assert result.detail == 'the receipt says: {"state": "sent"}'


async def test_no_identifier_to_ask_for() -> None:
    """A gateway that accepts without the promised identifier gives a wrong answer."""
    with Misbehaving("http") as server:
        result = await ask(
            "sms",
            url=server.url(),
            deliver=True,
            message_id={"json": "$.id"},
            receipt={"poll": server.url("/{message}"), "delivered": "x"},
        )
    assert result.outcome == Outcome.WRONG_ANSWER


def _call(url: str, after: float) -> threading.Thread:
    def call() -> None:
        time.sleep(after)
        urllib.request.urlopen(url, timeout=5).read()

    thread = threading.Thread(target=call)
    thread.start()
    return thread


async def test_a_receipt_that_calls_us() -> None:
    """The gateway's call finds its probe by the identifier in it, among several that wait at one address."""
    port = free_port()
    receipt = {"listen": f"127.0.0.1:{port}", "delivered": "status=1", "failed": "status=2"}
    with Misbehaving("http") as server:
        settings = {"url": server.url(), "deliver": True, "receipt": receipt}
        good = _call(f"http://127.0.0.1:{port}/dlr/{PROBE_ID}?status=1", 0.3)
        assert (await ask("sms", **settings)).outcome == Outcome.OK
        good.join()
        bad = _call(f"http://127.0.0.1:{port}/dlr/{PROBE_ID}?status=2", 0.3)
        result = await ask("sms", **settings)
        bad.join()
        assert (result.outcome, "the receipt says" in result.detail) == (Outcome.UNDELIVERED, True)
        assert (await ask("sms", 0.4, **settings)).outcome == Outcome.UNDELIVERED


async def test_two_wait_at_one_address() -> None:
    """The second probe shares the first one's server; a call without a known token gives neither anything."""
    from probes._callback import calls

    port = free_port()
    async with calls(f"127.0.0.1:{port}", "aaa") as one, calls(f"127.0.0.1:{port}", "bbb") as two:
        for path in ("/bbb", "/none", "/aaa"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi".encode())
            await reader.read()
            writer.close()
        assert (one.qsize(), two.qsize()) == (1, 1)
        assert one.get_nowait() == "POST /aaa HTTP/1.1\nhi"


async def test_an_address_that_is_taken_is_ours() -> None:
    """Where we cannot listen, the fault is ours and nothing is sent."""
    with Misbehaving("http") as server:
        receipt = {"listen": f"127.0.0.1:{server.port}", "delivered": "x"}
        result = await ask("sms", url=server.url(), deliver=True, receipt=receipt)
        assert (result.outcome, server.requests) == (Outcome.LOCAL, [])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"deliver": True}, "belong together"),
        ({"receipt": {"poll": "http://a", "delivered": "x"}}, "belong together"),
        ({"deliver": True, "receipt": {"delivered": "x"}}, "either poll or listen"),
        ({"deliver": True, "receipt": {"poll": "http://a/{message}", "delivered": "x"}}, "say with message_id"),
        ({"message_id": {}}, "one of json, regex and header"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], words: str) -> None:
    """What cannot work is refused when the configuration is read."""
    with pytest.raises(ValidationError, match=words):
        probes.load("sms").Target.model_validate({"url": "http://a", **settings})


def test_only_delivery_costs_money() -> None:
    """A probe that sends nothing needs no budget."""
    load = probes.load("sms").Target.model_validate
    assert not load({"url": "http://a"}).costs_money
    assert load({"url": "http://a", "deliver": True, "receipt": {"poll": "http://b", "delivered": "x"}}).costs_money
