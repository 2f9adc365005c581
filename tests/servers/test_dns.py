"""The name servers of the tests answer as their tables say."""

from __future__ import annotations

from collections.abc import Iterator

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.servers.bind import Bind
from tests.servers.rbldnsd import Rbldnsd


@pytest.fixture(scope="module")
def bind() -> Iterator[Bind]:
    """One pair of servers for all tests here."""
    with Bind() as server:
        yield server


def _ask(
    server: Bind, name: str, kind: str = "A", *, tcp: bool = False, authority: bool = False
) -> dns.message.Message:
    query = dns.message.make_query(name, kind, want_dnssec=True, payload=1232)
    query.flags |= dns.flags.AD
    ask = dns.query.tcp if tcp else dns.query.udp
    return ask(query, server.root if authority else server.address, timeout=5, port=53 if authority else server.port)


def test_answers(bind: Bind) -> None:
    """Address, alias, mail exchanger, text; from both servers."""
    for authority in (True, False):
        assert "192.0.2.10" in _ask(bind, "www.example.", authority=authority).to_text()
        assert "2001:db8::10" in _ask(bind, "alias.example.", "AAAA", authority=authority).to_text()
        assert "mail.example." in _ask(bind, "example.", "MX", authority=authority).to_text()
        assert "v=spf1" in _ask(bind, "example.", "TXT", authority=authority).to_text()


def test_nxdomain_and_no_data(bind: Bind) -> None:
    """A name that is not there, and a name without this type."""
    assert _ask(bind, "nobody.example.").rcode() == dns.rcode.NXDOMAIN
    answer = _ask(bind, "www.example.", "MX")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_truncation(bind: Bind) -> None:
    """TC over UDP, the whole over TCP."""
    assert _ask(bind, "big.example.", "TXT").flags & dns.flags.TC
    whole = _ask(bind, "big.example.", "TXT", tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(whole.to_wire()) > 3000


@pytest.mark.parametrize(
    "name", ["www.lame.example.", "www.nowhere.example.", "www.bogus.example.", "www.stale.example."]
)
def test_servfail(bind: Bind, name: str) -> None:
    """Lame, gone, bogus and stale delegations fail at the resolver."""
    assert _ask(bind, name).rcode() == dns.rcode.SERVFAIL


def test_lame_server_itself(bind: Bind) -> None:
    """The lame server refuses to speak of what was delegated to it."""
    query = dns.message.make_query("www.lame.example.", "A")
    assert dns.query.udp(query, bind.lame, timeout=2).rcode() == dns.rcode.REFUSED


def test_dnssec(bind: Bind) -> None:
    """The signed zone is authenticated, the unsigned is not; the bogus one is there for who does not check."""
    signed = _ask(bind, "www.signed.example.")
    assert signed.rcode() == dns.rcode.NOERROR
    assert signed.flags & dns.flags.AD
    assert not _ask(bind, "www.example.").flags & dns.flags.AD
    query = dns.message.make_query("www.bogus.example.", "A")
    query.flags |= dns.flags.CD
    assert "192.0.2.66" in dns.query.udp(query, bind.address, timeout=5, port=bind.port).to_text()


def test_records_are_added(bind: Bind) -> None:
    """A record of one's own beside the fixed ones."""
    bind.records('s1._domainkey IN TXT "v=DKIM1; p=abc"')
    assert "DKIM1" in _ask(bind, "s1._domainkey.example.", "TXT", authority=True).to_text()
    assert "192.0.2.10" in _ask(bind, "www.example.", authority=True).to_text()


def test_without_the_authority() -> None:
    """A resolver whose authority is gone says SERVFAIL, a suspended one nothing, a stopped one is refused or silent."""
    with Bind() as server:
        server.authority.stop()
        assert _ask(server, "nobody.signed.example.").rcode() == dns.rcode.SERVFAIL
        server.resolver.suspend()
        query = dns.message.make_query("www.example.", "A")
        with pytest.raises(dns.exception.Timeout):
            dns.query.udp(query, server.address, timeout=0.2, port=server.port)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("13.2.0.192.bl.example.", "A", "127.0.0.2"),
        ("14.2.0.192.bl.example.", "A", "127.0.0.4"),
        ("13.2.0.192.bl.example.", "TXT", "listed for spam"),
        ("3.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.", "A", "127.0.0.3"),
        ("99.2.0.192.bl.example.", "A", "NXDOMAIN"),
        ("spam.example.dbl.example.", "A", "127.0.1.2"),
        ("good.example.dbl.example.", "A", "NXDOMAIN"),
        ("13.2.0.192.refused.example.", "A", "127.255.255.254"),
        ("13.2.0.192.limited.example.", "A", "127.255.255.255"),
        ("13.2.0.192.closed.example.", "A", "REFUSED"),
    ],
)
def test_block_lists(lists: Rbldnsd, name: str, kind: str, expected: str) -> None:
    """Listed, clean, and the codes that are no listing."""
    answer = dns.query.udp(dns.message.make_query(name, kind), lists.address, timeout=2, port=lists.port)
    assert expected in answer.to_text()


@pytest.fixture(scope="module")
def lists() -> Iterator[Rbldnsd]:
    """One rbldnsd for all tests here."""
    with Rbldnsd() as server:
        yield server
