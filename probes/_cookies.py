"""The cookies of one probe, as far as a login needs them (RFC 6265 §5; no public suffix list, no expiry)."""

import re
from typing import NamedTuple

from probes._url import Url

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST = 50


class _Cookie(NamedTuple):
    domain: str
    exact: bool
    path: str
    secure: bool
    value: str


class Cookies:
    """Takes what Set-Cookie says and gives what Cookie should. It lives as long as one probe."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], _Cookie] = {}

    def take(self, url: Url, header: str) -> str | None:
        """Keeps the cookie of one Set-Cookie header that ``url`` answered with; its value, or None if it is refused."""
        pair, *attributes = header.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not _NAME.fullmatch(name) or len(pair) > 4096 or re.search(r"[\x00-\x1f\x7f]", value):
            return None
        said = {key.strip().lower(): item.strip() for key, _, item in (a.partition("=") for a in attributes)}
        domain = said.get("domain", "").lstrip(".").lower()
        if domain and not _within(url.host, domain):
            return None
        path = said.get("path", "")
        if not path.startswith("/"):
            path = url.target.partition("?")[0].rpartition("/")[0] or "/"
        key = (name, domain or url.host, path)
        self._kept.pop(key, None)
        if said.get("max-age", "1").startswith(("-", "0")) or "1970" in said.get("expires", ""):
            return None
        if len(self._kept) < _MOST:
            self._kept[key] = _Cookie(domain or url.host, not domain, path, "secure" in said, value)
        return value

    def header(self, url: Url) -> str:
        """The value of the Cookie header for this URL, longer paths first; empty where there is none."""
        path = url.target.partition("?")[0]
        fitting = [
            (name, cookie)
            for (name, _, _), cookie in self._kept.items()
            if (cookie.domain == url.host if cookie.exact else _within(url.host, cookie.domain))
            and (path == cookie.path or path.startswith(cookie.path.rstrip("/") + "/"))
            and (url.scheme == "https" or not cookie.secure)
        ]
        fitting.sort(key=lambda item: -len(item[1].path))
        return "; ".join(f"{name}={cookie.value}" for name, cookie in fitting)

    def state(self) -> frozenset[object]:
        """What is kept, for telling whether anything changed."""
        return frozenset(self._kept.items())


def _within(host: str, domain: str) -> bool:
    return host == domain or (host.endswith("." + domain) and not host.replace(".", "").isdigit())
