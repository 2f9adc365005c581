"""An SMSC by node-smpp on loopback, whose behaviour is changed while it runs::

    smsc.set(bind="mute")      # ok, mute, refuse, error, drop, unbind (right after the bind)
    smsc.set(link="unbind")    # the answer to enquire_link: ok, mute, unbind, drop
    smsc.set(submit="throttle")  # ok, throttle, queue_full, reject, bad_number, mute, unbind, drop
    smsc.set(receipt="early")  # soon, early (before submit_sm_resp), late (after ``delay`` ms), never
    smsc.set(state="UNDELIV")  # what the receipt says
    smsc.set(unbind="mute")    # the answer to unbind: ok, mute
    smsc.leave("drop")         # now, in every session: drop, unbind

Passwords are checked: ``u`` has ``secret``.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import HOST, Process, Server, free_port, need, need_node_module

_GOOD: dict[str, Any] = {
    "users": {"u": "secret"},
    "bind": "ok",
    "link": "ok",
    "submit": "ok",
    "receipt": "soon",
    "state": "DELIVRD",
    "delay": 1000,
    "unbind": "ok",
    "now": "drop",
}


class SmppNode(Server):
    """The SMSC, on ``port``."""

    def __init__(self, folder: Path) -> None:
        node, modules = need("node"), need_node_module("smpp")
        super().__init__(folder)
        self.port = free_port()
        self._mode = dict(_GOOD)
        self.reset()
        self.processes = [
            Process(
                [node, Path(__file__).with_name("node_smpp.js"), HOST, str(self.port), folder],
                log=folder / "node.log",
                ports=[self.port],
                env={"NODE_PATH": str(modules)},
            )
        ]

    def set(self, **modes: object) -> None:
        """Change what is done from the next PDU on."""
        unknown = set(modes) - set(_GOOD)
        assert not unknown, unknown
        self._mode.update(modes)
        # Renamed into place: it is read at any moment.
        new = self.folder / "mode.json.new"
        new.write_text(json.dumps(self._mode))
        new.replace(self.folder / "mode.json")

    def reset(self) -> None:
        """Behave well again."""
        self.set(**_GOOD)

    def leave(self, how: str) -> None:
        """Unbind or drop every session now."""
        self.set(now=how)
        self.processes[0].signal(signal.SIGUSR2)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What happened: connect, bind, enquire_link, submit, receipt, unbind."""
        lines = [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]
        return [line for line in lines if kind is None or line["event"] == kind]


@pytest.fixture
def smpp_node(tmp_path: Path) -> Iterator[SmppNode]:
    """A running SMSC by node-smpp."""
    with SmppNode(tmp_path / "smpp-node") as server:
        yield server
