"""Word to systemd: what goes over the socket, and that nothing comes of a socket that is not there."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.sdnotify import Supervisor


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A listening manager and the value of NOTIFY_SOCKET that leads to it."""
    if request.param == "path":
        name = address = str(tmp_path / "notify")
    else:
        name, address = f"@slaproof-notify-{os.getpid()}", f"\0slaproof-notify-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(2)
        yield listener, name


def test_every_word_arrives_as_one_datagram(manager: tuple[socket.socket, str]) -> None:
    """Ready, reloading, alive, status and stopping are the words of sd_notify(3), by path and by abstract name."""
    listener, name = manager
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    assert supervisor.present
    supervisor.ready("probing 9 targets")
    assert listener.recv(999) == b"READY=1\nSTATUS=probing 9 targets"
    supervisor.reloading()
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=[1-9]\d*", listener.recv(999))
    supervisor.alive()
    assert listener.recv(999) == b"WATCHDOG=1"
    supervisor.status("two\nlines")
    assert listener.recv(999) == b"STATUS=two lines"
    supervisor.stopping()
    assert listener.recv(999) == b"STOPPING=1"


@pytest.mark.parametrize("name", ["", "/no/such/socket", "@slaproof-nobody-listens", "vsock:2:1"])
def test_without_a_manager_nothing_happens(name: str) -> None:
    """No socket, a dead one, or one of a kind that we do not speak: no error."""
    supervisor = Supervisor({"NOTIFY_SOCKET": name} if name else {})
    assert supervisor.present is name.startswith(("/", "@"))
    supervisor.ready("")
    supervisor.alive()


def test_a_manager_that_does_not_read_stalls_nobody(tmp_path: Path) -> None:
    """When the socket's queue is full the word is lost, and the caller goes on."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        supervisor = Supervisor({"NOTIFY_SOCKET": path})
        for _ in range(2000):
            supervisor.alive()
        assert listener.recv(99) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "me"}, None),
    ],
)
def test_the_watchdog_is_ours_or_nobodys(environment: dict[str, str], seconds: float | None) -> None:
    """Its time is read in seconds, and only when it is meant for this process."""
    assert Supervisor(environment).watchdog_seconds == seconds
