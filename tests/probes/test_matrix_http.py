"""What real servers do, and what is made of it: nginx and Kannel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probes._outcome import Outcome
from tests.probes.running import ask, shown
from tests.servers import eventually, free_port
from tests.servers.certs import Authority
from tests.servers.kannel import Kannel
from tests.servers.nginx import Nginx


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


OK_BODY = {"json": {"$.state": "ok"}}
MATRIX: list[tuple[str, dict[str, Any], str, str]] = [
    ("/", {"expect": OK_BODY}, "ok", ""),
    ("/500", {}, "server_error", "HTTP 500 Internal Server Error"),
    ("/502", {}, "server_error", "HTTP 502 Bad Gateway"),
    ("/503", {}, "server_error", "HTTP 503 Service Temporarily Unavailable (Retry-After: 120)"),
    ("/504", {}, "server_error", "HTTP 504 Gateway Time-out"),
    ("/429", {}, "throttled", "HTTP 429 Too Many Requests (Retry-After: 120)"),
    ("/403", {}, "rejected", "HTTP 403 Forbidden"),
    ("/404", {}, "rejected", "HTTP 404 Not Found"),
    ("/401", {}, "rejected", "HTTP 401 Unauthorized"),
    ("/401", {"auth": {"username": "u", "password": "wrong"}}, "rejected", "HTTP 401 Unauthorized"),
    ("/401", {"auth": {"username": "u", "password": "secret"}, "expect": OK_BODY}, "ok", ""),
    ("/upstream/refused", {}, "server_error", "HTTP 502 Bad Gateway"),
    ("/upstream/silent", {}, "server_error", "HTTP 504 Gateway Time-out"),
    ("/slow", {}, "timeout", "no answer within 2 s, in phase processing"),
    ("/slow/head", {}, "timeout", "no answer within 2 s, in phase transfer"),
    ("/truncated", {}, "reset", "connection closed after"),
    ("/bad-chunk", {}, "reset", "connection closed after"),
    ("/redirect", {}, "wrong_answer", "HTTP 302 Moved Temporarily"),
    ("/redirect", {"follow_redirects": True, "expect": OK_BODY}, "ok", ""),
    ("/big", {"method": "HEAD"}, "ok", ""),
    ("/big", {}, "wrong_answer", "the body goes on after 16 MiB"),
    ("/header", {"auth": {"token": "t"}, "expect": {"json": {"$.authorization": "Bearer t"}}}, "ok", ""),
]


@pytest.mark.server("nginx")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("path", "settings", "outcome", "detail"), MATRIX)
async def test_nginx(
    nginx: Nginx, ca_file: Path, tls: bool, path: str, settings: dict[str, Any], outcome: str, detail: str
) -> None:
    """Each thing that a web server does to its visitors has its outcome."""
    result = await ask("http", 2, url=nginx.url(path, tls=tls), ca=str(ca_file), **settings)
    assert result.outcome == outcome, shown(result)
    assert result.detail.startswith(detail), shown(result)


@pytest.mark.server("nginx")
async def test_nginx_limits_and_stops(nginx: Nginx, ca_file: Path, ca: Authority) -> None:
    """The second request in a second, a certificate that expired, a server that is held or gone."""
    await ask("http", url=nginx.url("/limited"))
    assert (await ask("http", url=nginx.url("/limited"))).outcome == Outcome.THROTTLED
    page = {"url": nginx.url("/page", tls=True), "contains": "Sign in", "ca": str(ca_file)}
    assert (await ask("page", **page)).outcome == Outcome.OK
    nginx.certificate(ca.bad("expired"))
    assert (await ask("page", **page)).outcome == Outcome.TLS
    nginx.certificate(ca.issue())
    nginx.suspend()
    assert (await ask("page", 0.5, **page)).outcome == Outcome.TIMEOUT
    nginx.resume()
    assert (await ask("page", **page)).outcome == Outcome.OK
    nginx.processes[0].stop()
    assert (await ask("page", **page)).outcome == Outcome.REFUSED
    nginx.processes[0].start()


@pytest.fixture
def kannel_up(tmp_path: Path) -> Iterator[Kannel]:
    with Kannel(tmp_path / "kannel") as server:
        yield server


@pytest.mark.server("kannel")
async def test_kannel(kannel_up: Kannel) -> None:
    """Kannel's good statuses that mean nothing, and what tells the truth: its status and the receipt."""
    kannel = kannel_up
    accepted = await ask("sms", url=kannel.sendsms_url())
    assert (accepted.outcome, accepted.code) == (Outcome.OK, 202), shown(accepted)
    denied = await ask("sms", url=kannel.status_url("wrong"))
    assert (denied.outcome, denied.code) == (Outcome.REJECTED, 200), shown(denied)
    assert "the gateway says: Denied" in denied.detail
    assert (await ask("sms", url=kannel.sendsms_url(password="wrong"))).outcome == Outcome.REJECTED
    assert (await ask("sms", url=kannel.sendsms_url(to=""))).outcome == Outcome.REJECTED
    online = await ask("sms", url=kannel.status_url(), smsc="node")
    assert (online.outcome, str(online.facts["smsc_status"])[:6]) == (Outcome.OK, "online"), shown(online)
    # A receipt by Kannel's own call to us: it is told where in dlr-url.
    port = free_port()
    dlr = {"dlr-mask": "31", "dlr-url": f"http://127.0.0.1:{port}/dlr?probe={{id}}&status=%d"}
    deliver = {
        "url": kannel.sendsms_url(),
        "params": dlr,
        "deliver": True,
        "receipt": {"listen": f"127.0.0.1:{port}", "delivered": r"status=1\b", "failed": r"status=(2|16)\b"},
    }
    delivered = await ask("sms", 8, **deliver)
    assert delivered.outcome == Outcome.OK, shown(delivered)
    # 202 for an SMSC that there is not: only the receipt that never comes tells.
    nowhere = await ask("sms", url=kannel.sendsms_url(smsc="nowhere"))
    assert (nowhere.outcome, nowhere.code) == (Outcome.OK, 202)
    kannel.smsc.stop()
    eventually(lambda: "(re-connecting" in kannel.status() or "(connecting" in kannel.status(), within=15)
    lost = await ask("sms", url=kannel.status_url(), smsc="node")
    assert lost.outcome == Outcome.SERVER_ERROR, shown(lost)
    never = await ask("sms", 2, **deliver)
    assert never.outcome == Outcome.UNDELIVERED, shown(never)
