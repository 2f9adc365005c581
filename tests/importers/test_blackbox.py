"""Modules of blackbox_exporter and the Prometheus configuration around them, as targets of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import probes
from monitor.errors import Refused
from monitor.importers.blackbox import Unlike, duration_ms, read_modules, translate
from monitor.importers.regexps import all_of, any_of, python_regex
from monitor.importers.scrape import read_scrapes
from tests.servers import ROOT

# The same shapes as in the exporter's own examples, and then some.
MODULES = """
modules:
  web:
    prober: http
    timeout: 7s
    http:
      valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
      valid_status_codes: []
      method: get
      headers: {Host: vhost.shop.example, Origin: shop.example}
      http_headers: {Accept-Language: {values: [de, en]}, X-Key: {files: [key.txt]}}
      follow_redirects: true
      fail_if_ssl: false
      fail_if_body_matches_regexp: ["(?i)no database", "out of order"]
      fail_if_body_not_matches_regexp: ["Sign in", "Prices"]
      fail_if_header_matches: [{header: Set-Cookie, allow_missing: true, regexp: ".*"}]
      fail_if_header_not_matches: [{header: Server, regexp: "(nginx|apache)"}]
      tls_config: {insecure_skip_verify: true, server_name: shop.example}
      preferred_ip_protocol: ip4
      ip_protocol_fallback: false
      body_size_limit: 1MB
  plain: {prober: http}
  login:
    prober: http
    http:
      {method: POST, body: '{"a": "${b}"}', basic_auth: {username: u, password: word}, valid_status_codes: [200, 201]}
  token: {prober: http, http: {authorization: {credentials: abcd}, proxy_url: "http://127.0.0.1:3128"}}
  other_scheme: {prober: http, http: {authorization: {type: Token, credentials: abcd}}}
  port: {prober: tcp, timeout: 5s}
  pop: {prober: tcp, tcp: {query_response: [{expect: "^+OK"}], tls: true}}
  relay:
    prober: tcp
    tcp:
      query_response:
        - expect: "^220 ([^ ]+) ESMTP"
        - send: "EHLO ${1}\\r"
        - expect: "^250-STARTTLS"
        - send: "STARTTLS\\r"
        - expect: "^220"
        - starttls: true
      tls_config: {insecure_skip_verify: true}
  names: {prober: dns, dns: {query_name: shop.example, query_type: SOA, transport_protocol: tcp}}
  ping: {prober: icmp, icmp: {payload_size: 100, ttl: 5}}
  rpc: {prober: grpc, grpc: {service: s, tls: true, tls_config: {insecure_skip_verify: true}, metadata: {k: [v, w]}}}
  socket: {prober: unix, unix: {}}
  cel: {prober: http, http: {fail_if_body_json_matches_cel: "body.a"}}
  h3: {prober: http, http: {enable_http3: true}}
  bytes: {prober: tcp, tcp: {query_response: [{send: !!binary AAAACATSFi8=}]}}
  typo: {prober: http, http: {vaild_status_codes: [200]}}
"""

PROMETHEUS = """
global: {scrape_interval: 30s}
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["a:9100"]}]
  - job_name: web
    metrics_path: /probe
    params: {module: [web]}
    scrape_timeout: 5s
    static_configs:
      - {targets: ["https://shop.example/", "http://shop.example/a?b=c"], labels: {team: x}}
      - {targets: ["https://drop.example/"]}
    relabel_configs:
      - {source_labels: [__address__], regex: ".*drop.*", action: drop}
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: "127.0.0.1:9115"}
  - job_name: mail
    metrics_path: /probe
    scrape_interval: 1m
    file_sd_configs: [{files: ["*.sd.json"]}]
    consul_sd_configs: [{server: c}]
    relabel_configs:
      - {source_labels: [__address__], regex: "(.+);(.+)", target_label: __param_target, replacement: "${2}"}
      - {source_labels: [__address__], regex: "(.+);(.+)", target_label: __param_module, replacement: "$1"}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "blackbox.yml").write_text(MODULES)
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS)
    (tmp_path / "mail.sd.json").write_text('[{"targets": ["relay;mx.shop.example:25", "nothere;x:1"]}]')
    (tmp_path / "key.txt").write_text("from-a-file\n")
    return tmp_path


