"""SPF (RFC 7208): records parsed, and evaluated for an address with the limits of §4.6.4.

Rules:
1. Ten terms that ask the DNS (include, a, mx, ptr, exists, redirect) in all, includes counted with what they include.
2. Two void lookups at the most, ten names behind an mx or ptr.
3. What breaks a limit or the grammar is PermError; a server that does not answer is TempError and says nothing of SPF.
"""

import ipaddress
import re
from typing import NamedTuple

from probes._records import Answer, Records

MOST_LOOKUPS, MOST_VOIDS, MOST_NAMES = 10, 2, 10
RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_TERM = re.compile(
    r"(?P<q>[+?~-])?(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?:(?P<sep>[:=])(?P<value>[^/\s]*))?(?P<cidr>/\S*)?"
)
_CIDR = re.compile(r"(?:/(\d{1,3}))?(?://(\d{1,3}))?")
_MACRO = re.compile(r"%(?:\{([A-Za-z])(\d*)(r?)([.\-+,/_=]*)\}|%|_|-)")
_MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
_NEED_VALUE = frozenset({"include", "ip4", "ip6", "exists"})
_ASK = frozenset({"include", "a", "mx", "ptr", "exists"})


class PermError(Exception):
    """The record cannot be used as it stands (§2.6.7); the text says why."""


class TempError(Exception):
    """The DNS did not answer (§2.6.6)."""

    def __init__(self, name: str, answer: Answer) -> None:
        super().__init__(f"no answer for {name}")
        self.name, self.answer = name, answer


class Term(NamedTuple):
    """A mechanism with its qualifier, its value and its two prefix lengths."""

    qualifier: str
    name: str
    value: str
    cidr4: int
    cidr6: int

    def __str__(self) -> str:
        sign = "" if self.qualifier == "+" else self.qualifier
        return f"{sign}{self.name}{':' if self.value else ''}{self.value}"


class Record(NamedTuple):
    """A parsed record."""

    terms: tuple[Term, ...]
    redirect: str | None


