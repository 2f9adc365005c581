"""Postfix on loopback with AUTH and mailboxes by Dovecot: a mail provider's relay, with a knob for each of its moods.

``port`` is submission with STARTTLS, ``smtps_port`` the same with TLS from the start, ``plain_port`` takes mail for its
own domain without either. Mail for ``sink@example`` and ``probe@example`` goes to Dovecot over LMTP; nothing leaves the
machine.

What Postfix decides with a policy service (as greylisting and quotas do) can be changed while it runs::

    postfix.policy["RCPT"] = "450 4.2.0 Greylisted"                 # by stage: CONNECT EHLO MAIL RCPT DATA ...
    postfix.recipients["full@example"] = "452 4.2.2 Mailbox full"   # by recipient
    postfix.greylist(30)                                            # as the real one: by client, sender, recipient
    postfix.policy["RCPT"] = "HOLD"                                 # accept, and do not deliver until release()

What needs another configuration restarts its processes (a tenth of a second): `withdraw_starttls`, `disk_full`,
`certificate`, `limit_connections`, `configure`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Self

import pytest

from tests.servers import HOST, Process, Server, answers, eventually, free_port, need, need_root, short_folder
from tests.servers.certs import Authority, Pair, authority
from tests.servers.dovecot import Dovecot

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}/log
syslog_name = {name}
inet_interfaces = {host}
inet_protocols = ipv4
myhostname = mail.example
mydomain = example
mydestination =
mynetworks =
smtp_host_lookup = native
virtual_mailbox_domains = example
virtual_mailbox_maps = inline:{{ {{sink@example=1}}, {{probe@example=1}}, {{full@example=1}} }}
virtual_transport = lmtp:inet:{host}:{lmtp}
default_transport = error:5.7.1 nothing leaves this machine
relay_transport = error:5.7.1 nothing leaves this machine
alias_maps =
alias_database =
minimal_backoff_time = 1s
maximal_backoff_time = 5s
queue_run_delay = 1s
transport_retry_time = 1s
smtpd_delay_reject = no
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
smtpd_client_event_limit_exceptions =
smtpd_relay_restrictions = permit_sasl_authenticated, permit_auth_destination, reject
smtpd_client_restrictions = check_policy_service inet:{host}:{policy}
smtpd_helo_restrictions = check_policy_service inet:{host}:{policy}
smtpd_sender_restrictions = check_policy_service inet:{host}:{policy}
smtpd_recipient_restrictions = check_policy_service inet:{host}:{policy}
smtpd_data_restrictions = check_policy_service inet:{host}:{policy}
smtpd_end_of_data_restrictions = check_policy_service inet:{host}:{policy}
smtpd_tls_cert_file = {folder}/server.pem
smtpd_tls_key_file = {folder}/server.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{host}:{sasl}
smtpd_sasl_security_options = noanonymous
"""

