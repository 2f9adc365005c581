"""Who may call what. The rules, each with a test:

1. Without credentials, a peer that is not this machine gets what was made public and nothing else: not even whether
   something else exists (401 for every other path).
2. Reading is open on loopback, unless the settings close it or basic auth is configured. Loopback means: the peer's
   address is 127.0.0.0/8 or ::1, *and* the Host header names this machine (against DNS rebinding), *and* no proxy
   put its mark on the request. Such marks only ever take rights away; what they say is never believed.
3. A token reads with the scope ``read``, enters events with ``events``, reloads with ``manage``. Entering needs a
   token always. A client certificate that the TLS settings verify, and a user of basic auth, may read.
4. A browser's request from another site changes nothing: its Origin or Sec-Fetch-Site refuses it.
5. Failed credentials are slowed down by address; every address has a rate.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from aiohttp import web

from monitor.web.limits import Buckets
from monitor.web.ports import Caller, Tokens
from monitor.web.settings import WebSettings

SCOPES = ("read", "events", "manage")
"""What a token may be made for."""

PROXY_MARKS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
"""Headers that a proxy adds: a request that bears one did not begin on this machine."""

LOCAL_HOSTS = frozenset({"localhost", "ip6-localhost"})


class Access(StrEnum):
    """Who may call a route."""

    PUBLIC = "public"
    """Anyone; the handler itself shows only what was chosen."""
    ASSETS = "assets"
    """Anyone where a public page exists, else whoever may read: style, script and icon hold nothing secret."""
    READ = "read"
    ENTER = "enter"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who is asking, as far as it was shown."""

    peer: str
    """The peer's address; never what a header claims."""
    loopback: bool
    caller: Caller | None = None
    certificate: str | None = None
    user: str | None = None

    @property
    def known(self) -> bool:
        """Whether credentials were shown and are good."""
        return self.caller is not None or self.certificate is not None or self.user is not None


WHO: web.RequestKey[Who] = web.RequestKey("who", Who)
"""Under which a request keeps who asks."""