def is_spf(text: str) -> bool:
    """Whether a TXT record is one of SPF (§4.5): the version, then a space or the end."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def parse(text: str) -> Record:
    """The record in this text; raises PermError naming the term that is wrong (§4.6)."""
    terms: list[Term] = []
    redirect: str | None = None
    for word in text.split()[1:]:
        found = _TERM.fullmatch(word)
        if found is None:
            raise PermError(f"{word!r} is no term of SPF")
        name, value = found["name"].lower(), found["value"] or ""
        if found["sep"] == "=":
            if found["q"]:
                raise PermError(f"the modifier {word!r} bears a qualifier")
            if name == "redirect":
                if redirect is not None or not value:
                    raise PermError("redirect stands twice or names nothing")
                redirect = value
            continue
        terms.append(_mechanism(word, found["q"] or "+", name, value, found["cidr"] or ""))
    return Record(tuple(terms), redirect)


def _mechanism(word: str, qualifier: str, name: str, value: str, cidr: str) -> Term:
    if name not in _MECHANISMS:
        raise PermError(f"{word!r} is no mechanism of SPF")
    if name in _NEED_VALUE and not value:
        raise PermError(f"{name} needs a value")
    found = _CIDR.fullmatch(cidr)
    if found is None or (cidr and name in ("all", "include", "ptr", "exists")):
        raise PermError(f"{word!r} has a wrong prefix length")
    four, six = int(found[1] or 32), int(found[2] or 128)
    if name in ("ip4", "ip6"):
        try:
            ipaddress.ip_network(f"{value}{cidr}", strict=False)
            right = ipaddress.ip_address(value).version == (4 if name == "ip4" else 6)
        except ValueError:
            right = False
        if not right:
            raise PermError(f"{word!r} is no network")
        six = int(found[1] or 128) if name == "ip6" else six
    elif four > 32 or six > 128:
        raise PermError(f"{word!r} has a wrong prefix length")
    return Term(qualifier, name, value, four, six)


class Checker:
    """Evaluates SPF for one sender; ``lookups`` and ``voids`` count as §4.6.4 does.

    With ``ip`` None nothing ever matches, so that the whole record is walked: that counts the most lookups it can take.
    """

    def __init__(self, records: Records, ip: Ip | None, sender: str, helo: str = "") -> None:
        self._records, self._ip, self._sender, self._helo = records, ip, sender, helo
        self.lookups = 0
        self.voids = 0
        self.limit = MOST_LOOKUPS if ip is not None else 100
        self.matched = ""

    async def check(self, domain: str, depth: int = 0) -> str:
        """``pass``, ``fail``, ``softfail``, ``neutral`` or ``none``; raises PermError, TempError."""
        if depth > 20:
            raise PermError("include or redirect goes round in a circle")
        texts = [text for text in (await self._ask(domain, "TXT", void=False)).values if is_spf(text)]
        if not texts:
            return "none"
        if len(texts) > 1:
            raise PermError(f"{domain} has {len(texts)} SPF records; only one is allowed")
        record = parse(texts[0])
        for term in record.terms:
            if await self._matches(term, domain, depth):
                self.matched = f"{term} of {domain}"
                return RESULTS[term.qualifier]
            if term.name == "all":
                return "neutral"
        if record.redirect is not None:
            self._count()
            result = await self.check(self._expand(record.redirect, domain), depth + 1)
            if result == "none":
                raise PermError(f"redirect names {record.redirect}, which has no SPF record")
            return result
        return "neutral"

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > self.limit:
            raise PermError(f"more than {self.limit} DNS lookups are needed")

    async def _ask(self, name: str, rdtype: str, *, void: bool = True) -> Answer:
        answer = await self._records.ask(name, rdtype)
        if answer.state in ("servfail", "silent", "refused"):
            raise TempError(name, answer)
        if void and answer.void:
            self.voids += 1
            if self.voids > MOST_VOIDS and self._ip is not None:
                raise PermError(f"more than {MOST_VOIDS} lookups find nothing, the last {name}")
        return answer

    async def _matches(self, term: Term, domain: str, depth: int) -> bool:
        if term.name in _ASK:
            self._count()
        target = self._expand(term.value, domain) if term.value else domain
        if term.name == "all":
            return self._ip is not None
        if term.name in ("ip4", "ip6"):
            return self._in(term.value, term)
        if term.name == "include":
            result = await self.check(target, depth + 1)
            if result == "none":
                raise PermError(f"include names {target}, which has no SPF record")
            return result == "pass"
        if term.name == "a":
            return await self._host(target, term)
        if term.name == "mx":
            names = [value.split()[-1] for value in (await self._ask(target, "MX")).values]
            if len(names) > MOST_NAMES:
                raise PermError(f"mx of {target} has more than {MOST_NAMES} names")
            found = [await self._host(name, term) for name in names if name != "."]
            return any(found)
        if term.name == "exists":
            answer = await self._ask(target, "A") if self._ip is not None or "%" not in term.value else Answer("empty")
            return bool(answer.values) and self._ip is not None
        return await self._ptr(target)

    async def _host(self, name: str, term: Term) -> bool:
        rdtype = "AAAA" if self._ip is not None and self._ip.version == 6 else "A"
        addresses = (await self._ask(name, rdtype)).values
        return any(self._in(address, term) for address in addresses)

    def _in(self, address: str, term: Term) -> bool:
        if self._ip is None:
            return False
        version = ipaddress.ip_address(address).version
        prefix = term.cidr4 if version == 4 else term.cidr6
        return self._ip.version == version and self._ip in ipaddress.ip_network(f"{address}/{prefix}", strict=False)

    async def _ptr(self, target: str) -> bool:
        if self._ip is None:
            return False
        names = (await self._ask(self._ip.reverse_pointer, "PTR")).values[:MOST_NAMES]
        rdtype = "A" if self._ip.version == 4 else "AAAA"
        for name in names:
            plain = name.rstrip(".").lower()
            if plain == target.lower() or plain.endswith("." + target.lower()):
                answer = await self._records.ask(name, rdtype)
                if any(ipaddress.ip_address(value) == self._ip for value in answer.values):
                    return True
        return False

    def _expand(self, text: str, domain: str) -> str:
        """Macros (§7). ``p`` is never looked up: §7.3 advises against it."""
        ip = self._ip or ipaddress.IPv4Address("0.0.0.0")
        local, _, rest = self._sender.rpartition("@")
        dotted = str(ip) if ip.version == 4 else ".".join(ip.exploded.replace(":", ""))
        values = {
            "s": self._sender, "l": local or "postmaster", "o": rest, "d": domain, "i": dotted, "p": "unknown",
            "v": "in-addr" if ip.version == 4 else "ip6", "h": self._helo or rest,
        }  # fmt: skip

        def one(found: re.Match[str]) -> str:
            if found[1] is None:
                return {"%%": "%", "%_": " ", "%-": "%20"}[found[0]]
            value = values.get(found[1].lower())
            if value is None:
                raise PermError(f"{found[0]} is no macro")
            parts = re.split(f"[{re.escape(found[4] or '.')}]", value)
            if found[3]:
                parts.reverse()
            return ".".join(parts[-int(found[2]) :] if found[2] and int(found[2]) else parts)

        if re.search(r"%(?![{%_-])|%\{(?![A-Za-z]\d*r?[.\-+,/_=]*\})", text):
            raise PermError(f"{text!r} holds a broken macro")
        return _MACRO.sub(one, text)[:253].rstrip(".")
