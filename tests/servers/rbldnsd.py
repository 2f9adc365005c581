"""rbldnsd on loopback: block lists that list, do not list, and refuse to be asked.

======================  ======================================================================================
``bl.example``          192.0.2.13 -> 127.0.0.2, 192.0.2.14 -> 127.0.0.4, 2001:db8::13 -> 127.0.0.3, the rest is clean
``dbl.example``         the domain ``spam.example`` -> 127.0.1.2, the rest is clean
``refused.example``     every query -> 127.255.255.254: you ask over an open resolver (this is no listing)
``limited.example``     every query -> 127.255.255.255: you ask too much (this is no listing)
``closed.example``      REFUSED
======================  ======================================================================================
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import pytest

from tests.servers import HOST, Process, Server, free_port, need, need_root, short_folder

# The addresses of documentation, and the one by which lists are tested.
_EVERY = "192.0.2.0/24\n198.51.100.0/24\n203.0.113.0/24\n127.0.0.0/24\n"
_DATA = {
    "bl.example:ip4set:bl4": (
        ":127.0.0.2:listed for spam, see https://bl.example/?$\n192.0.2.13\n:127.0.0.4:exploited\n192.0.2.14\n127.0.0.2\n"
    ),
    "bl.example:ip6trie:bl6": ":127.0.0.3:listed\n2001:db8::13/128\n",
    "dbl.example:dnset:dbl": ":127.0.1.2:spam domain\nspam.example\n",
    "refused.example:ip4set:refused": f":127.255.255.254:open resolver\n{_EVERY}",
    "limited.example:ip4set:limited": f":127.255.255.255:excessive queries\n{_EVERY}",
    "closed.example:acl:acl": f":refuse\n{HOST}\n",
    "closed.example:ip4set:closed": ":127.0.0.2:x\n192.0.2.0/24\n",
}


class Rbldnsd(Server):
    """rbldnsd at ``address``:``port`` with the lists above."""

    def __init__(self) -> None:
        need_root()
        program = need("rbldnsd")
        super().__init__(short_folder("rbldnsd"))
        self.address, self.port = HOST, free_port()
        for zone, data in _DATA.items():
            path = self.folder / zone.rpartition(":")[2]
            path.write_text(data)
            path.chmod(0o644)
        self.processes = [
            Process(
                # It does not run as root; -c 0: the lists do not change.
                [program, "-n", "-u", "nobody", "-w", self.folder, "-c", "0", "-b", f"{HOST}/{self.port}", *_DATA],
                log=self.folder / "rbldnsd.log",
                ready=self._answers,
            )
        ]

    def _answers(self) -> bool:
        query = dns.message.make_query("2.0.0.127.bl.example.", "A")
        try:
            return bool(dns.query.udp(query, HOST, timeout=0.5, port=self.port).answer)
        except (dns.exception.DNSException, OSError):
            return False

    def remove(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.remove()


@pytest.fixture
def rbldnsd() -> Iterator[Rbldnsd]:
    """A running rbldnsd."""
    with Rbldnsd() as server:
        yield server
