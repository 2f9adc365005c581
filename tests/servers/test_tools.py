"""Prometheus with its tools, the time-stamping authority, and Chromium work as fixtures."""

from __future__ import annotations

import hashlib
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import rfc3161_client
from cryptography import x509
from playwright.sync_api import Page

from tests.servers import HOST, eventually
from tests.servers.misbehaving import Misbehaving
from tests.servers.prometheus import Alertmanager, Blackbox, Prometheus, check_metrics, run_tool
from tests.servers.protocols import http_response
from tests.servers.tsa import Tsa


def test_prometheus_scrapes_and_answers(tmp_path: Path) -> None:
    """It scrapes itself within a second and answers a query."""
    config = (
        "global: {scrape_interval: 200ms}\n"
        "scrape_configs: [{job_name: self, static_configs: [{targets: ['PORT']}], metrics_path: /metrics}]\n"
    )
    metrics = b"# HELP a_total A.\n# TYPE a_total counter\na_total 7\n"
    with Misbehaving("http", instead={0: http_response(metrics)}) as target:
        config = config.replace("PORT", target.address)
        # The content type is JSON there; Prometheus takes what it can parse.
        with Prometheus(tmp_path / "prometheus", config) as server:
            eventually(lambda: server.query("a_total"), because="scraped")
            assert server.query("a_total")[0][1] == 7


def test_promtool_and_amtool(tmp_path: Path) -> None:
    """Good metrics pass, bad ones are named; both tools check configurations."""
    assert check_metrics("# HELP a_total A.\n# TYPE a_total counter\na_total 1\n") == ""
    assert "no help text" in check_metrics("a_total 1\n")
    (tmp_path / "am.yml").write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
    assert run_tool("amtool", "check-config", tmp_path / "am.yml").returncode == 0
    (tmp_path / "am.yml").write_text("route: {receiver: b}\nreceivers: [{name: a}]\n")
    assert run_tool("amtool", "check-config", tmp_path / "am.yml").returncode == 1


def test_blackbox_exporter(blackbox: Blackbox) -> None:
    """A good and a refused target."""
    with Misbehaving("http") as target:
        assert "\nprobe_success 1\n" in blackbox.probe("http_2xx", target.url())
        assert "\nprobe_success 1\n" in blackbox.probe("tcp_connect", target.address)
    assert "\nprobe_success 0\n" in blackbox.probe("tcp_connect", target.address)
    with Misbehaving("smtp") as target:
        assert "\nprobe_success 1\n" in blackbox.probe("smtp_starttls", target.address)


def test_alertmanager(tmp_path: Path) -> None:
    """It takes an alert."""
    with Alertmanager(tmp_path / "am", "route: {receiver: a}\nreceivers: [{name: a}]\n") as server:
        done = run_tool("amtool", f"--alertmanager.url=http://{HOST}:{server.port}", "alert", "add", "alertname=Down")
        assert done.returncode == 0, done.stderr
        eventually(lambda: server.alerts())
        assert server.alerts()[0]["labels"]["alertname"] == "Down"


def _stamp(tsa: Tsa, data: bytes, timeout: float = 10) -> bytes:
    request = rfc3161_client.TimestampRequestBuilder().data(data).build()
    post = urllib.request.Request(tsa.url, request.as_bytes(), {"Content-Type": "application/timestamp-query"})
    with urllib.request.urlopen(post, timeout=timeout) as response:
        answer: bytes = response.read()
    return answer


def test_time_stamps_are_verified(tsa: Tsa, tmp_path: Path) -> None:
    """By rfc3161-client and by OpenSSL; of another document by neither."""
    answer = _stamp(tsa, b"document")
    stamp = rfc3161_client.decode_timestamp_response(answer)
    verifier = (
        rfc3161_client.VerifierBuilder()
        .add_root_certificate(x509.load_pem_x509_certificate(tsa.root.read_bytes()))
        .build()
    )
    assert verifier.verify(stamp, hashlib.sha512(b"document").digest())
    with pytest.raises(rfc3161_client.VerificationError):
        verifier.verify(stamp, hashlib.sha512(b"another").digest())
    (tmp_path / "answer").write_bytes(answer)
    for document, code in ((b"document", 0), (b"another", 1)):
        (tmp_path / "data").write_bytes(document)
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-in", "answer", "-data", "data", "-CAfile", tsa.root],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr


def test_time_stamping_faults(tsa: Tsa) -> None:
    """Silent, failing, answering nonsense, and well again."""
    tsa.fault = "silent"
    with pytest.raises(TimeoutError):
        _stamp(tsa, b"x", timeout=0.2)
    tsa.fault = "500"
    with pytest.raises(urllib.error.HTTPError) as caught:
        _stamp(tsa, b"x")
    caught.value.close()
    tsa.fault = "garbage"
    with pytest.raises(ValueError, match=r"."):
        rfc3161_client.decode_timestamp_response(_stamp(tsa, b"x"))
    tsa.fault = None
    assert rfc3161_client.decode_timestamp_response(_stamp(tsa, b"x")).status == 0


def test_chromium_shows_a_page(page: Page, tmp_path: Path) -> None:
    """A page of a server on loopback is rendered, its script runs, and a picture is taken."""
    html = b"<!doctype html><title>T</title><h1>Hello</h1><script>document.title = 'run'</script>"
    answer = http_response(html).replace(b"application/json", b"text/html")
    with Misbehaving("http", replies={b"GET": answer}) as server:
        page.goto(server.url())
        assert page.title() == "run"
        assert page.get_by_role("heading").inner_text() == "Hello"
        page.screenshot(path=tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