@pytest.fixture
def modules(files: Path) -> dict[str, Any]:
    return read_modules(files / "blackbox.yml")


TARGETS = {"http": "https://shop.example/", "tcp": "shop.example:25", "dns": "192.0.2.1", "icmp": "a", "grpc": "a:1"}


def test_every_key_of_a_module_has_its_place(modules: dict[str, Any]) -> None:
    """Statuses, expressions, headers, certificates and families become settings of ours."""
    made = translate(modules["web"], "https://shop.example/")
    assert (made.kind, made.timeout_ms, made.left_out) == ("http", 7000, [])
    settings = made.settings
    assert settings["url"] == "https://shop.example/"
    assert settings["method"] == "GET"
    assert settings["ip"] == "4"
    assert settings["follow_redirects"] is True
    assert settings["max_body"] == 1 << 20
    assert settings["tls"] == {"server_name": "shop.example", "verify": False}
    assert settings["headers"] == {
        "Host": "vhost.shop.example",
        "Origin": "shop.example",
        "Accept-Language": "en",
        "X-Key": {"file": "key.txt"},
    }
    assert settings["expect"] == {
        "body": r"\A(?=[\s\S]*?(?:Sign in))(?=[\s\S]*?(?:Prices))",
        "body_not": "(?:(?i:no database))|(?:out of order)",
        "headers": {"Server": "(nginx|apache)"},
        "headers_not": {"Set-Cookie": ".*"},
    }


def test_other_probers(modules: dict[str, Any]) -> None:
    """TCP dialogues, DNS, echo and gRPC."""
    assert translate(modules["login"], "shop.example").settings["auth"] == {"username": "u", "password": "word"}
    assert translate(modules["token"], "shop.example").settings["auth"] == {"token": "abcd"}
    assert translate(modules["token"], "shop.example").settings["proxy"] == "http://127.0.0.1:3128"
    other = translate(modules["other_scheme"], "shop.example").settings
    assert other["headers"] == {"Authorization": "Token abcd"}
    relay = translate(modules["relay"], "[2001:db8::1]:25").settings
    assert (relay["host"], relay["port"], relay["line_end"]) == ("2001:db8::1", "25", "\n")
    assert relay["dialogue"][1] == {"send": "EHLO ${1}\r"}
    assert relay["dialogue"][5] == {"starttls": True}
    assert relay["starttls"] == {"verify": False}
    assert "tls" not in relay
    pop = translate(modules["pop"], "shop.example:995").settings
    assert (pop["tls"], pop["dialogue"]) == (True, [{"expect": r"^\+?OK"}])
    names = translate(modules["names"], "[2001:db8::1]")
    assert names.settings["server"] == "[2001:db8::1]:53"
    assert names.settings["transport"] == "tcp"
    ping = translate(modules["ping"], "shop.example")
    assert (ping.settings["size"], ping.left_out) == ("100", ["icmp.ttl has no counterpart and is left out"])
    rpc = translate(modules["rpc"], "shop.example:443")
    assert rpc.settings["metadata"] == {"k": "v"}
    assert rpc.left_out == ["grpc.metadata.k: only the first of its values is sent"]


@pytest.mark.parametrize("name", ["web", "plain", "login", "token", "port", "pop", "relay", "names", "ping", "rpc"])
def test_what_is_made_is_valid(modules: dict[str, Any], name: str) -> None:
    """Every translated module is accepted by its kind."""
    made = translate(modules[name], TARGETS[modules[name]["prober"]])
    made.settings.get("headers", {}).pop("X-Key", None)
    assert probes.load(made.kind).Target.model_validate(made.settings)


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("socket", "/run/x", "the prober 'unix' has no counterpart"),
        ("cel", "a", "fail_if_body_json_matches_cel has no counterpart"),
        ("h3", "a", "enable_http3 has no counterpart"),
        ("bytes", "a:1", "bytes has no counterpart"),
        ("port", "a", "names no port"),
    ],
)
def test_what_has_no_counterpart_is_refused(modules: dict[str, Any], name: str, target: str, words: str) -> None:
    """What would ask something else than the module is not made, and named."""
    with pytest.raises(Unlike, match=words):
        translate(modules[name], target)


