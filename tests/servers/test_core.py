"""The supervisor, the ports and the certificates on which all server tests rest."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.servers import HOST, ROOT, Process, answers, descendants, eventually, free_port, need, refused_port
from tests.servers.certs import BAD, Authority, Pair

_LISTENER = """
import socket, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(b"hello")
    connection.close()
"""


@pytest.fixture
def process(tmp_path: Path) -> Process:
    port = free_port()
    return Process([sys.executable, "-c", _LISTENER, str(port)], log=tmp_path / "log", ports=[port])


def _greeting(port: int, wait: float) -> bytes:
    with socket.create_connection((HOST, port), timeout=wait) as connection:
        return connection.recv(10)


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_process_is_ended_with_its_children(process: Process) -> None:
    """stop() leaves neither the program nor what it started."""
    with process:
        assert _greeting(process.ports[0], 5) == b"hello"
        family = descendants(process.pid)
        assert len(family) == 2
        assert "listening" in process.output
    for pid in family:
        eventually(partial(_gone, pid), because="ended")
    assert not answers(process.ports[0])


def test_a_suspended_process_accepts_and_is_silent(process: Process) -> None:
    """suspend() keeps the port open without an answer, resume() and restart() bring the answer back."""
    with process:
        process.suspend()
        with pytest.raises(TimeoutError):
            _greeting(process.ports[0], 0.2)
        process.resume()
        assert _greeting(process.ports[0], 5) == b"hello"
        before = process.pid
        process.restart()
        assert process.pid != before
        assert _greeting(process.ports[0], 5) == b"hello"
        process.suspend()
    assert not process.running


def test_a_process_that_ends_at_once_says_what_it_printed(tmp_path: Path) -> None:
    """A server that does not start shows its own words."""
    broken = Process([sys.executable, "-c", "print('no such option'); raise SystemExit(3)"], log=tmp_path / "log")
    broken.ports = (1,)
    with pytest.raises(AssertionError, match="ended with 3") as caught:
        broken.start()
    assert "no such option" in caught.value.__notes__[0]


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    """SIGTERM is a request; what does not heed it is killed."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    )
    log = tmp_path / "log"
    deaf = Process([sys.executable, "-c", code], log=log, ready=lambda: "on" in log.read_text(), patience=0.2)
    deaf.start()
    pid = deaf.pid
    deaf.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_ports_are_given_once() -> None:
    """No port is given twice, and one on which nothing listens is refused."""
    assert len({free_port() for _ in range(50)}) == 50
    with refused_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=1)


def test_an_absent_program_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """need() skips with the program's name; where nothing may be skipped it fails."""
    monkeypatch.delenv("SLAPROOF_NO_SKIP", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs no-such-program"):
        need("no-such-program")
    monkeypatch.setenv("SLAPROOF_NO_SKIP", "1")
    with pytest.raises(pytest.fail.Exception, match="needs no-such-program"):
        need("no-such-program")


def _handshake(pair: Pair, client: ssl.SSLContext, folder: Path) -> None:
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            pair.server_context(folder).wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(near, server_hostname="localhost").close()
    finally:
        near.close()
        thread.join(5)


def test_a_good_certificate_is_trusted(ca: Authority, tmp_path: Path) -> None:
    """What the authority issues passes, with and without an intermediate."""
    _handshake(ca.issue(), ca.client_context(), tmp_path)
    _handshake(ca.issue(intermediate=True), ca.client_context(), tmp_path)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expired", "certificate has expired"),
        ("not_yet_valid", "not yet valid"),
        ("other_name", "Hostname mismatch"),
        ("self_signed", "self-signed certificate"),
        ("incomplete_chain", "unable to get local issuer"),
        ("unknown_authority", "unable to get local issuer"),
    ],
)
def test_a_bad_certificate_is_refused_for_its_own_fault(ca: Authority, tmp_path: Path, fault: str, words: str) -> None:
    """Each fault of BAD is seen by OpenSSL as that fault and no other."""
    with pytest.raises(ssl.SSLCertVerificationError, match=words):
        _handshake(ca.bad(fault), ca.client_context(), tmp_path)


def test_every_bad_certificate_is_tested() -> None:
    """The table above names them all."""
    assert set(BAD) == {
        "expired",
        "not_yet_valid",
        "other_name",
        "self_signed",
        "incomplete_chain",
        "unknown_authority",
    }


def test_eventually_says_what_it_saw_last() -> None:
    """Waiting ends and names the last sight."""
    with pytest.raises(AssertionError, match="last seen: 0"):
        eventually(lambda: 0, within=0.05)


def test_every_fixture_is_documented() -> None:
    """docs/testing.md names every fixture of the servers, and none that is not there."""
    text = (ROOT / "docs" / "testing.md").read_text()
    rows = re.findall(r"^\| (`[^|]+?) \|", text, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    sources = [path for path in (ROOT / "tests" / "servers").glob("*.py") if not path.name.startswith("test_")]
    there = {
        name
        for path in sources
        for name in re.findall(r"^@pytest\.fixture.*\ndef (\w+)", path.read_text(), re.MULTILINE)
    }
    assert documented == there
