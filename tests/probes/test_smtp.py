"""The SMTP probe against servers that misbehave in one way each."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import probes
from probes._smtp import helo_name
from probes._smtp_replies import judge
from tests.probes.running import names, probe, shown, told
from tests.servers.certs import BAD
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import Smtp

ENVELOPE = {"from": "probe@example.com", "to": "sink@example.com"}
LOGIN = {"username": "prober", "password": "planted-Secret-9"}


def settings(server: Misbehaving, **more: Any) -> dict[str, Any]:
    return {"host": "localhost", "port": server.port, "ip": "4", "tls": "none", **ENVELOPE, **more}


async def test_a_whole_session_goes_through_its_phases_and_sends_no_mail() -> None:
    """Banner, EHLO, MAIL FROM, RCPT TO, RSET, QUIT: and never DATA."""
    with Misbehaving("smtp") as server:
        result = await probe("smtp", settings(server))
    assert result.outcome == "ok", shown(result)
    assert names(result) == ["resolve", "connect", "banner", "ehlo", "mail", "rcpt", "rset", "quit"]
    sent = [request.split()[0] for request in server.requests]
    assert sent == [b"EHLO", b"MAIL", b"RCPT", b"RSET", b"QUIT"]
    assert server.connections == 1
    assert result.peer == f"127.0.0.1:{server.port}"
    assert [line.text for line in result.transcript if line.mark == ">"][1] == "MAIL FROM:<probe@example.com>"


async def test_the_name_at_ehlo_carries_the_probe() -> None:
    """The provider finds the probe in its log by the name it gave at EHLO."""
    with Misbehaving("smtp") as server:
        await probe("smtp", settings(server))
        await probe("smtp", settings(server, helo="{id}.monitor.example"))
        await probe("smtp", settings(server, helo="[192.0.2.1]"))
    ehlos = [request.split()[1].decode() for request in server.requests if request.startswith(b"EHLO")]
    assert ehlos[0].startswith("0123456789abcdef.")
    assert ehlos[1:] == ["0123456789abcdef.monitor.example", "[192.0.2.1]"]
    assert helo_name("{id}.x.example", "a probe/7") == "a-probe-7.x.example"


async def test_starttls_is_verified_and_ehlo_said_again(ca_file: Path) -> None:
    """After STARTTLS all knowledge of the server is asked anew."""
    with Misbehaving("smtp_starttls") as server:
        result = await probe("smtp", settings(server, tls="starttls", ca=str(ca_file), **LOGIN))
    assert result.outcome == "ok", shown(result)
    assert names(result)[3:7] == ["ehlo", "tls", "ehlo_tls", "auth"]
    assert result.tls is not None
    assert result.tls.version == "TLSv1.3"
    assert result.tls.not_after is not None


async def test_implicit_tls(ca_file: Path) -> None:
    """With TLS from the first byte, the handshake stands before the banner."""
    with Misbehaving("smtp", tls=True) as server:
        result = await probe("smtp", settings(server, tls="implicit", ca=str(ca_file)))
    assert result.outcome == "ok", shown(result)
    assert names(result)[:5] == ["resolve", "connect", "tls", "banner", "ehlo"]


@pytest.mark.parametrize("method", ["plain", "login", "cram-md5"])
async def test_credentials_are_hidden_by_their_place(method: str) -> None:
    """No form of the password stands in the transcript, even where nobody told the redactor of it."""

    class Challenging(Smtp):
        EXTENSIONS = (b"AUTH PLAIN LOGIN CRAM-MD5",)

        def answer(self, request: bytes) -> bytes:
            if request.startswith(b"AUTH CRAM"):
                self._login = 1
                return b"334 " + base64.b64encode(b"<1.2@mail.example>") + b"\r\n"
            return super().answer(request)

    with Misbehaving(Challenging) as server:
        result = await probe("smtp", settings(server, auth=method, **LOGIN))
    assert result.outcome == "ok", shown(result)
    assert result.facts["auth_method"] == method.upper()
    asked = b"".join(server.requests)
    assert {"plain": b"AUTH PLAIN ", "login": b"AUTH LOGIN ", "cram-md5": b"AUTH CRAM-MD5"}[method] in asked
    for line in result.transcript:
        for secret in (b"planted-Secret-9", b"prober\0planted-Secret-9", b"\0prober\0planted-Secret-9"):
            assert secret.decode() not in line.text
            assert base64.b64encode(secret).decode().rstrip("=") not in line.text
    credentials = [line.text for line in result.transcript if "[credentials]" in line.text]
    assert credentials[-1] in ("AUTH PLAIN [credentials]", "[credentials]")


REPLIES = [
    # (answer number, reply, outcome, code): numbers count banner 0, ehlo 1, mail 2, rcpt 3, rset 4, quit 5
    (0, b"421 4.3.2 Service shutting down\r\n", "server_error", 421),
    (0, b"421 4.7.0 mail.example Error: too many connections from 192.0.2.1\r\n", "throttled", 421),
    (0, b"421 service not available\r\n", "server_error", 421),
    (0, b"554 no SMTP service here\r\n", "server_error", 554),
    (0, b"554 5.7.1 Service unavailable; client host blocked using an RBL\r\n", "rejected", 554),
    (0, b"HTTP/1.0 400 Bad Request\r\n", "protocol", None),
    (0, b"250 hello\r\n", "protocol", 250),
    (1, b"502 5.5.2 Error: command not recognized\r\n", "protocol", 502),
    (1, b"550 5.7.1 helo name rejected\r\n", "rejected", 550),
    (1, b"421 4.4.2 timeout\r\n", "server_error", 421),
    (2, b"452 4.3.1 Insufficient system storage\r\n", "server_error", 452),
    (2, b"451 4.3.0 Temporary lookup failure\r\n", "server_error", 451),
    (2, b"530 5.7.0 Must issue a STARTTLS command first\r\n", "rejected", 530),
    (2, b"553 5.1.8 sender domain not found\r\n", "rejected", 553),
    (3, b"450 4.2.0 <sink@example.com>: Recipient address rejected: Greylisted\r\n", "throttled", 450),
    (3, b"450 mailbox busy\r\n", "throttled", 450),
    (3, b"451 4.7.1 Greylisting in action, please come back later\r\n", "throttled", 451),
    (3, b"450 4.7.1 Error: too much mail from 192.0.2.1\r\n", "throttled", 450),
    (3, b"550 5.1.1 <sink@example.com>: Recipient address rejected: unknown user\r\n", "rejected", 550),
    (3, b"554 5.7.1 Relay access denied\r\n", "rejected", 554),
    (3, b"552 5.2.2 mailbox full\r\n", "rejected", 552),
    (3, b"452 4.2.2 over quota\r\n", "rejected", 452),
    (3, b"451 Temporary local problem - please try later\r\n", "server_error", 451),
    (3, b"550 5.4.5 Daily sending quota exceeded\r\n", "throttled", 550),
    (3, b"554 5.3.0 mail system broken\r\n", "server_error", 554),
    (3, b"554 5.0.0 Internal error\r\n", "server_error", 554),
    (3, b"999 what\r\n", "protocol", 999),
    (4, b"451 4.3.0 queue file write error\r\n", "server_error", 451),
]


@pytest.mark.parametrize(("at", "reply", "outcome", "code"), REPLIES, ids=lambda value: str(value)[:40])
async def test_replies(at: int, reply: bytes, outcome: str, code: int | None) -> None:
    """A reply that is not the one hoped for is judged by its phase, its status and, last, its words."""
    with Misbehaving("smtp", instead={at: reply}) as server:
        result = await probe("smtp", settings(server))
    assert (result.outcome, result.code) == (outcome, code), shown(result)
    assert result.advice
    assert result.fault != "monitor"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"535 5.7.8 Error: authentication failed\r\n", "rejected"),
        (b"534 5.7.9 mechanism too weak\r\n", "rejected"),
        (b"454 4.7.0 Temporary authentication failure\r\n", "server_error"),
        (b"454 4.7.0 Too many login attempts, please try again later\r\n", "throttled"),
        (b"421 4.7.0 Too many errors\r\n", "throttled"),
        (b"503 5.5.1 Error: authentication not enabled\r\n", "rejected"),
    ],
)
async def test_answers_to_auth(reply: bytes, outcome: str) -> None:
    """Wrong credentials are ours; a login that fails for the time being is the server's (RFC 4954 §6)."""
    with Misbehaving("smtp", replies={b"AUTH": reply}) as server:
        result = await probe("smtp", settings(server, **LOGIN), secrets=["planted-Secret-9"])
    assert result.outcome == outcome, shown(result)
    assert sum(request.startswith(b"AUTH") for request in server.requests) == 1, "a login was tried again"


