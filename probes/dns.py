"""A record in the DNS: that it resolves, to what, from whom, and whether its signatures hold.

With ``server`` that one name server is asked (the provider's own). Without it our resolvers are, as an application
would, and a second question tells their faults from those of the name's servers.
"""

import asyncio
import re
from typing import Annotated, Literal

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from pydantic import AfterValidator, Field

from probes._classify import failed
from probes._dns import Asked, ask, question
from probes._fields import ProbeTarget, Regex, Strings
from probes._outcome import Failed
from probes._resolve import control, literal, resolve, resolver_for
from probes._search import search
from probes._trace import Trace


def _name(value: str) -> str:
    try:
        dns.name.from_text(value)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{value!r} is not a name: {error}") from None
    return value


def _type(value: str) -> str:
    try:
        rdtype = dns.rdatatype.from_text(value)
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"{value!r} is not a type of record; write A, AAAA, MX, TXT, SOA ...") from None
    return dns.rdatatype.to_text(rdtype)


class Target(ProbeTarget):
    """The question, and what a good answer is."""

    name: Annotated[str, AfterValidator(_name)]
    type: Annotated[str, AfterValidator(_type)] = "A"
    server: str | None = Field(default=None, description="name server to ask: host, host:port or [address]:port")
    transport: Literal["udp", "tcp"] = "udp"
    values: Strings = Field(default=(), description="values that must be among the records")
    exact: bool = Field(default=False, description="no other records than values")
    match: Regex | None = Field(default=None, description="a regular expression that some record must match")
    rcode: Literal["NOERROR", "NXDOMAIN"] = "NOERROR"
    authoritative: bool = Field(default=False, description="the server must answer for the zone itself (AA)")
    dnssec: Literal["secure", "signed", "unsigned"] | None = Field(
        default=None, description="secure: a resolver vouches for it; signed: its signature fits its zone's key"
    )


async def probe(target: Target, trace: Trace) -> None:
    """Asks, and judges the answer."""
    query = question(target.name, target.type, dnssec=target.dnssec is not None)
    if target.server is not None:
        address, port = await _server(target, trace)
        answer = await ask(trace, query, address, port, target.transport)
    else:
        address, port, answer = await _resolvers(target, trace, query)
    message = answer.message
    _keep(trace, answer)
    try:
        if message.rcode() == dns.rcode.SERVFAIL:
            raise await _servfail(target, trace, address, port)
        _judge(target, trace, message)
        if target.dnssec is not None:
            await _signatures(target, trace, message, address, port)
    except Failed:
        if not trace.thorough:
            trace.received(message.to_text())
        raise


async def _server(target: Target, trace: Trace) -> tuple[str, int]:
    text = target.server or ""
    if address := literal(text):
        return address, 53
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        host, port = text, "53"
    return (await resolve(trace, host, target.ip))[0], int(port)


async def _resolvers(target: Target, trace: Trace, query: dns.message.QueryMessage) -> tuple[str, int, Asked]:
    """The answer of our resolvers: the first of them that gives one. Silence is ours unless they answer for others."""
    resolver = resolver_for(trace.nameservers)
    servers = [(str(getattr(s, "address", s)), int(getattr(s, "port", 53))) for s in resolver.nameservers]
    last: Failed | None = None
    for left, (address, port) in zip(range(len(servers), 0, -1), servers, strict=True):
        try:
            async with asyncio.timeout(trace.remaining() * 0.7 / left):
                return address, port, await ask(trace, query, address, port, target.transport)
        except TimeoutError:
            trace.note(f"the resolver {address} does not answer")
        except Failed as error:
            trace.note(f"the resolver {address}: {error.detail}")
            last = error
    if last is None and await control(resolver, trace.remaining() * 0.8):
        raise failed("net", "resolve", "silent_zone", f"no answer for {target.name}, other names resolve")
    raise failed("net", "resolve", "no_resolver", last.detail if last else f"no resolver answered for {target.name}")


async def _servfail(target: Target, trace: Trace, address: str, port: int) -> Failed:
    """What SERVFAIL means: signatures that do not hold, a zone that fails, or (asked directly) the server itself."""
    unchecked = question(target.name, target.type, unchecked=True)
    try:
        async with asyncio.timeout(trace.remaining() * 0.5):
            again = await ask(trace, unchecked, address, port, target.transport)
        if again.message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            trace.fact("dnssec", "bogus")
            seen = f"SERVFAIL for {target.name}, but an answer once signatures are not checked"
            return failed("dns", "answer", "bogus", seen, code=dns.rcode.SERVFAIL)
    except (Failed, TimeoutError):
        pass
    if target.server is not None:
        seen = f"{target.server} answers SERVFAIL for {target.name}"
        return failed("dns", "answer", "servfail", seen, code=dns.rcode.SERVFAIL)
    if await control(resolver_for(trace.nameservers), trace.remaining() * 0.8):
        return failed("net", "resolve", "servfail", f"{target.name} cannot be resolved (SERVFAIL), other names can")
    return failed("net", "resolve", "no_resolver", "our resolver answers SERVFAIL for any name")


