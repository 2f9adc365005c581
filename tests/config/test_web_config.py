"""`web.config_file` while the daemon runs: TLS, certificates and users change, and a mistake changes nothing."""

from __future__ import annotations

import base64
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import bcrypt
import pytest
import trustme

from tests.test_run import Listener, Process


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


class Site:
    """A daemon whose pages are guarded by a file, and a client that trusts one authority."""

    def __init__(self, folder: Path, listener: Listener) -> None:
        self.process = Process(folder, listener)
        self.folder = folder
        self.authority = trustme.CA()
        self.process.write(more="web: {config_file: web.yml, requests_per_second: 1000}")
        self.context = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())

    def issue(self) -> str:
        """Put a certificate of its own serial number in place; gives the number."""
        issued = self.authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "server.pem"))
        return str(ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode()))

    def guard(self, *, tls: bool = True, **users: str) -> None:
        """Write the file."""
        text = "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n" if tls else ""
        names = "".join(f"  {name}: {hashed(password)}\n" for name, password in users.items())
        (self.folder / "web.yml").write_text(text + (f"basic_auth_users:\n{names}" if names else ""))

    def shown(self) -> str:
        """The certificate that the next connection is shown; nothing where none is."""
        try:
            with (
                socket.create_connection(("127.0.0.1", self.process.port), 5) as plain,
                self.context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
            ):
                return str(secure.getpeercert(binary_form=True))
        except OSError:
            return ""

    def get(self, path: str, user: str | None = None, method: str = "GET", *, tls: bool = True) -> tuple[int, str]:
        """Status and text of an answer to ``name:password``; 0 where there is no connection."""
        port = self.process.port
        connection: HTTPConnection = (
            HTTPSConnection("127.0.0.1", port, timeout=10, context=self.context)
            if tls
            else HTTPConnection("127.0.0.1", port, timeout=10)
        )
        header = {} if user is None else {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
        try:
            connection.request(method, path, headers=header)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    listener = Listener()
    made = Site(tmp_path, listener)
    yield made
    if made.process.process is not None and made.process.process.poll() is None:
        made.process.process.kill()
        made.process.process.wait(10)
    listener.close()


def test_certificates_and_users_change_while_it_runs(site: Site) -> None:
    """By SIGHUP; a file that cannot be used changes nothing, and the log and the metric say so; a renewed certificate
    needs no signal. Nobody is turned away meanwhile."""
    first = site.issue()
    site.guard(ann="one")
    site.process.start(wait=False)
    site.process.until(lambda: site.get("/-/ready", "ann:one") == (200, "ok\n"))
    assert site.shown() == first
    assert site.get("/")[0] == 401

    refused: list[str] = []
    done = threading.Event()

    def knock() -> None:
        while not done.is_set():
            if not site.shown():
                refused.append("no connection")

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        second = site.issue()
        site.guard(ann="two", bob="three")
        site.process.send(signal.SIGHUP)
        site.process.until(lambda: site.shown() == second)
        site.process.until(lambda: site.get("/-/ready", "bob:three")[0] == 200)
        assert site.get("/-/ready", "ann:two")[0] == 200
        assert site.get("/-/ready", "ann:one")[0] == 401

        (site.folder / "web.yml").write_text("basic_auth_users: {ann: secret}\n")
        site.process.send(signal.SIGHUP)
        site.process.until(lambda: "web.yml:1:25: this is no bcrypt hash" in site.process.log())
        failed = "slaproof_config_last_reload_successful 0"
        site.process.until(lambda: failed in site.get("/metrics", "bob:three")[1])
        assert site.shown() == second

        site.guard(bob="three")
        third = site.issue()
        site.process.until(lambda: site.shown() == third)  # nobody says a word
        site.process.until(lambda: site.get("/-/ready", "ann:two")[0] == 401)
        assert site.get("/-/ready", "bob:three")[0] == 200
        assert failed not in site.get("/metrics", "bob:three")[1]
    finally:
        done.set()
        knocking.join(20)
    assert refused == []

    site.guard(tls=False)
    site.process.send(signal.SIGHUP)
    site.process.until(lambda: site.get("/-/ready", tls=False)[0] == 200)
    assert site.process.stop() == 0
