"""Templates to HTML: one environment, autoescaped, with the words of the reader's language."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from aiohttp import web

from monitor.sla.instants import local_date, parse_instant
from monitor.sla.period import Period
from monitor.times import iso
from monitor.version import version
from monitor.web.settings import WebSettings
from monitor.web.words import LANGUAGES, Words, choose_language, utc

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
    "X-Frame-Options": "SAMEORIGIN",
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@cache
def environment() -> jinja2.Environment:
    """The templates; a name that is not given is an error and never an empty text."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("monitor.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def static(name: str) -> tuple[bytes, str] | None:
    """The bytes and the hash of a static file; None where there is none of that name."""
    if name not in {entry.name for entry in files("monitor.web").joinpath("static").iterdir()}:
        return None
    body = files("monitor.web").joinpath("static", name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a static file, which changes with its content."""
    found = static(name)
    assert found is not None, f"there is no static file {name}"
    return f"/static/{found[1]}/{name}"


def language(request: web.Request, settings: WebSettings) -> str:
    """The language of the answer: the reader's choice, the settings', the browser's."""
    return choose_language(request.cookies.get("lang"), request.headers.get("Accept-Language"), settings.language)


def html(
    template: str, words: Words, *, section: str, here: str, settings: WebSettings, live: bool = True, **values: Any
) -> str:
    """A whole page."""
    return (
        environment()
        .get_template(template)
        .render(
            w=words,
            t=words.t,
            tn=words.n,
            iso=iso,
            utc=utc,
            days_of=days_of,
            instant=instant,
            in_order=in_order,
            asset=asset,
            languages=LANGUAGES,
            section=section,
            here=here,
            live=live,
            refresh=settings.refresh,
            version=version(),
            **values,
        )
    )


def in_order(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What an event says, in the order in which one would tell it: what and from when to when, then the rest."""
    first = ("id", "kind", "reason", "start", "end", "announced")
    return sorted(data.items(), key=lambda one: first.index(one[0]) if one[0] in first else len(first))


def days_of(zone: str, period: Period) -> str:
    """The first and the last day of a period, as the contract's calendar names them."""
    return f"{local_date(zone, period.start)} – {local_date(zone, period.end - 1)}"


def instant(value: object) -> int | None:
    """The milliseconds of a text that is an instant; None for anything else."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        return parse_instant(value)
    except ValueError:
        return None


def page(text: str, *, status: int = 200) -> web.Response:
    """An HTML answer that is not kept by anyone."""
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-cache"})


def policy_of(text: str) -> str:
    """A policy for one self-contained page: its own scripts and styles, by their hashes, and no network."""

    def hashes(tag: str) -> str:
        bodies = re.findall(rf"<{tag}(?:\s[^>]*)?>(.*?)</{tag}>", text, flags=re.S)
        digests = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
        return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"

    return (
        f"default-src 'none'; script-src {hashes('script')}; style-src {hashes('style')}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