async def test_no_way_to_log_in() -> None:
    """A server that offers no AUTH is not blamed: it may want encryption first."""

    class Plain(Smtp):
        EXTENSIONS = (b"PIPELINING",)

    with Misbehaving(Plain) as server:
        result = await probe("smtp", settings(server, **LOGIN))
    assert result.outcome == "rejected"
    assert "starttls" in result.advice


async def test_starttls_withdrawn(ca_file: Path) -> None:
    """A server that stopped to offer STARTTLS failed its customers, as did one that refuses to begin it."""
    with Misbehaving("smtp") as server:
        result = await probe("smtp", settings(server, tls="starttls", ca=str(ca_file)))
        assert (result.outcome, result.detail) == ("tls", "localhost does not offer STARTTLS")
    with Misbehaving("smtp_starttls", replies={b"STARTTLS": b"454 4.7.0 TLS not available\r\n"}) as server:
        result = await probe("smtp", settings(server, tls="starttls", ca=str(ca_file)))
        assert (result.outcome, result.code) == ("tls", 454)


FAULTS = sorted(BAD)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("how", ["starttls", "implicit"])
async def test_bad_certificates(how: str, fault: str, ca_file: Path) -> None:
    """A certificate that does not hold is shown with its chain, from a second handshake that verifies nothing."""
    protocol = "smtp_starttls" if how == "starttls" else "smtp"
    with Misbehaving(protocol, f"cert_{fault}", tls=how == "implicit") as server:
        result = await probe("smtp", settings(server, tls=how, ca=str(ca_file)))
    assert result.outcome == "tls", shown(result)
    assert result.evidence["certificates"], shown(result)
    assert result.tls is not None
    assert not result.tls.verified


