"""DNS records: against BIND as authority and resolver, and against servers that misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rcode
import pytest
from pydantic import ValidationError

import probes
from probes._outcome import Outcome, Result
from probes.dns import plain
from tests.probes.running import ask, probe, shown
from tests.servers import eventually
from tests.servers.bind import Bind
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import Dns


@pytest.fixture(scope="module")
def bind() -> Iterator[Bind]:
    with Bind() as server:
        yield server


async def resolver(bind: Bind, name: str, timeout: float = 6, **settings: Any) -> Result:
    """Through the resolver, as ours."""
    return await probe("dns", {"name": name, **settings}, timeout=timeout, nameservers=(f"{bind.address}:{bind.port}",))


async def authority(bind: Bind, name: str, **settings: Any) -> Result:
    return await ask("dns", name=name, server=f"{bind.root}:53", authoritative=True, **settings)


@pytest.mark.server("bind")
@pytest.mark.parametrize(
    ("name", "settings", "outcome"),
    [
        ("www.example", {"values": "192.0.2.10"}, "ok"),
        ("www.example", {"values": "192.0.2.10", "exact": True}, "ok"),
        ("www.example", {"values": "192.0.2.11"}, "wrong_answer"),
        ("www.example", {"match": r"^192\.0\.2\."}, "ok"),
        ("www.example", {"match": r"^10\."}, "wrong_answer"),
        ("alias.example", {"type": "aaaa", "values": "2001:DB8::10"}, "ok"),
        ("example", {"type": "MX", "values": "10 mail.example", "exact": True}, "ok"),
        ("example", {"type": "TXT", "values": "v=spf1 ip4:192.0.2.0/24 -all"}, "ok"),
        ("example", {"type": "SOA"}, "ok"),
        ("big.example", {"type": "TXT"}, "ok"),
        ("www.example", {"type": "MX"}, "dns"),
        ("nobody.example", {}, "dns"),
        ("nobody.example", {"rcode": "NXDOMAIN"}, "ok"),
        ("www.example", {"rcode": "NXDOMAIN"}, "wrong_answer"),
        ("www.signed.example", {"dnssec": "signed"}, "ok"),
        ("www.example", {"dnssec": "signed"}, "wrong_answer"),
        ("www.example", {"dnssec": "unsigned"}, "ok"),
        ("www.bogus.example", {"dnssec": "signed"}, "dns"),
        ("www.stale.example", {"dnssec": "signed"}, "dns"),
    ],
)
async def test_records_of_an_authority(bind: Bind, name: str, settings: dict[str, Any], outcome: str) -> None:
    """Values, absence, truncation and signatures, asked of the zone's own server."""
    result = await authority(bind, name, **settings)
    assert result.outcome == outcome, shown(result)
    if name == "big.example":
        assert result.facts["transport"] == "tcp"


@pytest.mark.server("bind")
@pytest.mark.parametrize(
    ("name", "settings", "outcome", "words"),
    [
        ("www.example", {"values": "192.0.2.10"}, "ok", ""),
        ("nobody.example", {}, "dns", "NXDOMAIN"),
        ("www.lame.example", {}, "dns", "SERVFAIL"),
        ("www.nowhere.example", {}, "dns", "www.nowhere.example"),
        ("www.bogus.example", {}, "dns", "once signatures are not checked"),
        ("www.stale.example", {}, "dns", "once signatures are not checked"),
        ("www.signed.example", {"dnssec": "secure"}, "ok", ""),
        ("www.example", {"dnssec": "secure"}, "wrong_answer", "unsigned"),
    ],
)
async def test_records_through_a_resolver(
    bind: Bind, name: str, settings: dict[str, Any], outcome: str, words: str
) -> None:
    """SERVFAIL, NXDOMAIN, lame and silent delegations and broken signatures are the name's own fault."""
    result = await resolver(bind, name, **settings)
    assert result.outcome == outcome, shown(result)
    assert words in result.detail


@pytest.mark.server("bind")
async def test_a_lame_server(bind: Bind) -> None:
    """A server that should serve the zone and does not; without that claim its refusal is of us."""
    lame = {"name": "www.lame.example", "server": f"{bind.lame}:53"}
    assert (await ask("dns", **lame, authoritative=True)).outcome == Outcome.DNS
    assert (await ask("dns", **lame)).outcome == Outcome.REJECTED


@pytest.mark.server("bind")
async def test_resolvers_that_do_not_answer_are_ours(bind: Bind) -> None:
    """A second resolver is asked; where none answers, nothing is booked on the provider."""
    with Misbehaving("dns", "silent") as silent, Misbehaving("dns", "refuse") as refusing:
        for broken in (silent.address, refusing.address):
            good = f"{bind.address}:{bind.port}"
            result = await probe("dns", {"name": "www.example"}, timeout=2, nameservers=(broken, good))
            assert result.outcome == Outcome.OK, shown(result)
            result = await probe("dns", {"name": "www.example"}, timeout=1, nameservers=(broken,))
            assert result.outcome == Outcome.LOCAL, shown(result)


async def test_udp_is_asked_again_and_says_so() -> None:
    """A lost packet is no outage: the question is repeated, and the record tells how often."""
    with Misbehaving("dns", "late", delay=0.7) as server:
        result = await ask("dns", 1.5, name="a.example", server=server.address)
        assert result.outcome == Outcome.OK, shown(result)
        assert result.facts["tries"] == 2
        eventually(lambda: len(server.requests) == 2, because="the server has read both")


def _rcode(code: dns.rcode.Rcode) -> bytes:
    response = dns.message.make_response(dns.message.make_query("a.example", "A", id=0))
    response.set_rcode(code)
    return response.to_wire()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (dns.rcode.SERVFAIL, "server_error"),
        (dns.rcode.REFUSED, "rejected"),
        (dns.rcode.FORMERR, "wrong_answer"),
        (dns.rcode.NOTIMP, "wrong_answer"),
        (dns.rcode.NXDOMAIN, "dns"),
    ],
)
async def test_codes_of_a_server_asked_directly(
    code: dns.rcode.Rcode, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that we name answers for itself."""

    def datagram(request: bytes) -> bytes:
        response = dns.message.make_response(dns.message.from_wire(request))
        response.set_rcode(code)
        return response.to_wire()

    monkeypatch.setattr(Dns, "datagram", staticmethod(datagram))
    with Misbehaving("dns") as server:
        result = await ask("dns", name="a.example", server=server.address)
    assert result.outcome == outcome, shown(result)


async def test_answers_to_other_questions_do_not_count() -> None:
    """A packet with a strange identifier is noted and waited past; one that is no answer is not the protocol."""
    with Misbehaving("dns", instead={0: b"\0\0" + bytes(20)}) as server:
        result = await ask("dns", 0.5, name="a.example", server=server.address)
        assert result.outcome in (Outcome.TIMEOUT, Outcome.PROTOCOL), shown(result)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"name": "a..b"}, "is not a name"), ({"name": "a", "type": "AA"}, "is not a type of record")],
)
def test_settings_that_are_refused(settings: dict[str, object], words: str) -> None:
    """Names and types are checked when the configuration is read."""
    with pytest.raises(ValidationError, match=words):
        probes.load("dns").Target.model_validate(settings)


def test_values_are_compared_as_people_write_them() -> None:
    """Final dots, case and the pieces of a text make no difference."""
    assert plain("10 Mail.Example.", "MX") == "10 mail.example"
    assert plain('"v=spf1 " "-all"', "TXT") == plain("v=spf1 -all", "TXT")
