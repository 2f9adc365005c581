"""`/probe` answers as blackbox_exporter does: beside the real one, on the same servers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from monitor.web.app import make_app
from monitor.web.settings import WebSettings
from tests.fakes import FakeClock
from tests.servers.misbehaving import Misbehaving
from tests.servers.nginx import Nginx
from tests.servers.prometheus import Blackbox, check_metrics
from tests.web.conftest import make_source
from tests.web.month import NOW

MODULES = """
modules:
  http_2xx: {prober: http, timeout: 3s, http: {preferred_ip_protocol: ip4}}
  insecure: {prober: http, timeout: 3s, http: {tls_config: {insecure_skip_verify: true}, preferred_ip_protocol: ip4}}
  words: {prober: http, http: {preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ["Sign in"]}}
  secret: {prober: http, http: {preferred_ip_protocol: ip4, basic_auth: {username: u, password: marked-password}}}
  tcp_connect: {prober: tcp, tcp: {preferred_ip_protocol: ip4}}
  banner: {prober: tcp, tcp: {preferred_ip_protocol: ip4, query_response: [{expect: "^220"}]}}
  names: {prober: dns, timeout: 2s, dns: {query_name: www.example, query_type: A, preferred_ip_protocol: ip4}}
  icmp: {prober: icmp, timeout: 1s}
  broken: {prober: unix}
"""
Client = TestClient


@pytest.fixture
async def client(month: Path, tmp_path: Path) -> AsyncIterator[Client]:
    path = tmp_path / "blackbox.yml"
    path.write_text(MODULES)
    source = make_source(month, FakeClock(NOW), WebSettings(blackbox=path))
    async with TestClient(TestServer(make_app(source))) as client:
        yield client
    source.closing()


@pytest.fixture
def nginx(tmp_path: Path) -> Nginx:
    return Nginx(tmp_path / "nginx")


async def ask(client: Client, target: str, module: str, **more: str) -> str:
    response = await client.get("/probe", params={"target": target, "module": module, **more})
    text = await response.text()
    assert response.status == 200, text
    return text


def series(text: str) -> dict[str, float]:
    """Samples by name and labels."""
    return {m[1]: float(m[2]) for m in re.finditer(r"(?m)^([a-z]\S*(?:\{.*\})?) (\S+)$", text)}


# What the exporter says and we do not: labels made of the certificate's texts.
OURS_NOT = re.compile(r"probe_ssl_last_chain_info|probe_icmp_reply_hop_limit")
# What the exporter of Debian does not know yet.
THEIRS_NOT = re.compile(r"probe_tls_cipher_info")
# Times differ from one probe to the next.
TIMES = re.compile(r"duration_seconds|lookup_time|chain_expiry")


@pytest.mark.server("prometheus-blackbox-exporter")
async def test_beside_the_real_one(client: Client, nginx: Nginx, tmp_path: Path) -> None:
    """The same names, labels and (but for times) values as blackbox_exporter, for each thing that it can see."""
    with nginx, Blackbox(tmp_path / "bb", MODULES) as real, Misbehaving("smtp") as smtp, Misbehaving("dns") as names:
        questions = [
            ("http_2xx", nginx.url("/")),
            ("http_2xx", nginx.url("/redirect")),
            ("http_2xx", nginx.url("/503")),
            ("http_2xx", nginx.url("/404")),
            ("insecure", nginx.url("/", tls=True)),
            ("http_2xx", nginx.url("/", tls=True)),
            ("words", nginx.url("/page")),
            ("words", nginx.url("/")),
            ("tcp_connect", smtp.address),
            ("banner", smtp.address),
            ("names", names.address),
        ]
        for module, target in questions:
            ours, theirs = series(await ask(client, target, module)), series(real.probe(module, target))
            named = {name for name in theirs if not OURS_NOT.match(name)}
            assert {name for name in ours if not THEIRS_NOT.match(name)} == named, (module, target)
            values = [(n, ours[n], theirs[n]) for n in sorted(named) if not TIMES.search(n) and ours[n] != theirs[n]]
            assert not values, (module, target, values)


async def test_metrics_are_proper(client: Client) -> None:
    """promtool finds nothing to say but that names are the exporter's."""
    with Misbehaving("http") as server:
        text = await ask(client, f"http://127.0.0.1:{server.port}/", "http_2xx")
    said = check_metrics(text)
    assert not said.strip(), said


async def test_debug_tells_the_story_without_secrets(client: Client) -> None:
    """`debug=true` shows transcript, metrics and module; passwords are hidden."""
    with Misbehaving("http") as server:
        text = await ask(client, f"http://127.0.0.1:{server.port}/", "secret", debug="true")
    assert "> GET / HTTP/1.1" in text
    assert "\nMetrics that would have been returned:\n# HELP probe_" in text
    assert "Module configuration:\n" in text
    assert "marked-password" not in text
    assert "[redacted]" in text


async def test_parameters(client: Client) -> None:
    """A hostname, Prometheus' timeout, and questions that cannot be asked."""
    with Misbehaving("http") as server:
        await ask(client, f"http://127.0.0.1:{server.port}/", "http_2xx", hostname="shop.example")
        assert b"Host: shop.example\r\n" in server.requests[0]
    with Misbehaving("http", "silent") as server:
        params = {"target": f"127.0.0.1:{server.port}", "module": "http_2xx", "debug": "true"}
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}
        response = await client.get("/probe", params=params, headers=headers)
        text = await response.text()
        assert "\nprobe_success 0\n" in text
        assert "no answer within 0.5 s" in text
    for params, words in (
        ({}, "Target parameter is missing"),
        ({"target": "a", "module": "none"}, "Unknown module 'none'"),
        ({"target": "a", "module": "broken"}, "the prober 'unix' has no counterpart"),
        ({"target": "a", "module": "tcp_connect"}, "names no port"),
    ):
        response = await client.get("/probe", params=params)
        assert response.status == 400
        assert words in await response.text()


async def test_without_modules_there_is_no_probe(month: Path) -> None:
    """Whoever may ask chooses the target, so the route is there only where it was wanted."""
    source = make_source(month, FakeClock(NOW))
    async with TestClient(TestServer(make_app(source))) as client:
        assert (await client.get("/probe", params={"target": "a"})).status == 404
    source.closing()
