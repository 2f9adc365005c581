"""BIND on loopback, twice: a server that is the authority for the zones below, and a resolver that asks it.

The authority listens on port 53 of addresses in 127.0.0.0/8 that belong to this instance alone, so that delegations
work as in the world: ``root``, ``lame`` (which knows nothing of what was delegated to it) and, without anybody there,
``nowhere``. BIND insists that its addresses stand on the loopback interface, so they are put there meanwhile. Tests ask
``address``:``port`` (the resolver) or ``root``:53 (the authority).

===========================  =================================================================================
``www.example``              A 192.0.2.10, AAAA 2001:db8::10; ``example`` has MX, TXT (SPF), NS and SOA
``big.example``              TXT of 3,000 bytes: truncated over UDP, whole over TCP
``lame.example``             delegated to a server that does not know it: SERVFAIL
``nowhere.example``          delegated to a server that is not there: SERVFAIL
anything else in the root    NXDOMAIN
``www.signed.example``       A 192.0.2.20, signed: AD from the resolver
``www.bogus.example``        A, changed after it was signed: SERVFAIL from the resolver
``www.stale.example``        A, with signatures that have expired: SERVFAIL from the resolver
===========================  =================================================================================
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.servers import HOST, Process, Server, eventually, free_port, need, need_root, short_folder

_HEAD = "$TTL 60\n@ IN SOA ns.example. admin.example. {serial} 60 60 600 1\n@ IN NS {ns}\n"
_EXAMPLE = """
@ IN MX 10 mail.example.
@ IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
ns IN A {root}
www IN A 192.0.2.10
www IN AAAA 2001:db8::10
mail IN A 192.0.2.25
alias IN CNAME www
_dmarc IN TXT "v=DMARC1; p=reject"
big IN TXT {big}
lame IN NS ns.lame
ns.lame IN A {lame}
nowhere IN NS ns.nowhere
ns.nowhere IN A {nowhere}
signed IN NS ns.example.
bogus IN NS ns.example.
stale IN NS ns.example.
"""
_COMMON = """
    directory "{folder}";
    pid-file "{folder}/{name}.pid";
    session-keyfile "{folder}/{name}.session";
    managed-keys-directory "{folder}";
    listen-on-v6 {{ none; }};
    dnssec-validation {validation};
    max-cache-size 16m;
    max-cache-ttl 1; max-ncache-ttl 1;
    servfail-ttl 0; lame-ttl 0;
    minimal-responses no;
    allow-query {{ any; }};