def test_a_typing_error_is_named(modules: dict[str, Any]) -> None:
    """A key that nobody knows does not vanish."""
    assert translate(modules["typo"], "a").left_out == ["http.vaild_status_codes has no counterpart and is left out"]


def test_scrapes(files: Path) -> None:
    """Jobs of /probe with their relabelling; others are none of ours; what cannot be read is named."""
    found, missing = read_scrapes(files / "prometheus.yml")
    assert [(one.job, one.module, one.target, one.interval_ms, one.timeout_ms) for one in found] == [
        ("web", "web", "https://shop.example/", 30_000, 5_000),
        ("web", "web", "http://shop.example/a?b=c", 30_000, 5_000),
        ("mail", "relay", "mx.shop.example:25", 60_000, 10_000),
        ("mail", "nothere", "x:1", 60_000, 10_000),
    ]
    assert found[0].labels == {"job": "web", "team": "x", "instance": "https://shop.example/"}
    assert missing == ["job mail: consul_sd_configs has no counterpart; its targets must be written by hand"]


def _import(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor", "import", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command(files: Path) -> None:
    """`slaproof import blackbox.yml prometheus.yml` prints a configuration that `slaproof check` understands."""
    done = _import(files / "blackbox.yml", files / "prometheus.yml")
    assert done.returncode == 0, done.stderr
    assert "note: x:1: " in done.stderr
    config = files / "slaproof.yaml"
    config.write_text(f"location: here\nstorage: x.db\n{done.stdout}")
    checked = subprocess.run(
        [sys.executable, "-m", "monitor", "check", str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "web-shop.example: http https://shop.example/ every 30 s" in checked.stdout
    assert "mail-mx.shop.example-25: tcp mx.shop.example:25 every 1 min" in checked.stdout
    assert "$${1}" in done.stdout


def test_the_command_without_a_scrape_configuration(files: Path) -> None:
    """Each module becomes a target whose address is to be filled in; files of neither sort are refused."""
    done = _import(files / "blackbox.yml")
    assert done.returncode == 0, done.stderr
    assert "url: https://fill-in.example/" in done.stdout
    assert "(module socket) is not taken over" in done.stderr
    assert _import(files / "mail.sd.json").returncode != 0
    assert _import(files / "prometheus.yml").returncode != 0


def test_expressions_of_go() -> None:
    """Flags in front, ends of text and classes are written as Python reads them."""
    import re

    assert python_regex("(?i)abc") == "(?i:abc)"
    assert python_regex("(?i)(?s)a") == "(?is:a)"
    assert python_regex(r"a\z") == r"a\Z"
    assert re.search(python_regex("^[[:alpha:]]+$"), "abc")
    assert re.search(python_regex("^+OK"), "+OK ready")
    with pytest.raises(ValueError, match="cannot be read"):
        python_regex("(")
    assert re.search(all_of(["b", "a"]), "x a\ny b")
    assert not re.search(all_of(["b", "c"]), "x a\ny b")
    assert re.search(any_of(["c", "a|z"]), "x a")


def test_durations() -> None:
    """As Prometheus writes them."""
    assert duration_ms("1h30m") == 5_400_000
    assert duration_ms("500ms") == 500
    with pytest.raises(ValueError, match="no duration"):
        duration_ms("5 minutes")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    """A file of another sort is refused with a sentence."""
    path = tmp_path / "x.yml"
    for text, words in (("a: [", "is not YAML"), ("a: 1", "has no modules")):
        path.write_text(text)
        with pytest.raises(Refused, match=words):
            read_modules(path)
    with pytest.raises(Refused, match="has no scrape_configs"):
        read_scrapes(path)