@pytest.mark.parametrize("how", ["not_tls", "close_in_tls", "reset_in_tls"])
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_broken_handshakes(how: str, mode: str, ca_file: Path) -> None:
    """A handshake that breaks is the provider's: tls where it answered wrongly, reset where it left."""
    with Misbehaving("smtp_starttls" if mode == "starttls" else "smtp", how, tls=mode == "implicit") as server:
        result = await probe("smtp", settings(server, tls=mode, ca=str(ca_file)))
    assert result.outcome == ("tls" if how == "not_tls" else "reset"), shown(result)
    assert names(result)[-1] == "tls"


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("how", ["close", "reset", "truncate", "half_closed", "garbage_close", "endless"])
async def test_sessions_that_break(how: str, at: int) -> None:
    """A connection that breaks is reset, in the phase where it broke; after QUIT it is no matter."""
    with Misbehaving("smtp", how, at=at) as server:
        result = await probe("smtp", settings(server), timeout=3.0)
    if at == 5:
        assert result.outcome == "ok", shown(result)
    elif how == "garbage_close":
        assert result.outcome in ("protocol", "reset"), shown(result)
    elif how == "endless":
        assert result.outcome == "protocol", shown(result)
    else:
        assert result.outcome == "reset", shown(result)
        assert names(result)[-1] == ["banner", "ehlo", "mail", "rcpt", "rset", "quit"][at]


@pytest.mark.parametrize(("how", "at"), [("silent", 0), ("drip", 0), ("silent", 3), ("late", 2), ("drip", 2)])
async def test_a_server_that_takes_its_time_meets_the_deadline(how: str, at: int) -> None:
    """One deadline, whatever comes: silence, or a byte a second."""
    with Misbehaving("smtp", how, at=at) as server:
        result = await probe("smtp", settings(server), timeout=0.5)
    assert result.outcome == "timeout", shown(result)


async def test_what_a_silent_farewell_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that did all that was asked and then says no goodbye is up, and is waited for half a second."""
    loop, waits = asyncio.get_running_loop(), []
    call_later = loop.call_later

    def noted(delay: float, callback: Any, *arguments: Any, **more: Any) -> asyncio.TimerHandle:
        if getattr(callback, "__name__", "") == "_cut":
            waits.append(delay)
        return call_later(delay, callback, *arguments, **more)

    monkeypatch.setattr(loop, "call_later", noted)
    with Misbehaving("smtp", "silent", at=5) as server:
        result = await probe("smtp", settings(server), timeout=30.0)
    assert result.outcome == "ok", shown(result)
    assert waits == [0.5]
    assert "no farewell: QUIT was not answered" in told(result)


async def test_queue_ids_are_kept() -> None:
    """What the server calls the exchange is kept, even from a refusal."""
    reply = b"451 4.3.0 <x>: queued as 4XyZ.12 but then lost\r\n"
    with Misbehaving("smtp", instead={3: reply}) as server:
        result = await probe("smtp", settings(server))
    assert result.ids["queue_id"] == "4XyZ.12"


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"host": "h", "to": "a@example.com"}, "to: needs from:"),
        ({"host": "h", "username": "u"}, "belong together"),
        ({"host": "h", "from": "a@b\r\nRCPT TO:<x@y>"}, "not a mail address"),
        ({"host": "h", "helo": "a b"}, "not a name for EHLO"),
        ({"host": "h", "tls": "maybe"}, "none"),
        ({"host": "h", "surprise": 1}, "Extra inputs"),
    ],
)
def test_mistakes_in_the_settings(given: dict[str, Any], what: str) -> None:
    """Every mistake says what to write instead, and no line end can reach the command line."""
    with pytest.raises(ValidationError, match=what):
        probes.load("smtp").Target.model_validate(given)


def test_the_port_tells_the_encryption() -> None:
    """465 means TLS from the start, 587 STARTTLS, anything else none; tls: overrides."""
    load = probes.load("smtp").Target.model_validate
    assert [load({"host": "h", "port": port}).encryption for port in (465, 587, 25)] == ["implicit", "starttls", "none"]
    assert load({"host": "h", "port": 25, "tls": "starttls"}).encryption == "starttls"


def test_a_status_of_another_class_than_the_code_is_passed_over() -> None:
    """RFC 2034 §4: the basic code is what SMTP acts on."""
    assert judge("rcpt", 550, "4.3.1 no storage") == "refused"
    assert judge("rcpt", 450, "5.1.1 no such user") == "greylisted"


async def test_a_reply_without_end_of_a_word_costs_nothing() -> None:
    """A reply of eight thousand letters is read in no time: expressions over it are bounded."""
    with Misbehaving("smtp", instead={3: b"451 4.3.0 " + b"x" * 8000 + b"\r\n"}) as server:
        result = await probe("smtp", settings(server))
    assert result.outcome == "server_error", shown(result)  # not `local`: our own process did not stand still
