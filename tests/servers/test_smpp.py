"""The SMSCs of the tests: each mode is seen by a client of a few lines."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import HOST, eventually
from tests.servers.drive_smpp import DriveSmpp
from tests.servers.kannel import Kannel
from tests.servers.smpp import BIND_TRANSMITTER, DELIVER_SM, ENQUIRE_LINK, RESPONSE, SUBMIT_SM, UNBIND, Client
from tests.servers.smpp_node import SmppNode

_OK, _SYSTEM_ERROR, _BIND_FAILED, _BAD_PASSWORD, _BAD_ID = 0, 8, 0xD, 0xE, 0xF
_THROTTLED, _QUEUE_FULL, _SUBMIT_FAILED, _BAD_NUMBER = 0x58, 0x14, 0x45, 0xB


@pytest.fixture(scope="module")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmppNode]:
    """One SMSC for all tests here."""
    with SmppNode(tmp_path_factory.mktemp("smpp")) as server:
        yield server


@pytest.fixture
def smsc(one_node: SmppNode) -> Iterator[SmppNode]:
    """The SMSC, well again after each test."""
    yield one_node
    one_node.reset()


@pytest.fixture
def bound(smsc: SmppNode) -> Iterator[Client]:
    """A bound client."""
    with Client(HOST, smsc.port) as client:
        assert client.bind("u", "secret").status == _OK
        yield client


def test_passwords(smsc: SmppNode) -> None:
    """The right one, a wrong one, an unknown user."""
    for user, password, status in (("u", "secret", _OK), ("u", "wrong", _BAD_PASSWORD), ("x", "secret", _BAD_ID)):
        with Client(HOST, smsc.port) as client:
            assert client.bind(user, password).status == status
    assert smsc.events("bind")[0]["system_id"] == "u"


@pytest.mark.parametrize(("how", "status"), [("refuse", _BIND_FAILED), ("error", _SYSTEM_ERROR)])
def test_refused_bind(smsc: SmppNode, how: str, status: int) -> None:
    """The bind is answered with an error."""
    smsc.set(bind=how)
    with Client(HOST, smsc.port) as client:
        assert client.bind("u", "secret").status == status


def test_mute_and_dropped_bind(smsc: SmppNode) -> None:
    """The bind is not answered; the connection ends instead of an answer."""
    smsc.set(bind="mute")
    with Client(HOST, smsc.port, timeout=0.2) as client, pytest.raises(TimeoutError):
        client.bind("u", "secret")
    smsc.set(bind="drop")
    with Client(HOST, smsc.port) as client, pytest.raises(ConnectionError):
        client.bind("u", "secret")


def test_unbind_after_bind(smsc: SmppNode) -> None:
    """Bound, and at once unbound by the server."""
    smsc.set(bind="unbind")
    with Client(HOST, smsc.port) as client:
        assert client.bind("u", "secret").status == _OK
        assert client.read().command == UNBIND


def test_links(smsc: SmppNode, bound: Client) -> None:
    """enquire_link: answered, not answered, answered by unbind."""
    bound.send(ENQUIRE_LINK)
    assert bound.read().command == ENQUIRE_LINK | RESPONSE
    smsc.set(link="mute")
    bound.send(ENQUIRE_LINK)
    with pytest.raises(TimeoutError):
        bound.read(0.2)
    smsc.set(link="unbind")
    bound.send(ENQUIRE_LINK)
    assert bound.read(5).command == UNBIND


def test_dropped_link(smsc: SmppNode, bound: Client) -> None:
    """enquire_link: the connection ends."""
    smsc.set(link="drop")
    bound.send(ENQUIRE_LINK)
    with pytest.raises(ConnectionError):
        bound.read()


def test_unbind(smsc: SmppNode, bound: Client) -> None:
    """Our unbind is answered, or not."""
    smsc.set(unbind="mute")
    bound.send(UNBIND)
    with pytest.raises(TimeoutError):
        bound.read(0.2)
    smsc.set(unbind="ok")
    bound.send(UNBIND)
    assert bound.read(5).command == UNBIND | RESPONSE


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("throttle", _THROTTLED),
        ("queue_full", _QUEUE_FULL),
        ("reject", _SUBMIT_FAILED),
        ("bad_number", _BAD_NUMBER),
    ],
)
def test_refused_messages(smsc: SmppNode, bound: Client, how: str, status: int) -> None:
    """submit_sm is answered with each error."""
    smsc.set(submit=how)
    bound.submit("4912345", b"hello")
    assert bound.read().status == status


def test_receipts(smsc: SmppNode, bound: Client) -> None:
    """After the answer, before it, late, never; delivered or not."""
    bound.submit("4912345", b"hello", receipt=True)
    first, second = bound.read(), bound.read()
    assert (first.command, second.command) == (SUBMIT_SM | RESPONSE, DELIVER_SM)
    identifier = first.body.rstrip(b"\0")
    assert b"id:" + identifier + b" " in second.body
    assert b"stat:DELIVRD" in second.body
    assert smsc.events("submit")[-1]["text"] == "hello"

    smsc.set(receipt="early", state="UNDELIV")
    bound.submit("4912345", b"hello", receipt=True)
    first, second = bound.read(), bound.read()
    assert (first.command, second.command) == (DELIVER_SM, SUBMIT_SM | RESPONSE)
    assert b"stat:UNDELIV" in first.body

    smsc.set(receipt="late", delay=300)
    bound.submit("4912345", b"hello", receipt=True)
    assert bound.read().command == SUBMIT_SM | RESPONSE
    with pytest.raises(TimeoutError):
        bound.read(0.1)
    assert bound.read(5).command == DELIVER_SM

    smsc.set(receipt="never")
    bound.submit("4912345", b"hello", receipt=True)
    assert bound.read().command == SUBMIT_SM | RESPONSE
    with pytest.raises(TimeoutError):
        bound.read(0.3)


def test_leave(smsc: SmppNode, bound: Client) -> None:
    """All sessions unbound or dropped at one moment."""
    smsc.leave("unbind")
    assert bound.read().command == UNBIND
    smsc.leave("drop")
    with pytest.raises(ConnectionError):
        bound.read()


def test_suspend_and_restart(smsc: SmppNode) -> None:
    """Silent, and well again."""
    smsc.suspend()
    with Client(HOST, smsc.port, timeout=0.2) as client, pytest.raises(TimeoutError):
        client.bind("u", "secret")
    smsc.resume()
    smsc.restart()
    with Client(HOST, smsc.port) as client:
        assert client.bind("u", "secret").status == _OK
    eventually(lambda: smsc.events("bind"))


def test_drive_smpp(tmp_path: Path) -> None:
    """The SMSC in C binds a transmitter, answers enquire_link, takes a message and unbinds."""
    with DriveSmpp(tmp_path / "drive") as server, Client(HOST, server.port) as client:
        assert client.bind("u", "any", BIND_TRANSMITTER).status == _OK
        client.send(ENQUIRE_LINK)
        assert client.read().command == ENQUIRE_LINK | RESPONSE
        client.submit("4912345", b"hello")
        answer = client.read()
        assert (answer.command, answer.status) == (SUBMIT_SM | RESPONSE, _OK)
        client.send(UNBIND)
        assert client.read().command == UNBIND | RESPONSE


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_kannel(tmp_path: Path) -> None:
    """202, also without a route; 403, 400; the message arrives; the status, which denies with 200."""
    with Kannel(tmp_path / "kannel") as server:
        assert _get(server.sendsms_url())[0] == 202
        eventually(lambda: server.smsc.events("submit"), because="the message reaches the SMSC")
        assert _get(server.sendsms_url(smsc="nowhere"))[0] == 202
        assert _get(server.sendsms_url(password="wrong"))[0] == 403
        assert _get(server.sendsms_url(to=""))[0] == 400
        code, text = _get(server.status_url())
        assert (code, "<status>online" in text) == (200, True)
        assert _get(server.status_url("wrong")) == (200, '<?xml version="1.0"?>\n<gateway>\nDenied</gateway>\n')
        server.smsc.stop()
        eventually(lambda: "re-connecting" in _get(server.status_url())[1], because="the SMSC is gone")
        listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        mine = [line for line in listening.splitlines() if "box" in line]
        assert mine
        assert all(line.split()[3].startswith(f"{HOST}:") for line in mine)


def test_kannel_with_a_dead_smsc(tmp_path: Path) -> None:
    """A refused bind shows as "dead", and no message is taken."""
    with Kannel(tmp_path / "kannel", smsc_password="wrong") as server:
        eventually(lambda: "dead" in _get(server.status_url())[1], because="the bind was refused")
        assert _get(server.sendsms_url()) == (403, "Not routable. Do not try again.")
