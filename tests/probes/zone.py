"""A name server in a thread that says what a dictionary says, for what a real zone cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import Dns

Zone = Mapping[tuple[str, str], str | list[str]]


def serving(zone: Zone) -> Misbehaving:
    """A server of these records: (name, type) to a value, values, or a code such as ``SERVFAIL``; NXDOMAIN else."""

    class Serving(Dns):
        asked: ClassVar[list[tuple[str, str]]] = []

        @staticmethod
        def datagram(request: bytes) -> bytes:
            query = dns.message.from_wire(request)
            question = query.question[0]
            name, rdtype = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
            response = dns.message.make_response(query, recursion_available=True)
            found = zone.get((name, rdtype))
            if isinstance(found, str) and found.isupper() and found.isalpha():
                response.set_rcode(dns.rcode.from_text(found))
            elif found is not None:
                values = [found] if isinstance(found, str) else found
                response.answer.append(dns.rrset.from_text(question.name, 60, "IN", rdtype, *values))
            elif name and not any(known == name for known, _ in zone):
                response.set_rcode(dns.rcode.NXDOMAIN)
            return response.to_wire(max_size=65535)

    class Server(Misbehaving):
        def _serve_datagrams(self, datagrams):  # type: ignore[no-untyped-def]
            while not self._over.is_set():
                try:
                    request, client = datagrams.recvfrom(65535)
                except OSError:
                    return
                if request:
                    datagrams.sendto(Serving.datagram(request), client)

    return Server(Serving)