_MASTER = """
{host}:{port} inet n - n - - smtpd
{host}:{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
{host}:{plain} inet n - n - - smtpd
  -o smtpd_tls_security_level=none
  -o smtpd_sasl_auth_enable=no
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    """A relay as above. Without a ``dovecot`` it brings its own."""

    def __init__(
        self, dovecot: Dovecot | None = None, *, pair: Pair | None = None, ca: Authority | None = None
    ) -> None:
        need_root()
        master = need("master")
        self._postconf, self._postsuper, self._postqueue = need("postconf"), need("postsuper"), need("postqueue")
        self._own_dovecot = Dovecot(ca=ca) if dovecot is None else None
        self.dovecot = dovecot or self._own_dovecot or Dovecot()
        self._ca = ca or authority()
        super().__init__(short_folder("postfix"))
        folder = self.folder
        self.port, self.smtps_port, self.plain_port = free_port(), free_port(), free_port()
        self.policy: dict[str, str] = {}
        self.recipients: dict[str, str] = {}
        self._policy = _PolicyService(self)
        self._grey_seconds: float | None = None
        self._grey: dict[tuple[str, str, str], float] = {}
        self._prepare()
        (pair or self._ca.issue()).write(folder)
        self.config = folder / "config"
        self.config.mkdir()
        (self.config / "main.cf").write_text(
            _MAIN.format(
                folder=folder,
                name=folder.name,
                host=HOST,
                lmtp=self.dovecot.lmtp_port,
                sasl=self.dovecot.sasl_port,
                policy=self._policy.port,
            )
        )
        (self.config / "master.cf").write_text(
            _MASTER.format(host=HOST, port=self.port, smtps=self.smtps_port, plain=self.plain_port)
        )
        self._settle()
        self.processes = [
            Process(
                [master, "-c", self.config, "-s"],
                log=folder / "postfix.out",
                ready=lambda: answers(self.smtps_port) and _greets(self.port) and _greets(self.plain_port),
            )
        ]

    def _prepare(self) -> None:
        spool, data, log = (self.folder / name for name in ("spool", "data", "log"))
        for path in (spool, data, log):
            path.mkdir(mode=0o755)
        shutil.chown(data, "postfix")
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private"):
            (spool / name).mkdir(mode=0o700)
            shutil.chown(spool / name, "postfix")
        for name in ("saved", "trace"):
            (spool / name).mkdir(mode=0o700)
            shutil.chown(spool / name, "postfix")
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            (spool / name).mkdir()
            shutil.chown(spool / name, "postfix", "postdrop")
            (spool / name).chmod(mode)
        (spool / "pid").mkdir(mode=0o755)

    # -- start and end ---------------------------------------------------------------------------------------------

    def start(self) -> Self:
        if self._own_dovecot is not None and not self._own_dovecot.running:
            self._own_dovecot.start()
        self._policy.start()
        return super().start()

    def remove(self) -> None:
        """Stop all, and remove the folders."""
        self.stop()
        self._policy.stop()
        if self._own_dovecot is not None:
            self._own_dovecot.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def log(self) -> str:
        """Postfix's own log."""
        path = self.folder / "log" / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- knobs -----------------------------------------------------------------------------------------------------

    def greylist(self, seconds: float | None) -> None:
        """Answer 450 4.2.0 to what was first seen less than so long ago; None: no more."""
        self._grey.clear()
        self._grey_seconds = seconds

    def configure(self, **parameters: str | int) -> None:
        """Change main.cf and restart."""
        settings = [f"{name}={value}" for name, value in parameters.items()]
        subprocess.run([self._postconf, "-c", self.config, "-e", *settings], check=True)
        self._settle()
        self.restart()

    def _settle(self) -> None:
        # Postfix waits while its configuration is younger than two seconds: somebody might still be writing it.
        for path in self.config.iterdir():
            os.utime(path, (0, time.time() - 60))

    def restart(self) -> None:
        """Stop and start again; the mailboxes, the queue and the policy stay."""
        super().stop()
        super().start()

    def withdraw_starttls(self, withdrawn: bool = True) -> None:
        """No longer offer STARTTLS (nor, therefore, AUTH); or offer it again."""
        self.configure(smtpd_tls_security_level="none" if withdrawn else "may")

    def disk_full(self, full: bool = True) -> None:
        """Answer 452 4.3.1 to MAIL FROM, as with less than `queue_minfree` bytes on the disk; or no longer."""
        self.configure(queue_minfree=(1 << 62) if full else 0)

    def limit_connections(self, a_minute: int) -> None:
        """Answer 421 4.7.0 to a client's further connections to a port within a minute (0: no limit)."""
        # One more, for the connection by which start() knows that Postfix is ready.
        limit = a_minute + 1 if a_minute else 0
        self.configure(smtpd_client_connection_rate_limit=limit, anvil_rate_time_unit="60s")

    def certificate(self, pair: Pair) -> None:
        """Present another certificate."""
        pair.write(self.folder)
        self.restart()

    # -- the queue -------------------------------------------------------------------------------------------------

    def held(self) -> int:
        """How many messages are held back."""
        return sum(1 for path in (self.folder / "spool" / "hold").rglob("*") if path.is_file())

    def release(self) -> None:
        """Let all messages go that were held back."""
        subprocess.run([self._postsuper, "-c", self.config, "-H", "ALL"], check=True, capture_output=True)
        subprocess.run([self._postqueue, "-c", self.config, "-f"], check=True, capture_output=True)

    # -- policy ----------------------------------------------------------------------------------------------------

    def decide(self, request: dict[str, str]) -> str:
        """The answer of the policy service to one request of Postfix."""
        stage, recipient = request.get("protocol_state", ""), request.get("recipient", "")
        if stage in self.policy:
            return self.policy[stage]
        if stage != "RCPT":
            return "DUNNO"
        if recipient in self.recipients:
            return self.recipients[recipient]
        if self._grey_seconds is not None:
            key = (request.get("client_address", ""), request.get("sender", ""), recipient)
            age = time.monotonic() - self._grey.setdefault(key, time.monotonic())
            if age < self._grey_seconds:
                return "450 4.2.0 Greylisted, try again later"
        return "DUNNO"


def _greets(port: int) -> bool:
    with socket.create_connection((HOST, port), timeout=5) as connection:
        return connection.recv(1) != b""


class _PolicyService:
    """Postfix's policy protocol: attributes, an empty line, and back an action."""

    def __init__(self, postfix: Postfix) -> None:
        self.port = free_port()
        self._postfix = postfix
        self._server: socketserver.ThreadingTCPServer | None = None
        self._open: list[socket.socket] = []

    def start(self) -> None:
        if self._server is not None:
            return
        postfix, opened = self._postfix, self._open

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                opened.append(self.connection)
                request: dict[str, str] = {}
                with contextlib.suppress(OSError):
                    for line in self.rfile:
                        name, _, value = line.decode().rstrip("\n").partition("=")
                        if name:
                            request[name] = value
                        else:
                            self.wfile.write(f"action={postfix.decide(request)}\n\n".encode())
                            request = {}

        class Service(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Service((HOST, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        eventually(lambda: answers(self.port))

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._server = None


@pytest.fixture
def postfix() -> Iterator[Postfix]:
    """A running Postfix with its Dovecot."""
    with Postfix() as server:
        yield server


@pytest.fixture(scope="module")
def mail() -> Iterator[Postfix]:
    """One Postfix with its Dovecot for all tests of a module."""
    with Postfix() as server:
        yield server
