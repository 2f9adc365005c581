"""Whether a domain's mail can be trusted: SPF, DKIM keys, DMARC, MX and the reverse names of the sending addresses.

Each is a check with a name and a sentence; every one is made, and all that fail are told together. They are what the
support of a mail provider asks about first. What these records should be is the provider's or the domain's own doing;
a resolver of ours that does not answer is ours.
"""

import asyncio
import base64
import binascii
import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import Field

from probes._classify import failed
from probes._fields import Addresses, Domain, Domains, ProbeTarget, Strings
from probes._records import Answer, Records
from probes._spf import Checker, Ip, PermError, TempError
from probes._trace import Trace

Check = Literal["spf", "dkim", "dmarc", "mx", "ptr"]
_STRENGTH = ("none", "quarantine", "reject")
_BROKEN = ("servfail", "silent", "refused")
_MOST_LABELS = 8
_NOBODY = "240.0.0.1"
"""An address of the class that was never given out: nobody sends from it."""


class Target(ProbeTarget):
    """The domain, who sends for it, and how strict its records must be."""

    domain: Domain
    addresses: Addresses = Field(default=(), description="the addresses that send: SPF must pass, names must agree")
    selectors: Domains = Field(default=(), description="DKIM selectors that must have a usable key")
    checks: tuple[Check, ...] | None = Field(default=None, description="which to make; default: all that have settings")
    dmarc: Literal["none", "quarantine", "reject"] = Field(
        default="none", description="the weakest policy that will do"
    )
    dkim_bits: int = Field(default=1024, ge=512, le=8192, description="the shortest RSA key that will do")
    mx: Domains = Field(default=(), description="the mail servers that must be named")
    nameservers: Strings = Field(default=(), description="resolvers to ask in place of this machine's")


class _Wrong(Exception):
    """A check that does not hold; the text is the sentence."""


async def probe(target: Target, trace: Trace) -> None:
    """Makes every check and tells all that fail."""
    try:
        async with asyncio.timeout(trace.remaining() * 0.95):
            await _check_all(target, trace)
    except TimeoutError:
        seen = f"not all records could be read in time; the check of {trace.last_phase} was not finished"
        raise failed("mailauth", "any", "too_slow", seen) from None


async def _check_all(target: Target, trace: Trace) -> None:
    records = Records(trace, target.nameservers)
    checks: dict[str, Callable[[Target, Trace, Records], Awaitable[str]]] = {
        "spf": _spf, "dkim": _dkim, "dmarc": _dmarc, "mx": _mx, "ptr": _ptr,
    }  # fmt: skip
    wanted: tuple[str, ...] = target.checks or ("spf", *(["dkim"] if target.selectors else []), "dmarc", "mx",
                               *(["ptr"] if target.addresses else []))  # fmt: skip
    wrong: list[str] = []
    told: list[dict[str, object]] = []
    try:
        for name in wanted:
            with trace.phase(name):
                try:
                    says, holds = await checks[name](target, trace, records), True
                except _Wrong as error:
                    says, holds = str(error), False
                    wrong.append(f"{name}: {error}")
                except TempError as error:
                    raise await records.why_not(error.name, error.answer) from None
            told.append({"check": name, "holds": holds, "says": says})
            trace.fact(f"check_{name}", holds)
            trace.note(f"{name}: {'holds' if holds else 'fails'}: {says}")
    finally:
        records.close()
        trace.witness("checks", told)
    if wrong:
        raise failed("mailauth", "any", "check_failed", "; ".join(wrong))


async def _asked(records: Records, name: str, rdtype: str) -> Answer:
    answer = await records.ask(name, rdtype)
    if answer.state in _BROKEN:
        raise TempError(name, answer)
    return answer


# --- SPF -------------------------------------------------------------------------------------------------------------


