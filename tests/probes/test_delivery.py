"""Messages from end to end: over a real Postfix into a real Dovecot, and into a receiving port of our own."""

from __future__ import annotations

import asyncio
import imaplib
import json
import smtplib
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

import probes
from probes import _received as received
from tests.probes.running import names, probe, shown
from tests.servers import eventually, free_port
from tests.servers.misbehaving import Misbehaving
from tests.servers.postfix import Postfix

FROM, TO = "probe@example", "sink@example"
ENDS = {"from": "probe@sender.example", "to": "sink@example.com"}
PROBE_IDS = (f"delivery{number:04x}" for number in range(1, 999))


@pytest.fixture(autouse=True)
def probe_id(request: pytest.FixtureRequest) -> str:
    """Another identifier for each test, since all share the mailbox."""
    return next(PROBE_IDS)


def over_postfix(mail: Postfix, ca_file: Path, **more: Any) -> dict[str, Any]:
    relay = {"host": "localhost", "port": mail.port, "tls": "starttls", "ca": str(ca_file)}
    relay |= {"username": "probe", "password": "probe-secret"}
    box = {"host": "localhost", "port": mail.dovecot.imaps_port, "tls": "implicit", "ca": str(ca_file)}
    box |= {"username": "sink", "password": "sink-secret"}
    return {"smtp": relay, "imap": box, "from": FROM, "to": TO, "ip": "4", **more}


async def test_a_mail_is_found_where_it_was_sent(mail: Postfix, ca_file: Path, probe_id: str) -> None:
    """Sent over Postfix, found over IMAP, with the times of its hops; the mailbox is left as it was."""
    result = await probe("delivery", over_postfix(mail, ca_file), timeout=20, probe_id=probe_id)
    assert result.outcome == "ok", shown(result)
    assert names(result)[0] == "mailbox"
    assert names(result)[-1] == "arrival"
    assert result.ids["queue_id"] in mail.log
    assert result.ids["message_id"] == f"slaproof-{probe_id}@example"
    hops = result.evidence["hops"]
    assert isinstance(hops, list)
    assert hops[0]["by"] == "mail.example"
    assert all(abs(hop["after_s"]) <= result.duration_ms / 1000 + 1 for hop in hops), hops  # they tell whole seconds
    assert 0 < int(result.facts["transit_ms"] or 0) <= result.duration_ms
    assert not [message for message in mail.dovecot.mailbox("sink") if probe_id.encode() in message]
    assert "secret" not in shown(result)


async def test_a_mail_that_is_held_back_is_undelivered(mail: Postfix, ca_file: Path, probe_id: str) -> None:
    """Accepted with a queue id, and never seen: undelivered, by the deadline, and the detail says what was accepted."""
    mail.policy["RCPT"] = "HOLD"
    try:
        result = await probe("delivery", over_postfix(mail, ca_file), timeout=4, probe_id=probe_id)
    finally:
        mail.policy.clear()
    assert result.outcome == "undelivered", shown(result)
    assert "queued as" in result.detail
    assert "nothing arrived at sink@example" in result.detail
    assert result.ids["queue_id"] in mail.log
    assert mail.held() == 1
    mail.release()
    eventually(lambda: any(probe_id.encode() in message for message in mail.dovecot.mailbox("sink")))


async def test_a_mail_that_comes_back_is_told_with_its_reason(mail: Postfix, ca_file: Path, probe_id: str) -> None:
    """A bounce in the mailbox ends the wait at once; what it says is quoted."""
    settings = over_postfix(mail, ca_file, to="somebody@elsewhere.example")
    settings["imap"] |= {"username": "probe", "password": "probe-secret"}
    result = await probe("delivery", settings, timeout=20, probe_id=probe_id)
    assert result.outcome == "rejected", shown(result)
    assert "5.7.1" in result.detail


