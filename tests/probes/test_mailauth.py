"""SPF, DKIM, DMARC, MX and reverse names, from a real BIND and from zones that a real one would not load."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from probes import mailauth
from probes._outcome import Result
from probes._spf import PermError, parse
from tests.probes.running import probe, shown
from tests.probes.zone import Zone, serving
from tests.servers.bind import Bind


def public(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


RSA_1024, RSA_2048 = public(1024), public(2048)
ED25519 = base64.b64encode(
    ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()
EC = base64.b64encode(
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


def txt(text: str) -> str:
    """A TXT value in strings of 255 bytes at the most."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))


GOOD: Zone = {
    ("d.example", "TXT"): txt("v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/64 include:relay.example mx -all"),
    ("relay.example", "TXT"): txt("v=spf1 a:out.relay.example ?all"),
    ("out.relay.example", "A"): "198.51.100.7",
    ("d.example", "MX"): "10 mx.d.example.",
    ("mx.d.example", "A"): "192.0.2.25",
    ("s1._domainkey.d.example", "TXT"): txt(f"v=DKIM1; k=rsa; p={RSA_2048}"),
    ("s2._domainkey.d.example", "TXT"): txt(f"v=DKIM1; k=ed25519; p={ED25519}"),
    ("_dmarc.d.example", "TXT"): txt("v=DMARC1; p=quarantine; rua=mailto:a@d.example; pct=50"),
    ("1.2.0.192.in-addr.arpa", "PTR"): "out1.d.example.",
    ("out1.d.example", "A"): "192.0.2.1",
    ("1." + "0." * 15 + "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): "out6.d.example.",
    ("out6.d.example", "AAAA"): "2001:db8::1",
}
ALL = {"domain": "d.example", "addresses": ["192.0.2.1", "2001:db8::1"], "selectors": ["s1", "s2"]}


async def look(change: Zone | None = None, **settings: Any) -> Result:
    with serving({**GOOD, **(change or {})}) as server:
        return await probe("mailauth", {**ALL, "nameservers": server.address, **settings}, timeout=4)


async def test_a_domain_in_order() -> None:
    """All five checks hold and are told with what they found."""
    result = await look(mx="mx.d.example", dmarc="quarantine", dkim_bits="2048")
    assert result.outcome == "ok", shown(result)
    checks = result.evidence["checks"]
    assert isinstance(checks, list)
    assert [(check["check"], check["holds"]) for check in checks] == [
        (name, True) for name in ("spf", "dkim", "dmarc", "mx", "ptr")
    ]
    assert result.facts["spf_lookups"] == 3
    assert result.facts["dkim_bits_s1"] == 2048
    assert result.facts["dmarc_policy"] == "quarantine"


async def test_all_that_fails_is_told_at_once() -> None:
    """One probe names every check that does not hold."""
    result = await look({("d.example", "TXT"): txt("nothing"), ("_dmarc.d.example", "TXT"): txt("v=DMARC1; p=block")})
    assert result.outcome == "wrong_answer", shown(result)
    assert "spf: d.example has no SPF record; dmarc: _dmarc.d.example: the policy 'block'" in result.detail


def chain(length: int) -> Zone:
    zone: dict[tuple[str, str], str] = {("d.example", "TXT"): txt("v=spf1 include:i1.example -all")}
    for number in range(1, length):
        zone[f"i{number}.example", "TXT"] = txt(f"v=spf1 include:i{number + 1}.example ~all")
    zone[f"i{length}.example", "TXT"] = txt("v=spf1 ip4:192.0.2.1 ~all")
    return zone


SPF: list[tuple[Zone, str]] = [
    (chain(11), "needs 11 DNS lookups; receivers stop after 10"),
    ({("d.example", "TXT"): [txt("v=spf1 -all"), txt("v=spf1 +all")]}, "has 2 SPF records"),
    ({("d.example", "TXT"): txt("v=spf1 +all")}, "lets anybody send"),
    ({("d.example", "TXT"): txt("v=spf1 ip4:0.0.0.0/0 -all")}, "lets anybody send"),
    ({("d.example", "TXT"): txt("v=spf1 ~all")}, "gives softfail for 192.0.2.1"),
    ({("d.example", "TXT"): txt("v=spf1 ip4:192.0.2.0/28")}, "gives neutral for 2001:db8::1"),
    ({("d.example", "TXT"): txt("v=spf1 a:no1 a:no2 a:no3 -all")}, "3 lookups that find nothing"),
    ({("d.example", "TXT"): txt("v=spf1 include:nowhere.example -all")}, "which has no SPF record"),
    ({("d.example", "TXT"): txt("v=spf1 redirect=d.example")}, "circle"),
    ({("d.example", "TXT"): txt("v=spf1 ipv4:192.0.2.1 -all")}, "'ipv4:192.0.2.1' is no mechanism"),
    ({("d.example", "TXT"): txt("v=spf1 ip4:192.0.2.300 -all")}, "is no network"),
    ({("d.example", "TXT"): txt("v=spf1 exists:%(i).x.example -all")}, "broken macro"),
]


@pytest.mark.parametrize(("zone", "says"), SPF, ids=[says[:30] for _, says in SPF])
async def test_spf_that_receivers_will_not_take(zone: Zone, says: str) -> None:
    """Each limit of RFC 7208 and each mistake of the record is told in a sentence."""
    result = await look(zone, checks=["spf"])
    assert result.outcome == "wrong_answer", shown(result)
    assert says in result.detail


async def test_spf_with_ten_lookups_is_good() -> None:
    """Ten are allowed, and the address behind all of them passes."""
    result = await look(chain(10), checks=["spf"], addresses="192.0.2.1")
    assert result.outcome == "ok", shown(result)
    assert result.facts["spf_lookups"] == 10


async def test_spf_macros_and_redirect() -> None:
    """Macros are filled in for each address; redirect takes over where nothing matched."""
    zone: Zone = {
        ("d.example", "TXT"): txt("v=spf1 exists:%{ir}.%{v}._spf.%{d2} redirect=other.example"),
        ("1.2.0.192.in-addr._spf.d.example", "A"): "127.0.0.2",
        ("other.example", "TXT"): txt("v=spf1 ip6:2001:db8::1 -all"),
    }
    result = await look(zone, checks=["spf"])
    assert result.outcome == "ok", shown(result)


@pytest.mark.parametrize(
    "word", ["a/33", "ip6:192.0.2.1", "ip4:2001:db8::1", "all/8", "include", "+exp=x", "??all", "mx//129"]
)
def test_terms_that_are_none(word: str) -> None:
    """The grammar of §4.6.1 and §5.6 is kept."""
    with pytest.raises(PermError):
        parse(f"v=spf1 {word} -all")


DKIM = [
    ("v=DKIM1; p=", "revoked"),
    (f"v=DKIM1; k=rsa; p={RSA_2048[:200]}", "cut in the zone"),
    (f"v=DKIM1; k=rsa; p={RSA_1024}", "1024 bits, fewer than 2048"),
    (f"v=DKIM1; p={EC}", "not of RSA"),
    (f"k=rsa; v=DKIM1; p={RSA_2048}", "come first"),
    ("v=DKIM1; k=ed25519; p=AAAA", "32 bytes, this one 3"),
    ("v=DKIM1; k=dsa; p=AAAA", "k=dsa"),
    ("v=DKIM1; nothing", "no tag=value"),
    ("v=DKIM1; k=rsa", "no key"),
]


@pytest.mark.parametrize(("record", "says"), DKIM, ids=[says for _, says in DKIM])
async def test_dkim_keys_that_cannot_be_used(record: str, says: str) -> None:
    """A key that receivers cannot use is told with its reason."""
    result = await look({("s1._domainkey.d.example", "TXT"): txt(record)}, checks=["dkim"], dkim_bits="2048")
    assert result.outcome == "wrong_answer", shown(result)
    assert says in result.detail


async def test_dkim_selectors_that_are_not_there() -> None:
    """A selector without a record, or with two."""
    result = await look(checks=["dkim"], selectors="s9")
    assert "s9._domainkey.d.example does not exist" in result.detail
    record = txt(f"v=DKIM1; p={RSA_2048}")
    result = await look({("s1._domainkey.d.example", "TXT"): [record, txt("v=DKIM1; p=")]}, checks=["dkim"])
    assert "has 2 records" in result.detail


DMARC: list[tuple[Zone, dict[str, str], str]] = [
    ({("_dmarc.d.example", "TXT"): txt("v=spf1")}, {}, "has no DMARC record"),
    ({}, {"dmarc": "reject"}, "quarantine, weaker than reject"),
    ({("_dmarc.d.example", "TXT"): [txt("v=DMARC1; p=none"), txt("v=DMARC1; p=reject")]}, {}, "2 DMARC records"),
    ({("_dmarc.d.example", "TXT"): txt("v=DMARC1; p=none; rua=a@d.example")}, {}, "no mailto: address"),
    ({("_dmarc.d.example", "TXT"): txt("v=DMARC1; p=none; pct=200")}, {}, "no percentage"),
]


@pytest.mark.parametrize(("zone", "settings", "says"), DMARC, ids=[says for _, _, says in DMARC])
async def test_dmarc_that_does_not_do(zone: Zone, settings: dict[str, str], says: str) -> None:
    """A missing, doubled, broken or too weak policy is told."""
    result = await look(zone, checks=["dmarc"], **settings)
    assert result.outcome == "wrong_answer", shown(result)
    assert says in result.detail


async def test_dmarc_is_inherited() -> None:
    """A subdomain without a record has that of the domain above, with its sp=."""
    zone: Zone = {("_dmarc.d.example", "TXT"): txt("v=DMARC1; p=reject; sp=none")}
    result = await look(zone, checks=["dmarc"], domain="mail.news.d.example")
    assert (result.outcome, result.facts["dmarc_policy"]) == ("ok", "none"), shown(result)


NAMES: list[tuple[Zone, dict[str, Any], str]] = [
    ({("d.example", "MX"): "0 ."}, {"checks": ["mx"]}, "takes no mail"),
    ({("mx.d.example", "A"): []}, {"checks": ["mx"]}, "mx.d.example has no address"),
    ({}, {"checks": ["mx"], "mx": "other.example"}, "does not name other.example"),
    ({}, {"checks": ["mx"], "domain": "relay.example"}, "relay.example has no MX record"),
    ({}, {"checks": ["ptr"], "addresses": "203.0.113.9"}, "203.0.113.9 has no reverse name"),
    ({("out1.d.example", "A"): "192.0.2.99"}, {"checks": ["ptr"]}, "does not lead back"),
]


@pytest.mark.parametrize(("zone", "settings", "says"), NAMES, ids=[says for _, _, says in NAMES])
async def test_names_that_do_not_fit(zone: Zone, settings: dict[str, Any], says: str) -> None:
    """Mail servers need addresses, and reverse names must lead back."""
    clean = {key: value for key, value in zone.items() if value != []}
    gone = [key for key, value in zone.items() if value == []]
    with serving({**{key: value for key, value in GOOD.items() if key not in gone}, **clean}) as server:
        result = await probe("mailauth", {**ALL, "nameservers": server.address, **settings}, timeout=4)
    assert result.outcome == "wrong_answer", shown(result)
    assert says in result.detail


async def test_servers_that_fail() -> None:
    """A zone that fails where others work is a fault of the zone; a resolver that never answers is ours."""
    result = await look({("d.example", "TXT"): "SERVFAIL", ("", "NS"): "ns.example."})
    assert result.outcome == "dns", shown(result)
    result = await probe("mailauth", {**ALL, "nameservers": "127.0.0.1:9"}, timeout=1)
    assert result.outcome == "local", shown(result)


# --- BIND ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named() -> Iterator[Bind]:
    """BIND for the tests below."""
    with Bind() as server:
        yield server


async def test_against_bind(named: Bind) -> None:
    """A real server: the records as they stand, then a key that was lost."""
    named.records(f"s1._domainkey IN TXT {txt(f'v=DKIM1; k=rsa; p={RSA_2048}')}")
    settings = {
        "domain": "example",
        "selectors": "s1",
        "addresses": "192.0.2.77",
        "checks": ["spf", "dkim", "dmarc", "mx"],
    }
    settings |= {"nameservers": f"{named.address}:{named.port}", "dmarc": "reject", "dkim_bits": "2048"}
    result = await probe("mailauth", settings, timeout=5)
    assert result.outcome == "ok", shown(result)
    named.records("")
    named.resolver.restart()
    result = await probe("mailauth", settings, timeout=5)
    assert result.outcome == "wrong_answer", shown(result)
    assert result.detail == "dkim: s1._domainkey.example does not exist"
    result = await probe("mailauth", {**settings, "domain": "lame.example"}, timeout=5)
    assert result.outcome == "dns", shown(result)


def test_tags_are_read_strictly() -> None:
    """RFC 6376 §3.2: a tag stands once."""
    assert mailauth.tags("a=1; b = 2 ;") == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="twice"):
        mailauth.tags("a=1; a=2")
