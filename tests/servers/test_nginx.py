"""The locations of the nginx of the tests do what their table says."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from email.message import Message
from pathlib import Path

import pytest

from tests.servers.certs import Authority
from tests.servers.nginx import FAULTS, Nginx


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """One nginx for all tests here."""
    with Nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


def _get(
    url: str, timeout: float = 5.0, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, Message[str, str]]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=dict(headers or {})), timeout=timeout
        ) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def test_good_answers(nginx: Nginx) -> None:
    """JSON, the page, the redirect, the headers, and all of it in the access log."""
    assert _get(nginx.url())[:2] == (200, b'{"state": "ok"}')
    assert b"Sign in" in _get(nginx.url("/page"))[1]
    assert _get(nginx.url("/redirect"))[0] == 200
    seen = json.loads(_get(nginx.url("/header"), headers={"Authorization": "Bearer x", "User-Agent": "me"})[1])
    assert seen == {"authorization": "Bearer x", "agent": "me"}
    assert len(_get(nginx.url("/big"))[1]) == 32 << 20
    assert any('"GET /page HTTP/1.1" "Python-urllib' in line for line in nginx.requests())


def test_statuses(nginx: Nginx) -> None:
    """Each status; with Retry-After where it says when to come again."""
    for status in FAULTS:
        code, _, headers = _get(nginx.url(f"/{status}"))
        assert code == status
        assert headers["Retry-After"] == ("120" if status in (429, 503) else None)
    assert _get(nginx.url("/401"))[2]["WWW-Authenticate"] == 'Basic realm="members"'
    assert _get(nginx.url("/401"), headers={"Authorization": "Basic dTpzZWNyZXQ="})[0] == 200
    assert _get(nginx.url("/401"), headers={"Authorization": "Basic dTpmYWxzZQ=="})[0] == 401


def test_a_fault_is_switched_while_it_runs(nginx: Nginx) -> None:
    """`fault` takes effect with the next request."""
    nginx.fault = 503
    assert nginx.fault == 503
    assert _get(nginx.url())[0] == 503
    nginx.fault = None
    assert _get(nginx.url())[0] == 200


def test_rate_limit(nginx: Nginx) -> None:
    """The second request within a second is refused."""
    assert {_get(nginx.url("/limited"))[0] for _ in range(3)} == {200, 429}


def test_upstreams(nginx: Nginx) -> None:
    """A gateway without and with a silent upstream."""
    assert _get(nginx.url("/upstream/refused"))[0] == 502
    assert _get(nginx.url("/upstream/silent"))[0] == 504


def test_slow(nginx: Nginx) -> None:
    """No head within the time; or the head at once and the rest late."""
    with pytest.raises(TimeoutError):
        _get(nginx.url("/slow"), timeout=0.3)
    began = time.monotonic()
    with urllib.request.urlopen(nginx.url("/slow/head"), timeout=5) as response:
        assert response.status == 200
        assert response.read() == b"{\n}\n"
    assert time.monotonic() - began > 2.9


@pytest.mark.parametrize("path", ["/truncated", "/bad-chunk"])
def test_broken_bodies(nginx: Nginx, path: str) -> None:
    """The head is good, the body is not whole."""
    with pytest.raises(http.client.IncompleteRead):
        _get(nginx.url(path))


def test_tls_and_another_certificate(tmp_path: Path, ca: Authority) -> None:
    """The certificate is trusted, until it is exchanged for an expired one."""
    with Nginx(tmp_path / "nginx") as server:
        context = ca.client_context()
        with urllib.request.urlopen(server.url(tls=True), context=context, timeout=5) as response:
            assert response.status == 200
        server.certificate(ca.bad("expired"))
        with pytest.raises(urllib.error.URLError) as caught:
            urllib.request.urlopen(server.url(tls=True), context=context, timeout=5)
        assert isinstance(caught.value.reason, ssl.SSLCertVerificationError)


def test_stop_suspend_restart(tmp_path: Path) -> None:
    """Refused when stopped, silent when suspended, well again afterwards."""
    with Nginx(tmp_path / "nginx") as server:
        server.suspend()
        with pytest.raises(TimeoutError):
            _get(server.url(), timeout=0.2)
        server.resume()
        assert _get(server.url())[0] == 200
        server.stop()
        with pytest.raises(urllib.error.URLError, match="refused"):
            _get(server.url())
        server.start()
        assert _get(server.url())[0] == 200