async def test_a_mail_among_the_junk_is_told(mail: Postfix, ca_file: Path, probe_id: str) -> None:
    """What lies in the folder for junk did arrive, but not where people look."""
    settings = over_postfix(mail, ca_file)
    with imaplib.IMAP4("127.0.0.1", mail.dovecot.imap_port, timeout=5) as box:
        box.login("sink", "sink-secret")
        box.create("Junk")
        message = f"Subject: delivery probe slaproof-{probe_id}\r\n\r\nx\r\n".encode()
        box.append("Junk", "", "", message)
    settings["imap"] |= {"junk": "Junk"}
    mail.policy["RCPT"] = "HOLD"
    try:
        result = await probe("delivery", settings, timeout=3, probe_id=probe_id)
    finally:
        mail.policy.clear()
        mail.release()
    assert result.outcome == "rejected", shown(result)
    assert result.detail == "arrived in Junk, not in the inbox"


async def test_a_refused_sender_never_waits(mail: Postfix, ca_file: Path, probe_id: str) -> None:
    """What the relay refuses is judged as SMTP is."""
    mail.recipients[TO] = "550 5.1.1 no such user"
    try:
        result = await probe("delivery", over_postfix(mail, ca_file), timeout=10, probe_id=probe_id)
    finally:
        mail.recipients.clear()
    assert (result.outcome, result.code, names(result)[-1]) == ("rejected", 550, "rcpt"), shown(result)


async def test_our_own_mailbox_is_never_the_providers_fault(mail: Postfix, ca_file: Path, probe_id: str) -> None:
    """A wrong password, a closed port or a bad certificate on the receiving side is ours, and no mail is sent."""
    for change in ({"password": "wrong"}, {"port": free_port()}, {"ca": None}, {"mailbox": "nowhere"}):
        settings = over_postfix(mail, ca_file)
        settings["imap"] |= change
        result = await probe("delivery", settings, timeout=10, probe_id=probe_id)
        assert result.outcome == "local", shown(result)
        assert names(result) == ["mailbox"]
    assert probe_id not in mail.log


@pytest.mark.parametrize("how", ["silent", "drip", "endless", "close", "garbage"])
@pytest.mark.parametrize("at", range(3))
async def test_a_mailbox_that_misbehaves(how: str, at: int, probe_id: str) -> None:
    """Whatever the mailbox does, the deadline holds and the outcome is ours."""
    before = threading.active_count()
    with Misbehaving("imap", how, at=at) as server:
        box = {"host": "127.0.0.1", "port": server.port, "tls": "none", "username": "u", "password": "p"}
        relay = {"host": "127.0.0.1", "port": free_port(), "tls": "none"}
        result = await probe("delivery", {"smtp": relay, "imap": box, **ENDS}, timeout=1.0, probe_id=probe_id)
        assert result.outcome == "local", shown(result)
    eventually(lambda: threading.active_count() <= before, because="the mailbox's thread ended")


def listening(port: int, relay_port: int) -> dict[str, Any]:
    relay = {"host": "127.0.0.1", "port": relay_port, "tls": "none"}
    return {"smtp": relay, "receive": {"host": "127.0.0.1", "port": port}, **ENDS}


async def test_a_mail_is_received_by_ourselves(probe_id: str) -> None:
    """Without a mailbox, a port of our own takes the message; here the relay is that port itself."""
    port = free_port()
    result = await probe("delivery", listening(port, port), timeout=5, probe_id=probe_id)
    assert result.outcome == "ok", shown(result)
    assert int(result.facts["transit_ms"] or 0) <= result.duration_ms
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_several_probes_share_a_port() -> None:
    """Each gets its own message, whoever came first."""
    port = free_port()
    ids = [f"shared{number}" for number in range(8)]
    results = await asyncio.gather(
        *(probe("delivery", listening(port, port), timeout=5, probe_id=probe_id) for probe_id in ids)
    )
    assert [result.outcome for result in results] == ["ok"] * 8, shown(results[0])


async def test_a_relay_that_swallows_mail(probe_id: str) -> None:
    """A relay that takes every message and delivers none."""
    with Misbehaving("smtp") as server:
        result = await probe("delivery", listening(free_port(), server.port), timeout=1, probe_id=probe_id)
    assert result.outcome == "undelivered", shown(result)
    assert result.ids["queue_id"] == "4F1A2B3C"


async def test_a_port_that_is_taken_is_ours(probe_id: str) -> None:
    """Where we cannot listen, nothing is sent and nobody else is blamed."""
    with Misbehaving("smtp") as server:
        result = await probe("delivery", listening(server.port, server.port), timeout=1, probe_id=probe_id)
        assert result.outcome == "local", shown(result)
        assert server.connections == 0


