"""Kannel on loopback, an SMS gateway over HTTP: bearerbox and smsbox, bound to an SMSC by node-smpp.

``sendsms`` answers 202 when it has taken a message (even for an SMSC that it does not know), 403 for a bad login or
where its only SMSC is dead, 400 where the receiver is missing. ``status.xml`` answers 200 with the word ``Denied`` for
a bad password, and otherwise says of each SMSC whether it is ``online``, ``re-connecting`` or ``dead``. ``u`` with
``secret`` may send; the password of the status is ``status``.
"""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.servers import HOST, Process, Server, answers, eventually, free_port, need
from tests.servers.smpp_node import SmppNode

_CONF = """
group = core
admin-port = {admin}
admin-interface = {host}
admin-password = admin
status-password = status
smsbox-port = {box}
smsbox-interface = {host}
box-allow-ip = {host}
box-deny-ip = "*.*.*.*"
log-file = {folder}/bearerbox.log
log-level = 0
store-type = file
store-location = {folder}/store
dlr-storage = internal
sms-resend-freq = 2

group = smsc
smsc = smpp
smsc-id = node
host = {host}
port = {smsc}
smsc-username = u
smsc-password = "{password}"
system-type = kannel
transceiver-mode = true
reconnect-delay = 1
enquire-link-interval = 5

group = smsbox
bearerbox-host = {host}
bearerbox-port = {box}
sendsms-port = {port}
sendsms-interface = {host}
log-file = {folder}/smsbox.log
log-level = 0

group = sendsms-user
username = u
password = secret
user-deny-ip = ""
user-allow-ip = ""

group = sms-service
keyword = default
text = "No service specified"
"""


class Kannel(Server):
    """Kannel's sendsms on ``port`` and its status on ``admin_port``; behind it ``smsc``."""

    def __init__(self, folder: Path, *, smsc_password: str = "secret") -> None:
        bearerbox, smsbox = need("bearerbox"), need("smsbox")
        super().__init__(folder)
        self.smsc = SmppNode(folder / "smsc")
        self.port, self.admin_port, self._box_port = free_port(), free_port(), free_port()
        self._conf = folder / "kannel.conf"
        self.processes = [
            Process(
                [bearerbox, self._conf],
                log=folder / "bearerbox.out",
                ports=[self.admin_port, self._box_port],
                patience=3,
            ),
            Process([smsbox, self._conf], log=folder / "smsbox.out", ports=[self.port], patience=1),
        ]
        self._password = smsc_password

    def start(self) -> Self:
        self._conf.write_text(
            _CONF.format(
                host=HOST,
                folder=self.folder,
                admin=self.admin_port,
                box=self._box_port,
                port=self.port,
                smsc=self.smsc.port,
                password=self._password,
            )
        )
        if not self.smsc.running:
            self.smsc.start()
        super().start()
        # With the wrong password it never comes online, which is then the point.
        if self._password == "secret":
            eventually(lambda: "(online" in self.status(), within=15, because="bound to its SMSC")
        eventually(lambda: answers(self.port))
        return self

    def stop(self) -> None:
        super().stop()
        self.smsc.stop()

    def sendsms_url(self, **parameters: str) -> str:
        """The URL that sends a message; every parameter may be changed, an empty one is left out."""
        given = {"username": "u", "password": "secret", "from": "test", "to": "4912345", "text": "hello", **parameters}
        query = urllib.parse.urlencode({name: value for name, value in given.items() if value})
        return f"http://{HOST}:{self.port}/cgi-bin/sendsms?{query}"

    def status_url(self, password: str = "status") -> str:
        """The URL of status.xml."""
        return f"http://{HOST}:{self.admin_port}/status.xml?password={password}"

    def status(self) -> str:
        """What status.txt says."""
        url = f"http://{HOST}:{self.admin_port}/status.txt?password=status"
        with urllib.request.urlopen(url, timeout=5) as response:
            text: bytes = response.read()
        return text.decode()


@pytest.fixture
def kannel(tmp_path: Path) -> Iterator[Kannel]:
    """A running Kannel."""
    with Kannel(tmp_path / "kannel") as server:
        yield server
