"""Dovecot on loopback: IMAP (plain and TLS), LMTP, and SASL for Postfix; every mailbox a Maildir of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping

import pytest

from tests.servers import HOST, Process, Server, free_port, need, need_root, short_folder
from tests.servers.certs import Authority, Pair, authority

# Who has a mailbox, and who may log in (to IMAP and, over Postfix, to send).
USERS = {"u": "secret", "sink": "sink-secret", "probe": "probe-secret"}

_CONF = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
instance_name = {name}
protocols = imap lmtp
listen = {host}
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
ssl_dh =
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
auth_failure_delay = {failure_delay}
auth_verbose = yes
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_privileged_group = mail
postmaster_address = postmaster@mail.example
hostname = mail.example
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {sasl}
  }}
}}
# Without it, a wrong password makes every later login from this address slow.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


class Dovecot(Server):
    """Dovecot with IMAP on ``imap_port`` and ``imaps_port``, LMTP on ``lmtp_port``, SASL on ``sasl_port``.

    ``failure_delay`` is the time a wrong password takes (Dovecot's own default is ``2 secs``).
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] = USERS,
        pair: Pair | None = None,
        ca: Authority | None = None,
        failure_delay: str = "0",
    ) -> None:
        need_root()
        program = need("dovecot")
        super().__init__(short_folder("dovecot"))
        self.imap_port, self.imaps_port, self.lmtp_port, self.sasl_port = (free_port() for _ in range(4))
        folder = self.folder
        chain, key = (pair or (ca or authority()).issue()).write(folder)
        (folder / "users").write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        (folder / "users").chmod(0o644)
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", "mail", "mail")
        conf = folder / "dovecot.conf"
        conf.write_text(
            _CONF.format(
                folder=folder,
                name=folder.name,
                host=HOST,
                chain=chain,
                key=key,
                imap=self.imap_port,
                imaps=self.imaps_port,
                lmtp=self.lmtp_port,
                sasl=self.sasl_port,
                failure_delay=failure_delay,
            )
        )
        self.processes = [
            Process(
                [program, "-F", "-c", conf],
                log=folder / "dovecot.out",
                ports=[self.imap_port, self.imaps_port, self.lmtp_port, self.sasl_port],
            )
        ]

    def mailbox(self, user: str) -> list[bytes]:
        """The messages in somebody's inbox, as they lie there."""
        folder = self.folder / "mail" / user / "Maildir"
        return [path.read_bytes() for kind in ("new", "cur") for path in sorted((folder / kind).glob("*"))]

    @property
    def log(self) -> str:
        """Dovecot's own log."""
        path = self.folder / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def remove(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.remove()


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    """A running Dovecot."""
    with Dovecot() as server:
        yield server