async def test_mail_over_an_api(probe_id: str) -> None:
    """An HTTP API sends; the message is known by its subject, whatever the provider adds."""
    port, api_port = free_port(), free_port()
    asked: list[dict[str, Any]] = []

    async def send(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(body)
        text = f"Subject: {body['subject']}\r\nX-Provider: yes\r\n\r\n{body['text']}"
        await asyncio.to_thread(_submit, port, body["to"], text)
        return web.json_response({"id": "<api-1@provider.example>"}, status=202)

    app = web.Application()
    app.router.add_post("/send", send)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", api_port).start()
    wanted = json.dumps({"from": "{from}", "to": "{to}", "subject": "{subject}", "text": "{text}"})
    settings = {
        "http": {"url": f"http://127.0.0.1:{api_port}/send", "json": wanted, "expect": {"status": ["202"]}},
        "receive": {"host": "127.0.0.1", "port": port},
        **ENDS,
    }
    try:
        result = await probe("delivery", settings, timeout=5, probe_id=probe_id)
    finally:
        await runner.cleanup()
    assert result.outcome == "ok", shown(result)
    assert asked[0]["subject"] == f"delivery probe slaproof-{probe_id}"
    assert asked[0]["text"].endswith(f"slaproof-{probe_id}\n")


def _submit(port: int, to: str, text: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as relay:
        relay.sendmail("bounces@provider.example", [to], text)


# --- reading what arrived --------------------------------------------------------------------------------------------

HEAD = b"""Received: from mx.example (mx.example [192.0.2.1])
\tby imap.example (Postfix) with ESMTPS id 7777 for <sink@example>;
\tThu, 01 Oct 2026 10:00:45 +0200 (CEST)
Received: from relay.example (relay.example. [192.0.2.7]) by mx.example with ESMTP id 4444;
 Thu, 1 Oct 2026 08:00:03 +0000
Received: from probe ([198.51.100.1]) by relay.example id 4F1A; a day that is none
Subject: x

body
"""


def test_hops_are_read_in_the_order_of_the_way() -> None:
    """The first hop first, with the seconds between them, whatever the zone; a broken date is no date."""
    way = received.hops(received.head(HEAD))
    assert [(hop.sender, hop.by, hop.id) for hop in way] == [
        ("probe", "relay.example", "4F1A"),
        ("relay.example", "mx.example", "4444"),
        ("mx.example", "imap.example", "7777"),
    ]
    evidence = received.as_evidence(way, 1_790_841_600)
    assert [hop.get("after_s") for hop in evidence] == [None, 3, 42]
    assert received.slowest(evidence) == "imap.example after 42 s"


def test_any_bytes_are_read() -> None:
    """A head that is none has no hops."""
    assert received.hops(received.head(b"\xff\0\r\nnothing")) == []
    assert received.hops(received.head(b"Received: ;;;\r\n\r\n")) == [received.Hop("", "", "", None)]
    assert received.bounce(b"token", "token") is None
    assert received.bounce(b"Status: 5.1.1\r\ntoken", "token") == received.Bounce("5.1.1", "")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"smtp": None}, "either smtp: or http:"),
        ({"imap": None}, "either imap: or receive:"),
        ({"receive": {"port": "2525"}}, "either imap: or receive:"),
        ({"http": {"url": "http://h/", "json": "{}"}, "smtp": None}, "{subject} must stand"),
        ({"to": "nobody"}, "not a mail address"),
    ],
)
def test_mistakes_in_the_settings(change: dict[str, Any], what: str) -> None:
    """One way out, one way in, and a message that can be known again."""
    box = {"host": "h", "username": "u", "password": "p"}
    with pytest.raises(ValidationError, match=what):
        probes.load("delivery").Target.model_validate({"smtp": {"host": "h"}, "imap": box, **ENDS, **change})


def test_a_delivery_probe_always_costs() -> None:
    """It has a daily budget even where none is written."""
    box = {"host": "h", "username": "u", "password": "p"}
    target = probes.load("delivery").Target.model_validate({"smtp": {"host": "h"}, "imap": box, **ENDS})
    assert target.costs_money
    assert target.daily_budget == 24