"""
_AUTHORITY = """
options {{
    {common}
    listen-on port 53 {{ {root}; {lame_listens} }};
    recursion no;
}};
controls {{ }};
view "lame" {{
    match-destinations {{ {lame}; }};
    zone "unrelated.example" {{ type primary; file "{folder}/unrelated.zone"; }};
}};
view "authority" {{
    match-clients {{ any; }};
{zones}
}};
"""
_RESOLVER = """
options {{
    {common}
    listen-on port {port} {{ {address}; }};
    recursion yes;
    allow-recursion {{ any; }};
    empty-zones-enable no;
    query-source address {address};
    resolver-query-timeout 3000;
}};
controls {{ }};
zone "." {{ type hint; file "{folder}/hints"; }};
trust-anchors {{
{anchors}
}};
"""
_ZONES = {".": "root", "example.": "example", "signed.example.": "signed", "bogus.example.": "bogus"}
_ZONES["stale.example."] = "stale"


class Bind(Server):
    """The pair of servers above. Stop ``authority`` or ``resolver`` alone, or both."""

    def __init__(self) -> None:
        need_root()
        named, self._keygen, self._signzone = need("named"), need("dnssec-keygen"), need("dnssec-signzone")
        super().__init__(short_folder("bind"))
        net = f"127.{random.randrange(64, 255)}.{random.randrange(256)}"
        self.root, self.lame, self.nowhere = (f"{net}.{host}" for host in (1, 2, 3))
        self.address, self.port = HOST, free_port()
        self._ip = need("ip")
        self._serial = 1
        self._write_zones()
        folder = self.folder
        (folder / "hints").write_text(f". 3600 IN NS ns.example.\nns.example. 3600 IN A {self.root}\n")
        (folder / "authority.conf").write_text(
            _AUTHORITY.format(
                common=_COMMON.format(folder=folder, name="authority", validation="no"),
                folder=folder,
                root=self.root,
                lame=self.lame,
                lame_listens=f"{self.lame};",
                zones="\n".join(
                    f'    zone "{zone}" {{ type primary; file "{folder}/{name}.zone"; }};'
                    for zone, name in _ZONES.items()
                ),
            )
        )
        (folder / "resolver.conf").write_text(
            _RESOLVER.format(
                common=_COMMON.format(folder=folder, name="resolver", validation="yes"),
                folder=folder,
                address=self.address,
                port=self.port,
                anchors="\n".join(self._anchors),
            )
        )
        self.authority = Process(
            [named, "-g", "-4", "-n", "1", "-c", folder / "authority.conf"],
            log=folder / "authority.out",
            ready=lambda: self._knows(self.root, 53),
        )
        self.resolver = Process(
            [named, "-g", "-4", "-n", "1", "-c", folder / "resolver.conf"],
            log=folder / "resolver.out",
            ready=lambda: self._knows(self.address, self.port),
        )
        self.processes = [self.authority, self.resolver]

    def _knows(self, address: str, port: int) -> bool:
        query = dns.message.make_query("www.example.", dns.rdatatype.A)
        try:
            answer = dns.query.udp(query, address, timeout=1, port=port)
        except (dns.exception.DNSException, OSError):
            return False
        return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)

    def _write_zones(self) -> None:
        text = " ".join(f'"{letter * 250}"' for letter in "abcdefghijkl")
        example = _EXAMPLE.format(root=self.root, lame=self.lame, nowhere=self.nowhere, big=text)
        self._zone("root", f"ns.example. IN A {self.root}\nexample. IN NS ns.example.\n")
        self._zone("example", example)
        self._zone("unrelated", "")
        self._anchors: list[str] = []
        for number, name in enumerate(("signed", "bogus", "stale"), 1):
            self._zone(name, f"www IN A 192.0.2.{number}0\n")
            self._sign(name, stale=name == "stale")
        bogus = self.folder / "bogus.zone"
        bogus.write_text(bogus.read_text().replace("192.0.2.20", "192.0.2.66"))

    def _zone(self, name: str, records: str) -> Path:
        path = self.folder / f"{name}.zone"
        path.write_text(_HEAD.format(serial=self._serial, ns="ns.example.") + records)
        return path

    def _sign(self, name: str, *, stale: bool) -> None:
        zone, folder = f"{name}.example", self.folder
        made = subprocess.run(
            [self._keygen, "-q", "-K", folder, "-a", "ECDSAP256SHA256", "-f", "KSK", zone],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
        ).stdout.strip()
        key = (folder / f"{made}.key").read_text()
        found = re.search(r"DNSKEY (\d+) (\d+) (\d+) (.+)", key)
        assert found is not None, key
        flags, protocol, algorithm, data = found.groups()
        self._anchors.append(f'    "{zone}." static-key {flags} {protocol} {algorithm} "{data.replace(" ", "")}";')
        times = ["-s", "20200101000000", "-e", "20200201000000"] if stale else ["-e", "+31536000"]
        subprocess.run(
            # -z: the one key signs everything; -P: expired signatures are wanted here.
            [self._signzone, "-S", "-z", "-P", "-K", folder, "-o", zone, *times, "-f", f"{name}.zone", f"{name}.zone"],
            check=True,
            capture_output=True,
            cwd=folder,
        )

    def records(self, lines: str) -> None:
        """Put these lines (as in a zone file, relative to ``example``) beside the fixed ones."""
        self._serial += 1
        text = " ".join(f'"{letter * 250}"' for letter in "abcdefghijkl")
        example = _EXAMPLE.format(root=self.root, lame=self.lame, nowhere=self.nowhere, big=text)
        self._zone("example", example + lines + "\n")
        if self.authority.running:
            self.authority.signal(1)
            eventually(lambda: self._loaded() == self._serial, because="the zone is loaded")

    def _loaded(self) -> int:
        query = dns.message.make_query("example.", dns.rdatatype.SOA)
        answer = dns.query.udp(query, self.root, timeout=1)
        return int(answer.answer[0][0].serial)

    def _addresses(self, verb: str) -> None:
        for address in (self.root, self.lame):
            # An address that stands there already, or no longer, is as good.
            subprocess.run([self._ip, "addr", verb, f"{address}/32", "dev", "lo"], check=False, capture_output=True)

    def start(self) -> Self:
        self._addresses("add")
        return super().start()

    def remove(self) -> None:
        """Stop, and remove the folder and the addresses."""
        self.stop()
        self._addresses("del")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()


@pytest.fixture
def bind() -> Iterator[Bind]:
    """A running pair of authority and resolver."""
    with Bind() as server:
        yield server