def _keep(trace: Trace, answer: Asked) -> None:
    message = answer.message
    if trace.thorough:
        trace.received(message.to_text())
    trace.code = int(message.rcode())
    trace.facts.update(
        rcode=dns.rcode.to_text(message.rcode()),
        answer_rrs=sum(len(rrset) for rrset in message.answer),
        authority_rrs=sum(len(rrset) for rrset in message.authority),
        additional_rrs=sum(len(rrset) for rrset in message.additional),
        authoritative=bool(message.flags & dns.flags.AA),
        tries=answer.tries,
        transport=answer.transport,
    )


def _judge(target: Target, trace: Trace, message: dns.message.Message) -> None:
    rcode = dns.rcode.to_text(message.rcode())
    code = int(message.rcode())
    authoritative = bool(message.flags & dns.flags.AA)
    if rcode == "REFUSED":
        happened = "lame" if target.authoritative else "refused"
        raise failed("dns", "answer", happened, f"{trace.peer} answers REFUSED for {target.name}", code=code)
    if target.authoritative and not authoritative:
        raise failed(
            "dns", "answer", "lame", f"{trace.peer} does not answer for {target.name} itself (no AA)", code=code
        )
    if rcode != target.rcode:
        happened = {"NXDOMAIN": "nxdomain", "NOERROR": "exists"}.get(rcode, "wrong_rcode")
        raise failed("dns", "answer", happened, f"{target.name} gives {rcode}, expected {target.rcode}", code=code)
    if rcode != "NOERROR":
        return
    wanted = dns.rdatatype.from_text(target.type)
    records = [record for rrset in message.answer if rrset.rdtype == wanted for record in rrset]
    if not records:
        raise failed("dns", "answer", "empty", f"{target.name} has no {target.type} record", code=code)
    trace.facts["ttl"] = min(rrset.ttl for rrset in message.answer if rrset.rdtype == wanted)
    if target.type == "SOA":
        trace.facts["serial"] = int(records[0].serial)
    found = [plain(record.to_text(), target.type) for record in records]
    expected = {plain(value, target.type): value for value in target.values}
    if missing := [value for key, value in expected.items() if key not in found]:
        raise failed("dns", "answer", "values", f"{missing[0]} is not among {_list(found)}", code=code)
    if target.exact and (more := [value for value in found if value not in expected]):
        raise failed("dns", "answer", "values", f"{more[0]} was not expected", code=code)
    if target.match is not None and not any(search(target.match, value) for value in found):
        raise failed("dns", "answer", "values", f"nothing matches {target.match!r} in {_list(found)}", code=code)


def _list(values: list[str]) -> str:
    return ", ".join(value[:100] for value in values[:8])


def plain(text: str, rdtype: str) -> str:
    """A record's data in one way of writing: no final dots, lower case; texts without quotes, joined."""
    if rdtype in ("TXT", "SPF"):
        pieces = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        return re.sub(r"\\(.)", r"\1", "".join(pieces)) if pieces else text
    return " ".join(word.rstrip(".").lower() for word in text.split())


async def _signatures(target: Target, trace: Trace, message: dns.message.Message, address: str, port: int) -> None:
    """Raises Failed unless the answer is as well signed as it should be."""
    wanted = dns.rdatatype.from_text(target.type)
    records = next((rrset for rrset in message.answer if rrset.rdtype == wanted), None)
    signed = next((r for r in message.answer if r.rdtype == dns.rdatatype.RRSIG and r.covers == wanted), None)
    state = "unsigned"
    if message.flags & dns.flags.AD:
        state = "secure"
    elif signed is not None and records is not None:
        signer = signed[0].signer
        keys = await ask(trace, question(signer.to_text(), "DNSKEY", dnssec=True), address, port, target.transport)
        dnskey = next((r for r in keys.message.answer if r.rdtype == dns.rdatatype.DNSKEY), None)
        if reason := _broken(records, signed, dnskey, signer, trace.now_ms // 1000):
            happened = "our_clock" if trace.clock_suspect and "expired" in reason else "bogus"
            trace.fact("dnssec", "bogus")
            raise failed("dns", "answer", happened, f"the signature of {target.name} does not hold: {reason}")
        state = "signed"
    trace.fact("dnssec", state)
    ranks = {"unsigned": 0, "signed": 1, "secure": 2}
    if ranks[state] < ranks[target.dnssec or "unsigned"] or (target.dnssec == "unsigned" and state != "unsigned"):
        raise failed("dns", "answer", "not_secure", f"{target.name} is {state}, expected {target.dnssec}")


def _broken(
    records: dns.rrset.RRset, signed: dns.rrset.RRset, keys: dns.rrset.RRset | None, signer: dns.name.Name, now: int
) -> str:
    """Why the signature does not hold; empty where it does."""
    if keys is None:
        return f"no key of {signer} to be had"
    try:
        dns.dnssec.validate(records, signed, {signer: keys}, now=now)
    except dns.exception.DNSException as error:
        return str(error) or type(error).__name__
    return ""
