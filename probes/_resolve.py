"""Names to addresses, asked afresh for every probe, with the answers kept as evidence.

Rules:
1. An address stands for itself, and one of the family that is not wanted is our mistake. /etc/hosts comes before the
   DNS, as on the rest of the machine.
2. Nothing is cached: a probe sees what a new client would see now.
3. When no answer comes, a control question (the root's name servers, which every resolver knows) tells whether the
   resolver works: if it does, the name's own servers are at fault; if not, we are.
"""

import asyncio
import ipaddress
from functools import lru_cache
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from probes._classify import failed
from probes._datagrams import BACKEND
from probes._outcome import Failed
from probes._trace import Trace

_HOSTS = Path("/etc/hosts")
_RESOLV = Path("/etc/resolv.conf")
_CONTROL_S = 1.0
_TYPES = {"4": ("A",), "6": ("AAAA",), "any": ("AAAA", "A")}


async def resolve(trace: Trace, host: str, ip: str = "any") -> list[str]:
    """The addresses of ``host`` in the order to try them. Raises Failed (outcomes dns or local) where there is none."""
    if address := literal(host):
        return [_wanted(address, ip)]
    with trace.phase("resolve"):
        return await _lookup(trace, host, ip)


@lru_cache(maxsize=4096)
def literal(host: str) -> str | None:
    """The address that this text is, in its usual form; None where it is a name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


def _wanted(address: str, ip: str) -> str:
    if ip != "any" and str(ipaddress.ip_address(address).version) != ip:
        raise failed("net", "resolve", "other_family", f"{address} is not an IPv{ip} address")
    return address


async def _lookup(trace: Trace, host: str, ip: str) -> list[str]:
    if known := [a for a in from_hosts(host) if _is(a, ip)]:
        trace.witness("resolver", {"source": str(_HOSTS), "addresses": known})
        return known
    resolver = resolver_for(trace.nameservers)
    budget = max(0.05, trace.remaining() * 0.6)
    answers = await asyncio.gather(*(_ask(resolver, host, t, budget) for t in _TYPES[ip]))
    trace.witness("resolver", {"servers": servers(resolver), "answers": [seen for _, _, seen in answers]})
    if addresses := [address for found, _, _ in answers for address in found]:
        return addresses
    raise await _why_not(trace, resolver, host, ip, {state for _, state, _ in answers})


async def _ask(
    resolver: dns.asyncresolver.Resolver, host: str, rdtype: str, budget: float
) -> tuple[list[str], str, dict[str, object]]:
    """Addresses, a state (``answer``, ``nxdomain``, ``empty``, ``servfail``, ``silent``), and what to keep."""
    try:
        # dnspython may sleep beyond its lifetime before it asks again.
        async with asyncio.timeout(budget):
            answer = await resolver.resolve(host, rdtype, lifetime=budget, raise_on_no_answer=False, backend=BACKEND)
    except dns.resolver.NXDOMAIN:
        return [], "nxdomain", {"type": rdtype, "error": "NXDOMAIN"}
    except dns.resolver.YXDOMAIN as error:
        return [], "servfail", {"type": rdtype, "error": str(error)}
    except dns.resolver.NoNameservers as error:
        return [], "servfail", {"type": rdtype, "error": str(error)}
    except (dns.exception.Timeout, TimeoutError) as error:
        return [], "silent", {"type": rdtype, "error": str(error) or "no answer in time"}
    except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.NameTooLong, UnicodeError) as error:
        return [], "nxdomain", {"type": rdtype, "error": str(error)}
    found = [r.address for r in answer] if answer.rrset is not None else []
    seen: dict[str, object] = {"type": rdtype, "addresses": found}
    if answer.rrset is not None:
        seen |= {"ttl": answer.rrset.ttl, "name": str(answer.canonical_name)}
    return found, "answer" if found else "empty", seen


async def _why_not(trace: Trace, resolver: dns.asyncresolver.Resolver, host: str, ip: str, states: set[str]) -> Failed:
    if "nxdomain" in states:
        return failed("net", "resolve", "nxdomain", f"{host} does not exist (NXDOMAIN)")
    if states == {"empty"} or states == {"empty", "answer"}:
        return failed(
            "net", "resolve", "no_address", f"{host} has no address" + (f" for IPv{ip}" if ip != "any" else "")
        )
    works = await control(resolver, min(_CONTROL_S, max(0.05, trace.remaining() * 0.8)))
    trace.note(
        "the resolver answers a control question" if works else "the resolver does not answer a control question"
    )
    if not works:
        return failed("net", "resolve", "no_resolver", f"no resolver answered while looking up {host}")
    if "servfail" in states:
        return failed("net", "resolve", "servfail", f"{host} cannot be resolved (SERVFAIL), other names can")
    # It may have come back between the two questions: only a name that is silent now is silent by itself.
    budget = max(0.05, trace.remaining() * 0.6)
    again = await asyncio.gather(*(_ask(resolver, host, t, budget) for t in _TYPES[ip]))
    if any(state != "silent" for _, state, _ in again):
        trace.note("the resolver, asked for the name again, answers")
        return failed("net", "resolve", "no_resolver", f"no resolver answered for {host} at first, and then it did")
    return failed("net", "resolve", "silent_zone", f"no answer for {host} in time, other names resolve")


async def control(resolver: dns.asyncresolver.Resolver, budget: float) -> bool:
    """Whether the resolver works at all: it answers, in any way but failure, who serves the root."""
    try:
        # dnspython pauses between its questions, and does not count the pause against the lifetime.
        async with asyncio.timeout(budget):
            await resolver.resolve(".", "NS", lifetime=budget, raise_on_no_answer=False, search=False, backend=BACKEND)
    except TimeoutError:
        return False
    except dns.resolver.NXDOMAIN:
        return True
    except dns.resolver.NoNameservers as error:
        # REFUSED is an answer: the server is alive and serves only its own zones.
        return "REFUSED" in str(error)
    except dns.exception.DNSException:
        return False
    return True


def resolver_for(nameservers: tuple[str, ...]) -> dns.asyncresolver.Resolver:
    """A resolver that asks these servers (``address`` or ``address:port``), or the system's, without a cache."""
    try:
        stamp = _RESOLV.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _resolver(nameservers, stamp)