class Refusal(Exception):
    """The request is refused; `status` says how, the text says why."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def is_local_host(header: str | None, names: tuple[str, ...]) -> bool:
    """Whether a Host header names this machine: a loopback address, localhost, or one of the configured names."""
    if not header:
        return False
    try:
        host = (urlsplit(f"//{header}").hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    return host in LOCAL_HOSTS or is_loopback(host) or host in {name.lower() for name in names}


class Gate:
    """Decides for every request. `users` are names and bcrypt hashes of basic auth."""

    def __init__(self, tokens: Tokens | None, users: Mapping[str, str], sans: Sequence[str] = ()) -> None:
        self._tokens = tokens
        self._salt = secrets.token_bytes(16)
        self.admit(users, sans)
        self.failures = Buckets(rate=0.2, burst=10)

    def admit(self, users: Mapping[str, str], sans: Sequence[str] = ()) -> None:
        """Take these users and names of certificates from now on; what was proven against others is forgotten."""
        self._users = dict(users)
        self._sans = frozenset(sans)
        self._proven: dict[str, bytes] = {}

    async def identify(self, request: web.Request, settings: WebSettings) -> Who:
        """Who asks. Raises Refusal where credentials are shown that are not good."""
        transport = request.transport
        name = transport.get_extra_info("peername") if transport is not None else None
        peer = str(name[0]) if isinstance(name, tuple) and name else ""
        near = (
            is_loopback(peer)
            and is_local_host(request.headers.get("Host"), settings.hosts)
            and not any(mark in request.headers for mark in PROXY_MARKS)
        )
        certificate = _certificate(transport, self._sans)
        header = request.headers.get("Authorization")
        if header is None:
            return Who(peer=peer, loopback=near, certificate=certificate)
        if not self.failures.has(peer):
            raise Refusal(429, "Too many wrong credentials came from this address.", {"Retry-After": "60"})
        scheme, _, rest = header.partition(" ")
        caller: Caller | None = None
        user: str | None = None
        if scheme.lower() == "bearer" and self._tokens is not None:
            caller = await asyncio.to_thread(self._tokens.find, rest.strip())
        elif scheme.lower() == "basic":
            user = await self._user(rest.strip())
        if caller is None and user is None:
            self.failures.take(peer)
            raise Refusal(401, "These credentials are not known here, or no longer.", self.challenge())
        return Who(peer=peer, loopback=near, caller=caller, certificate=certificate, user=user)

    def challenge(self) -> dict[str, str]:
        """The header that says which credentials there are."""
        return {
            "WWW-Authenticate": 'Basic realm="slaproof", charset="UTF-8"' if self._users else 'Bearer realm="slaproof"'
        }

    def allow(self, access: Access, who: Who, request: web.Request, settings: WebSettings) -> None:
        """Return where the call is allowed. Raises Refusal otherwise."""
        if access is Access.PUBLIC or (access is Access.ASSETS and settings.public):
            return
        if access in (Access.READ, Access.ASSETS):
            if self.may_read(who, settings):
                return
            raise self._no(who, "reading")
        if _cross_site(request):
            raise Refusal(403, "A page of another site may not do this.")
        scope = "events" if access is Access.ENTER else "manage"
        if who.caller is not None and scope in who.caller.scopes:
            return
        if access is Access.MANAGE and who.loopback and not self._users and settings.loopback == "open":
            return
        if who.known:
            raise Refusal(403, f"This needs a token with the scope “{scope}”: slaproof token create --scope {scope}")
        if self.may_read(who, settings):
            raise Refusal(
                401, f"This needs a token with the scope “{scope}”.", {"WWW-Authenticate": 'Bearer realm="slaproof"'}
            )
        raise self._no(who, "this")

    def may_read(self, who: Who, settings: WebSettings) -> bool:
        """Whether the pages and the API may be read."""
        if who.caller is not None:
            return "read" in who.caller.scopes
        if who.certificate is not None or who.user is not None:
            return True
        return who.loopback and not self._users and settings.loopback == "open"

    def _no(self, who: Who, what: str) -> Refusal:
        if who.known:
            return Refusal(403, f"The token's scope does not cover {what}.")
        return Refusal(401, "Credentials are needed.", self.challenge())

    async def _user(self, encoded: str) -> str | None:
        """The user whose name and password these are. A good pair is remembered by its salted hash."""
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not colon:
            return None
        stored = self._users.get(name)
        proof = hashlib.sha256(self._salt + encoded.encode()).digest()
        known = self._proven.get(name)
        if stored is not None and known is not None and hmac.compare_digest(known, proof):
            return name
        # A name that is not known costs as much time as a wrong password.
        good = await asyncio.to_thread(_bcrypt, password, stored or _NOBODY)
        if not good or stored is None or self._users.get(name) != stored:  # another hash may have come meanwhile
            return None
        self._proven[name] = proof
        return name


_NOBODY = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"


def _bcrypt(password: str, stored: str) -> bool:
    import bcrypt

    raw = password.encode()
    if len(raw) > 72 or b"\0" in raw:
        return False
    try:
        return bcrypt.checkpw(raw, stored.encode())
    except ValueError:
        return False


def _certificate(transport: asyncio.BaseTransport | None, sans: frozenset[str]) -> str | None:
    """The subject of a client certificate that the handshake verified, and that bears one of the names asked for."""
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    if tls is None or tls.context.verify_mode == ssl.CERT_NONE:
        return None
    shown = tls.getpeercert()
    if not shown:
        return None
    if sans and not sans & {value for _, value in shown.get("subjectAltName", ())}:
        return None
    names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0] if names else "certificate"


def _cross_site(request: web.Request) -> bool:
    """Whether a browser says that another site's page sent this."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("Host")
