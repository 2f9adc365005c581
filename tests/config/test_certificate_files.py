"""Certificates and keys that the configuration names, beyond what a broken file without any of them can show."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from monitor.config.load import Config, ConfigProblems, load
from monitor.web.toolkit import read as read_toolkit
from probes._tls import TlsSettings
from tests.servers.certs import Authority

CONFIG = """
targets:
  - {name: a, http: {url: "https://api.example/", ca: ca.pem, tls: {client_cert: c.pem, client_key: c.key}}}
"""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    """A configuration with an authority, a certificate and its key, all of them good."""
    authority.write(tmp_path)
    authority.issue("client").write(tmp_path, "c")
    (tmp_path / "monitor.yaml").write_text(CONFIG)
    return tmp_path


def read(folder: Path, secrets: str = "needed") -> Config:
    return load(folder / "monitor.yaml", environment={}, secrets=secrets)  # type: ignore[arg-type]


def refused(folder: Path) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        read(folder)
    return [str(problem).removeprefix(f"{folder / 'monitor.yaml'}:") for problem in caught.value.problems]


def test_what_belongs_together_is_taken(folder: Path, authority: Authority) -> None:
    """An authority of one certificate or several, a key in its own file or with its certificate."""
    assert read(folder).target("a").probe.ca == folder / "ca.pem"  # type: ignore[attr-defined]
    (folder / "ca.pem").write_bytes(authority.pem + Authority("another").pem)
    (folder / "c.pem").write_bytes((folder / "c.pem").read_bytes() + (folder / "c.key").read_bytes())
    (folder / "monitor.yaml").write_text(CONFIG.replace(", client_key: c.key", ""))
    read(folder)


def test_a_key_that_is_anothers(folder: Path, authority: Authority) -> None:
    """It stands in the key's place, and the certificate is named."""
    authority.issue("other").write(folder, "other")
    (folder / "other.key").rename(folder / "c.key")
    wanted = f"the key {folder}/c.key does not belong to the certificate {folder}/c.pem"
    assert refused(folder) == [f"3:101: {wanted}: name the key that it was made with"]


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(folder: Path) -> None:
    """A daemon has nobody to ask, and a command must not stop in the middle to do so."""
    key = load_pem_private_key((folder / "c.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"words"))
    (folder / "c.key").write_bytes(locked)
    wanted = "is locked with a passphrase: name a key without one, in a file that nobody else may read"
    assert refused(folder) == [f"3:101: {folder}/c.key {wanted}"]
    (folder / "web.yml").write_text("tls_server_config: {cert_file: c.pem, key_file: c.key}\n")
    with pytest.raises(ConfigProblems, match="the key is locked with a passphrase: name one without"):
        read_toolkit(folder / "web.yml")


def test_another_form_of_certificate_is_named(folder: Path, authority: Authority) -> None:
    """Who has DER is told how PEM is made of it."""
    (folder / "ca.pem").write_bytes(ssl.PEM_cert_to_DER_cert(authority.pem.decode()))
    wanted = "is not PEM but DER: write it anew with openssl x509 -inform der, and name that file"
    assert refused(folder) == [f"3:55: {folder}/ca.pem {wanted}"]


def test_a_certificate_that_is_cut_short_is_refused(folder: Path, authority: Authority) -> None:
    """Of several certificates each must be whole: the one that is missing may be the one that is needed."""
    (folder / "ca.pem").write_bytes(authority.pem + authority.pem[: len(authority.pem) // 2])
    assert "holds no certificate in PEM" in refused(folder)[0]


def test_a_certificate_that_is_wrong_is_told_once(folder: Path) -> None:
    """Not again as a key that does not fit to it."""
    (folder / "c.pem").write_text("nothing")
    (problem,) = refused(folder)
    assert problem.startswith(f"3:82: {folder}/c.pem holds no certificate in PEM")


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon must read it; who asks for a report needs no keys, and may not be let in."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", denied)
    wanted = "cannot be read: Permission denied; let the user that slaproof runs as read it"
    assert refused(folder) == [f"3:101: {folder}/c.key {wanted}"]
    assert read(folder, "optional").target("a").name == "a"


def test_a_file_that_has_changed_is_read_anew(folder: Path, authority: Authority) -> None:
    """What was found of a file is kept as long as the file stays the same."""
    read(folder)
    (folder / "ca.pem").write_text("gone")
    assert len(refused(folder)) == 1
    (folder / "ca.pem").write_bytes(authority.pem)
    read(folder)


def test_a_path_that_was_read_is_taken_again(folder: Path) -> None:
    """Settings are made of others' parts: of a kind's own `ca`, a webhook's, a page's."""
    path = read(folder).target("a").probe.ca  # type: ignore[attr-defined]
    assert TlsSettings(ca=path).ca == path