@lru_cache(maxsize=64)
def _resolver(nameservers: tuple[str, ...], stamp: int) -> dns.asyncresolver.Resolver:
    made = dns.asyncresolver.Resolver(configure=not nameservers and stamp != 0)
    if nameservers:
        made.nameservers = [dns.nameserver.Do53Nameserver(*_address(entry)) for entry in nameservers]
    made.cache = None
    made.timeout = 1.5
    return made


def _address(entry: str) -> tuple[str, int]:
    if literal(entry):
        return entry.strip("[]"), 53
    host, _, port = entry.rpartition(":")
    return host.strip("[]"), int(port)


def servers(resolver: dns.asyncresolver.Resolver) -> list[str]:
    """The resolver's servers as text, for evidence."""
    return [str(server) for server in resolver.nameservers]


def from_hosts(host: str) -> tuple[str, ...]:
    """The addresses that /etc/hosts gives the name."""
    try:
        return _hosts(_HOSTS.stat().st_mtime_ns).get(host.lower().rstrip("."), ())
    except OSError:  # a container may have none, or hide it from us
        return ()


@lru_cache(maxsize=2)
def _hosts(_stamp: int) -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    with _HOSTS.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.split("#", 1)[0].split()
            if len(fields) > 1 and literal(fields[0]):
                for name in fields[1:]:
                    table[name.lower()] = (*table.get(name.lower(), ()), fields[0])
    return table


def _is(address: str, ip: str) -> bool:
    return ip == "any" or str(ipaddress.ip_address(address).version) == ip
