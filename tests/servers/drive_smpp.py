"""Kannel's drive_smpp: an SMSC in C, for a second opinion on our PDUs.

It takes every password, binds transmitters, serves one session (`restart` for the next), and insists on all
addresses of the machine: so it runs in a network namespace of its own, and a forwarder carries ``port`` on loopback
there and back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.servers import HOST, Process, Server, free_port, need, need_root

_CLONE_NEWNET = 0x40000000
_INSIDE, _BEARERBOX = 2345, 13001
_CONF = f"""
group = core
admin-port = 13000
admin-password = x
smsbox-port = {_BEARERBOX}
"""


def _inside(pid: int, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket made in the network namespace of a process. Namespaces belong to threads, so a thread makes it."""
    result: list[socket.socket | BaseException] = []

    def work() -> None:
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(namespace)
            result.append(make())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    made = result[0]
    if isinstance(made, BaseException):
        raise made
    return made


class DriveSmpp(Server):
    """drive_smpp, reached at ``port``."""

    def __init__(self, folder: Path) -> None:
        need_root()
        program, unshare, ip = need("drive_smpp"), need("unshare"), need("ip")
        super().__init__(folder)
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        script = f"{ip} link set lo up && exec {program} -v 0 -p {_INSIDE} -m 0 -c {folder}/drive_smpp.conf"
        (folder / "drive_smpp.conf").write_text(_CONF)
        self.processes = [
            Process(
                [unshare, "-n", "--", "sh", "-c", script],
                log=folder / "drive_smpp.log",
                ready=self._listens,
                cwd=folder,
                patience=1,
            )
        ]

    def _listens(self) -> bool:
        # Not by a connection: the first one that is accepted makes it look for its bearerbox.
        table = Path(f"/proc/{self.processes[0].pid}/net/tcp").read_text().splitlines()[1:]
        return any(line.split()[1].endswith(f":{_INSIDE:04X}") and line.split()[3] == "0A" for line in table)

    def start(self) -> Self:
        super().start()
        pid = self.processes[0].pid
        # It gives up unless a bearerbox accepts it; this one never says a word.
        self._open.append(_inside(pid, lambda: socket.create_server((HOST, _BEARERBOX))))
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._forward, args=(self._listener, pid), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()
        super().stop()

    def _forward(self, listener: socket.socket, pid: int) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = _inside(pid, lambda: socket.create_connection((HOST, _INSIDE)))
            except OSError:
                return
            self._open += [near, far]
            pair = threading.Barrier(2)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(source, sink, pair), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket, both: threading.Barrier) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
    # Both directions are at their end: each closes its source.
    with contextlib.suppress(threading.BrokenBarrierError):
        both.wait(30)
    source.close()


@pytest.fixture
def drive_smpp(tmp_path: Path) -> Iterator[DriveSmpp]:
    """A running drive_smpp."""
    with DriveSmpp(tmp_path / "drive-smpp") as server:
        yield server
