"""Web addresses, taken apart once and checked when the configuration is read."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from probes._fields import host as known_host

_UNSENDABLE = re.compile(r"[\s\0-\x1f\x7f]")


class Url(NamedTuple):
    """The parts of an absolute http or https URL, as they go on the wire."""

    scheme: str
    host: str
    port: int
    target: str
    authority: str
    """What stands in the Host header."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: who is asked."""
        return self[:3]


@lru_cache(maxsize=4096)
def parse(url: str) -> Url:
    """The parts of this URL; raises ValueError, in words for people, where it is none for HTTP."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError as error:
        raise ValueError(f"{url!r} is not a URL: {error}") from None
    if scheme not in ("http", "https") or not host or _UNSENDABLE.search(url):
        raise ValueError(f"{url!r} is not a web address; write it as https://host/path")
    if parts.username is not None:
        raise ValueError("a URL may not hold a user and password here: write them under auth")
    known_host(host)
    shown = f"[{host}]" if ":" in host else host
    standard = 443 if scheme == "https" else 80
    authority = shown if port in (None, standard) else f"{shown}:{port}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        target = "".join(c if c.isascii() else "".join(f"%{b:02X}" for b in c.encode()) for c in target)
    return Url(scheme, host, port or standard, target, authority)
