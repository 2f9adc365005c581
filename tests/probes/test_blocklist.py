"""Blocklists, from a real rbldnsd: listed, clean, and lists that do not answer us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

import probes
from probes._outcome import Result
from probes.blocklist import query_name
from tests.probes.running import probe, shown
from tests.probes.zone import serving
from tests.servers.misbehaving import Misbehaving
from tests.servers.rbldnsd import Rbldnsd


@pytest.fixture(scope="module")
def lists() -> Iterator[Rbldnsd]:
    """rbldnsd for all tests here."""
    with Rbldnsd() as server:
        yield server


async def look(server: Rbldnsd, /, **settings: Any) -> Result:
    return await probe("blocklist", {"nameservers": f"{server.address}:{server.port}", **settings}, timeout=4)


async def test_clean(lists: Rbldnsd) -> None:
    """Addresses of both families and a domain that no list has."""
    result = await look(
        lists, addresses=["192.0.2.1", "2001:db8::1"], lists=["bl.example"], domains="good.example",
        domain_lists=["dbl.example"],
    )  # fmt: skip
    assert result.outcome == "ok", shown(result)
    assert result.facts["lists_asked"] == 3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"addresses": "192.0.2.13", "lists": ["bl.example"]},
            "192.0.2.13 is listed by bl.example with 127.0.0.2: listed",
        ),
        ({"addresses": "2001:db8::13", "lists": ["bl.example"]}, "2001:db8::13 is listed by bl.example with 127.0.0.3"),
        (
            {"domains": "spam.example", "domain_lists": ["dbl.example"]},
            "spam.example is listed by dbl.example with 127.0.1.2",
        ),
    ],
)
async def test_listed(lists: Rbldnsd, settings: dict[str, Any], says: str) -> None:
    """A listing names what is listed, the list, the code and the list's reason."""
    result = await look(lists, **settings)
    assert result.outcome == "listed", shown(result)
    assert says in result.detail


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("refused.example", "public resolvers (127.255.255.254)"),
        ("limited.example", "too many queries from here (127.255.255.255)"),
        ("closed.example", "it refuses to answer us"),
    ],
)
async def test_you_may_not_ask(lists: Rbldnsd, name: str, says: str) -> None:
    """An answer that means "you may not ask" is never a listing, and never the provider's."""
    result = await look(lists, addresses="192.0.2.1", lists=[name])
    assert (result.outcome, result.fault) == ("local", "monitor"), shown(result)
    assert says in result.detail


async def test_a_listing_stands_beside_lists_that_fail(lists: Rbldnsd) -> None:
    """What one list says is not undone by another that says nothing; a code can be passed over."""
    settings = {"addresses": "192.0.2.14", "lists": ["refused.example", "bl.example"]}
    result = await look(lists, **settings)
    assert result.outcome == "listed", shown(result)
    result = await look(lists, addresses="192.0.2.14", lists=["bl.example"], ignore="127.0.0.4")
    assert result.outcome == "ok", shown(result)


async def test_codes_have_names() -> None:
    """The codes of well-known lists are told in words; a list that lists everything is dead, not right."""
    zone = {
        ("1.2.0.192.zen.spamhaus.org", "A"): ["127.0.0.3", "127.0.0.11"],
        ("1.2.0.192.dead.example", "A"): "127.0.0.2",
        ("1.0.0.127.dead.example", "A"): "127.0.0.2",
        ("1.2.0.192.parked.example", "A"): "203.0.113.80",
    }
    with serving(zone) as server:
        base = {"addresses": "192.0.2.1", "nameservers": server.address}
        result = await probe("blocklist", {**base, "lists": ["zen.spamhaus.org"]})
        assert result.outcome == "listed", shown(result)
        assert "127.0.0.3 (CSS: a source of low-reputation mail), 127.0.0.11 (PBL" in result.detail
        for name, says in (("dead.example", "lists everything"), ("parked.example", "203.0.113.80 is no code")):
            result = await probe("blocklist", {**base, "lists": [name]})
            assert result.outcome == "local", shown(result)
            assert says in result.detail


async def test_a_list_that_is_silent_is_told_within_the_deadline() -> None:
    """Silence is no listing."""
    with Misbehaving("dns", "silent") as server:
        settings = {"addresses": "192.0.2.1", "lists": ["bl.example"], "nameservers": server.address}
        result = await probe("blocklist", settings, timeout=1)
    assert result.outcome == "local", shown(result)
    assert "did not answer" in result.detail


def test_names_are_reversed() -> None:
    """By bytes for IPv4, by nibbles for IPv6 (RFC 5782 §2.1, §2.4)."""
    assert query_name("192.0.2.1", "l.example") == "1.2.0.192.l.example"
    assert query_name("2001:db8::1", "l.example") == "1." + "0." * 23 + "8.b.d.0.1.0.0.2.l.example"
    assert query_name("bad.example.", "l.example") == "bad.example.l.example"


@pytest.mark.parametrize(
    "settings",
    [{}, {"addresses": "192.0.2.1"}, {"domains": "d.example", "lists": ["x"]}, {"addresses": "x", "lists": ["x"]}],
)
def test_mistakes_in_the_settings(settings: dict[str, Any]) -> None:
    """What is looked up and where belong together."""
    with pytest.raises(ValidationError, match="write"):
        probes.load("blocklist").Target.model_validate(settings)