async def _spf(target: Target, trace: Trace, records: Records) -> str:
    sender = f"postmaster@{target.domain}"
    walk = Checker(records, None, sender)
    try:
        result = await walk.check(target.domain)
    except PermError as error:
        raise _Wrong(f"the SPF record of {target.domain} cannot be used: {error}") from None
    trace.fact("spf_lookups", walk.lookups)
    trace.fact("spf_voids", walk.voids)
    if result == "none":
        raise _Wrong(f"{target.domain} has no SPF record")
    if walk.lookups > 10:
        raise _Wrong(f"SPF of {target.domain} needs {walk.lookups} DNS lookups; receivers stop after 10")
    if walk.voids > 2:
        raise _Wrong(f"SPF of {target.domain} has {walk.voids} lookups that find nothing; receivers stop after 2")
    anybody = await _result(records, ipaddress.ip_address(_NOBODY), sender)
    if anybody == "pass" and _NOBODY not in target.addresses:
        raise _Wrong(f"SPF of {target.domain} lets anybody send (an address of nobody passes)")
    for address in target.addresses:
        result = await _result(records, ipaddress.ip_address(address), sender)
        if result != "pass":
            raise _Wrong(f"SPF of {target.domain} gives {result} for {address}")
    passing = f", passes for {', '.join(target.addresses)}" if target.addresses else ""
    return f"{walk.lookups} of 10 DNS lookups{passing}"


async def _result(records: Records, ip: Ip, sender: str) -> str:
    try:
        return await Checker(records, ip, sender).check(sender.rpartition("@")[2])
    except PermError as error:
        return f"permerror ({error})"


# --- DKIM ------------------------------------------------------------------------------------------------------------


