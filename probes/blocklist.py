"""Whether sending addresses and domains stand on blocklists (DNSBL, RFC 5782).

Rules:
1. Listed is an answer in 127.0.0.0/8 that the list gives to listings; its code is named, its reason (TXT) kept.
2. An answer that means "you may not ask" (127.255.255.0/24, 127.0.0.1, REFUSED), a list that fails, is silent or lists
   everything, is no listing: nothing can be said, and that is ours.
3. A listing on one list stands, whatever the other lists do.
"""

import asyncio
import ipaddress
import re
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints, model_validator

from probes._classify import failed
from probes._fields import Addresses, Domains, ProbeTarget, Strings
from probes._records import Records
from probes._trace import Trace

_ZEN = {
    "127.0.0.2": "SBL: a source of spam", "127.0.0.3": "CSS: a source of low-reputation mail",
    "127.0.0.4": "XBL: an infected or abused machine", "127.0.0.5": "XBL: an infected or abused machine",
    "127.0.0.6": "XBL: an infected or abused machine", "127.0.0.7": "XBL: an infected or abused machine",
    "127.0.0.9": "DROP: hijacked network", "127.0.0.10": "PBL: an end user's address, says its network",
    "127.0.0.11": "PBL: an end user's address",
}  # fmt: skip
_DBL = {
    "127.0.1.2": "spam domain", "127.0.1.4": "phishing domain", "127.0.1.5": "malware domain",
    "127.0.1.6": "botnet controller", "127.0.1.102": "abused legitimate domain",
    "127.0.1.103": "abused redirector", "127.0.1.104": "abused legitimate domain, phishing",
    "127.0.1.105": "abused legitimate domain, malware", "127.0.1.106": "abused legitimate domain, botnet",
}  # fmt: skip
_BARRACUDA = {"127.0.0.2": "a source of spam"}
_SPAMCOP = {"127.0.0.2": "reported as a source of spam"}
_SORBS_LIKE = {"127.0.0.2": "listed"}
MEANINGS: dict[str, dict[str, str]] = {
    "zen.spamhaus.org": _ZEN, "sbl.spamhaus.org": _ZEN, "xbl.spamhaus.org": _ZEN, "pbl.spamhaus.org": _ZEN,
    "dbl.spamhaus.org": _DBL, "b.barracudacentral.org": _BARRACUDA, "bl.spamcop.net": _SPAMCOP,
    "psbl.surriel.com": _SORBS_LIKE,
}  # fmt: skip
"""What the codes of well-known lists mean; of others the code itself is told."""
_NOT_ALLOWED = {
    "127.255.255.252": "the list's name is mistyped",
    "127.255.255.254": "it does not answer to public resolvers",
    "127.255.255.255": "too many queries from here",
    "127.0.0.1": "it does not answer to us",
}

ListName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]


class Target(ProbeTarget):
    """What to look up, and where."""

    addresses: Addresses = Field(default=(), description="sending addresses, looked up in lists")
    domains: Domains = Field(default=(), description="domains, looked up in domain_lists")
    lists: tuple[ListName, ...] = Field(default=(), description="blocklists of addresses, such as zen.spamhaus.org")
    domain_lists: tuple[ListName, ...] = Field(
        default=(), description="blocklists of domains, such as dbl.spamhaus.org"
    )
    ignore: Strings = Field(default=(), description="codes that do not count, such as 127.0.0.10")
    nameservers: Strings = Field(default=(), description="resolvers to ask in place of this machine's")

    @model_validator(mode="after")
    def _whole(self) -> "Target":
        if bool(self.addresses) != bool(self.lists):
            raise ValueError("addresses: and lists: belong together; write both or neither")
        if bool(self.domains) != bool(self.domain_lists):
            raise ValueError("domains: and domain_lists: belong together; write both or neither")
        if not self.addresses and not self.domains:
            raise ValueError("write addresses: and lists:, or domains: and domain_lists:")
        return self


class _Finding(NamedTuple):
    what: str
    where: str
    codes: tuple[str, ...]
    problem: str = ""
    reason: str = ""

    def sentence(self) -> str:
        """The listing for people."""
        meanings = MEANINGS.get(self.where.lower().rstrip("."), {})
        codes = ", ".join(f"{code} ({meanings[code]})" if code in meanings else code for code in self.codes)
        return f"{self.what} is listed by {self.where} with {codes}" + (f": {self.reason}" if self.reason else "")


def query_name(what: str, where: str) -> str:
    """The name to ask (RFC 5782 §2.1, §2.4): the address reversed, by bytes or by nibbles, or the domain."""
    try:
        address = ipaddress.ip_address(what)
    except ValueError:
        return f"{what.rstrip('.')}.{where}"
    return f"{address.reverse_pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{where}"


async def probe(target: Target, trace: Trace) -> None:
    """Looks everything up at once."""
    pairs = [(what, where) for where in target.lists for what in target.addresses]
    pairs += [(what, where) for where in target.domain_lists for what in target.domains]
    records = Records(trace, target.nameservers)
    try:
        with trace.phase("lookup"):
            async with asyncio.timeout(trace.remaining() * 0.95):
                looks = (_look(records, what, where, target.ignore) for what, where in pairs)
                findings = await asyncio.gather(*looks)
    except TimeoutError:
        raise failed("blocklist", "lookup", "unusable", "not all lists could be asked in time") from None
    finally:
        records.close()
    listed = [finding for finding in findings if finding.codes]
    unusable = [finding for finding in findings if finding.problem]
    trace.fact("lists_asked", len(pairs))
    trace.fact("listed", len(listed))
    trace.witness("listings", [finding._asdict() for finding in (*listed, *unusable)])
    if listed:
        raise failed("blocklist", "lookup", "listed", "; ".join(finding.sentence() for finding in listed))
    if unusable:
        problems = dict.fromkeys(f"{finding.where}: {finding.problem}" for finding in unusable)
        raise failed("blocklist", "lookup", "unusable", "; ".join(problems))


async def _look(records: Records, what: str, where: str, ignore: tuple[str, ...]) -> _Finding:
    name = query_name(what, where)
    answer = await records.ask(name, "A")
    if answer.void:
        return _Finding(what, where, ())
    if not answer.values:
        problem = {"refused": "it refuses to answer us", "silent": "it did not answer"}.get(answer.state, "it fails")
        return _Finding(what, where, (), problem)
    for code in answer.values:
        if code in _NOT_ALLOWED or code.startswith("127.255.255."):
            return _Finding(what, where, (), f"{_NOT_ALLOWED.get(code, 'it does not answer to us')} ({code})")
        if not code.startswith("127."):
            return _Finding(what, where, (), f"its answer {code} is no code of a list; is it still run?")
    codes = tuple(sorted((code for code in answer.values if code not in ignore), key=ipaddress.ip_address))
    if not codes:
        return _Finding(what, where, ())
    if await _lists_everything(records, what, where):
        return _Finding(what, where, (), "it lists everything, even what no list may")
    reason = " ".join((await records.ask(name, "TXT")).values)
    return _Finding(what, where, codes, reason=re.sub(r"\s+", " ", reason)[:200])


async def _lists_everything(records: Records, what: str, where: str) -> bool:
    """Whether the list answers what must never be listed (RFC 5782 §5): 127.0.0.1, ::1, the name INVALID."""
    try:
        never = "127.0.0.1" if ipaddress.ip_address(what).version == 4 else "::1"
    except ValueError:
        never = "invalid"
    return bool((await records.ask(query_name(never, where), "A")).values)
