"""The exporter toolkit's file: what it may say is done or refused, never passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.config.yamlfile import Problems
from monitor.web.toolkit import _cipher, read

HASH = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"


def test_users_and_headers_are_taken(tmp_path: Path) -> None:
    """A file without TLS."""
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users:\n  ann: {HASH}\nhttp_server_config:\n  headers: {{X-Frame-Options: deny}}\n")
    found = read(path)
    assert found.users == {"ann": HASH}
    assert found.headers == {"X-Frame-Options": "deny"}
    assert found.tls is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("basic_auth_users: {ann: secret}", "1:25: this is no bcrypt hash"),
        ("tls_server_config: {cert_file: none.pem, key_file: none.key}", "there is no file"),
        ("tls_server_config: {cert: x}", "write either key_file or key"),
        ("tls_server_config: {cert: x, key: y, client_auth_type: RequestClientCert}", "proves nothing"),
        (
            "tls_server_config: {cert: x, key: y, client_auth_type: RequireAndVerifyClientCert}",
            "client_ca_file is missing",
        ),
        ("tls_server_config: {cert: x, key: y, min_version: SSL3}", "write one of TLS10"),
        ("tls_server_config: {cert: x, key: y, curve_preferences: [X25519]}", "curves cannot be chosen"),
        ("tls_server_config: {cert: x, key: y, ciphers: [a]}", "'ciphers' is not known here"),
        ("tls_server_config: {cert: x, key: y}", "cannot be used"),
        ("tls: {}", "'tls' is not known here"),
        ("rate_limit: {interval: 1s}", "requests_per_second"),
        ("http_server_config: {headers: {Server: x}}", "'Server' is not known here"),
        ("[]", "keys and values belong here"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """Nothing that guards the pages is silently not in force."""
    path = tmp_path / "web.yml"
    path.write_text(text + "\n")
    with pytest.raises(Problems) as caught:
        read(path)
    assert says in str(caught.value)


def test_the_command_check_reads_it_too(tmp_path: Path) -> None:
    """With the place in the file; without secrets it is left alone, for a private key is one."""
    (tmp_path / "web.yml").write_text("basic_auth_users: {ann: secret}\n")
    config = tmp_path / "monitor.yaml"
    config.write_text("web: {config_file: web.yml}\n")
    told = CliRunner().invoke(cli, ["check", str(config)])
    assert told.exit_code == 1
    assert "web.yml:1:25: this is no bcrypt hash" in told.stderr
    assert CliRunner().invoke(cli, ["check", str(config), "--without-secrets"]).exit_code == 0


@pytest.mark.parametrize(
    ("go", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
    ],
)
def test_suites_get_the_names_of_openssl(go: str, openssl: str) -> None:
    """The file has Go's names."""
    assert _cipher(go) == openssl