def tags(text: str) -> dict[str, str]:
    """The tag=value list of a DKIM or DMARC record (RFC 6376 §3.2); raises ValueError where it is none."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in found:
            raise ValueError(f"{part.strip()[:40]!r} is no tag=value, or stands twice")
        found[name] = value.strip()
    return found


def key_bits(text: str) -> tuple[str, int]:
    """The kind and length of the key in a DKIM record; raises ValueError saying what is wrong (RFC 6376 §3.6.1)."""
    found = tags(text)
    if "v" in found and (found["v"] != "DKIM1" or not text.lstrip().startswith("v")):
        raise ValueError("v= must be DKIM1 and come first")
    if "p" not in found:
        raise ValueError("there is no key (p=)")
    packed = re.sub(r"\s+", "", found["p"])
    if not packed:
        raise ValueError("the key was revoked (p= is empty)")
    try:
        der = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("p= is not base64; was it cut in the zone?") from None
    kind = found.get("k", "rsa").lower()
    if kind == "ed25519":
        if len(der) != 32:
            raise ValueError(f"an Ed25519 key has 32 bytes, this one {len(der)}")
        Ed25519PublicKey.from_public_bytes(der)
        return kind, 256
    if kind != "rsa":
        raise ValueError(f"k={kind} is not a kind of key that receivers know")
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, NotImplementedError):
        raise ValueError("p= is no public key; was it cut in the zone?") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("p= is a key, but not of RSA")
    return kind, key.key_size


async def _dkim(target: Target, trace: Trace, records: Records) -> str:
    good: list[str] = []
    for selector in target.selectors:
        name = f"{selector}._domainkey.{target.domain}"
        answer = await _asked(records, name, "TXT")
        if not answer.values:
            raise _Wrong(f"{name} does not exist")
        if len(answer.values) > 1:
            raise _Wrong(f"{name} has {len(answer.values)} records; receivers may take any of them")
        try:
            kind, bits = key_bits(answer.values[0])
        except ValueError as error:
            raise _Wrong(f"{name}: {error}") from None
        if kind == "rsa" and bits < target.dkim_bits:
            raise _Wrong(f"{name}: the key has {bits} bits, fewer than {target.dkim_bits}")
        flags = tags(answer.values[0]).get("t", "").split(":")
        good.append(f"{selector} {kind} {bits} bits" + (" (testing)" if "y" in flags else ""))
        trace.fact(f"dkim_bits_{selector}"[:60], bits)
    return ", ".join(good) or "no selector to check"


# --- DMARC -----------------------------------------------------------------------------------------------------------


async def _dmarc(target: Target, trace: Trace, records: Records) -> str:
    labels = target.domain.rstrip(".").split(".")
    # RFC 7489 §6.6.3 asks the organisation's domain next; which one that is only the tree tells without a list.
    for start in range(max(0, len(labels) - 1) or 1):
        if start and len(labels) - start > _MOST_LABELS:
            continue
        name = "_dmarc." + ".".join(labels[start:])
        found = [t for t in (await _asked(records, name, "TXT")).values if t.replace(" ", "").startswith("v=DMARC1")]
        if len(found) > 1:
            raise _Wrong(f"{name} has {len(found)} DMARC records; receivers then use none")
        if found:
            return _policy(target, trace, name, found[0], inherited=start > 0)
    raise _Wrong(f"{target.domain} has no DMARC record")


def _policy(target: Target, trace: Trace, name: str, text: str, *, inherited: bool) -> str:
    try:
        found = tags(text)
    except ValueError as error:
        raise _Wrong(f"{name}: {error}") from None
    policy = (found.get("sp") if inherited else None) or found.get("p", "")
    if policy.lower() not in _STRENGTH:
        raise _Wrong(f"{name}: the policy {policy!r} is not none, quarantine or reject")
    for reports in ("rua", "ruf"):
        for uri in filter(None, found.get(reports, "").split(",")):
            if not re.match(r"\s*(mailto:[^@\s]+@[^@\s]+|https?://)", uri, re.IGNORECASE):
                raise _Wrong(f"{name}: {reports} names {uri.strip()[:60]!r}, which is no mailto: address")
    share = found.get("pct", "100")
    if not share.isdigit() or int(share) > 100:
        raise _Wrong(f"{name}: pct={share[:10]} is no percentage")
    trace.fact("dmarc_policy", policy.lower())
    if _STRENGTH.index(policy.lower()) < _STRENGTH.index(target.dmarc):
        raise _Wrong(f"{name}: the policy is {policy.lower()}, weaker than {target.dmarc}")
    return f"policy {policy.lower()} for {share} % at {name}"


# --- MX and reverse names --------------------------------------------------------------------------------------------


async def _mx(target: Target, trace: Trace, records: Records) -> str:
    answer = await _asked(records, target.domain, "MX")
    names = [value.split()[-1].rstrip(".").lower() for value in answer.values]
    if not names:
        raise _Wrong(f"{target.domain} has no MX record")
    if "" in names:
        raise _Wrong(f"{target.domain} says that it takes no mail (null MX, RFC 7505)")
    for wanted in target.mx:
        if wanted.rstrip(".").lower() not in names:
            raise _Wrong(f"{target.domain} does not name {wanted} as mail server, but {', '.join(names)}")
    for name in names:
        if not await _forward(records, name):
            raise _Wrong(f"the mail server {name} has no address")
    trace.fact("mx", ", ".join(sorted(names))[:200])
    return ", ".join(names)


async def _forward(records: Records, name: str) -> tuple[str, ...]:
    four, six = await _asked(records, name, "A"), await _asked(records, name, "AAAA")
    return (*four.values, *six.values)


async def _ptr(target: Target, trace: Trace, records: Records) -> str:
    good: list[str] = []
    for text in target.addresses:
        ip = ipaddress.ip_address(text)
        names = (await _asked(records, ip.reverse_pointer, "PTR")).values
        if not names:
            raise _Wrong(f"{text} has no reverse name (PTR)")
        for name in names[:10]:
            if any(ipaddress.ip_address(found) == ip for found in await _forward(records, name)):
                good.append(f"{text} is {name.rstrip('.')}")
                break
        else:
            raise _Wrong(f"{text} has the reverse name {names[0].rstrip('.')}, which does not lead back to it")
    return ", ".join(good) or "no address to check"
