"""HTTP/1.1 as a probe needs it: one fresh connection for each request, one attempt, everything bounded and recorded.

Rules:
1. Nothing is sent twice. A library that repeats a request after a lost connection hides the outage it meets.
2. Phases bear the names that blackbox_exporter gave them: resolve, connect, tls, processing (until the first byte),
   transfer (until the last).
3. At most ``max_body`` bytes of a body are unpacked and kept, at most READ_LIMIT are read at all.
4. Bytes that are not HTTP are known by the first of them: nobody waits for the deadline to be told.
5. What a proxy of ours does is never the provider's: its refusals, its errors and its silence are ours.
"""

import asyncio
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from probes._about import user_agent
from probes._answer import HEAD_LIMIT, Answer, Response
from probes._classify import failed
from probes._connect import connect_socket, cut, lost, open_stream, secure
from probes._cookies import Cookies
from probes._outcome import Failed, Fault
from probes._tls import TlsSettings
from probes._trace import BODY_BYTES, Trace
from probes._url import Url, parse

MAX_BODY = 1 << 20
"""How much of a body is unpacked and kept unless told otherwise."""
_PIECE = 65_536
_KEEP_METHOD = (307, 308)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What must not follow a redirect to another origin (RFC 9110 §15.4).
_PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "api-key", "x-auth-token"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy of ours; ``authorization`` is the value of Proxy-Authorization, or empty."""

    host: str
    port: int
    authorization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. ``headers`` are added to those that every request of ours has, and replace them."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How requests are made: address family, TLS, a proxy, bounds, how many redirects are followed, cookies."""

    ip: str = "any"
    tls: TlsSettings = field(default_factory=TlsSettings)
    proxy: Proxy | None = None
    max_body: int = MAX_BODY
    redirects: int = 0
    cookies: Cookies | None = None


async def fetch(trace: Trace, request: Request, ways: Ways) -> Response:
    """The answer to this request, redirects followed as far as ``ways`` allows. Raises Failed.

    The status is not judged here: any well-formed answer is one.
    """
    seen = {_place(request, ways)}
    hops = 0
    while True:
        response = await _exchange(trace, _with_cookies(request, ways), ways)
        if ways.cookies is not None:
            _keep_cookies(trace, response, ways.cookies)
        if not ways.redirects or response.status not in _REDIRECTS:
            if hops:
                trace.fact("redirects", hops)
                trace.fact("final_url", response.url)
            return response
        request = _redirected(request, response)
        hops += 1
        trace.note(f"redirect {hops} to {request.url}")
        place = _place(request, ways)
        if place in seen:
            raise failed("http", "redirect", "loop", f"redirected in a circle, back to {request.url}")
        if hops > ways.redirects:
            raise failed("http", "redirect", "too_many", f"more than {ways.redirects} redirects")
        seen.add(place)


def _place(request: Request, ways: Ways) -> tuple[object, ...]:
    """Where a chain of redirects is: the same address with other cookies is another place."""
    return request.method, request.url, ways.cookies.state() if ways.cookies is not None else None


def _with_cookies(request: Request, ways: Ways) -> Request:
    value = ways.cookies.header(parse(request.url)) if ways.cookies is not None else ""
    return replace(request, headers=(*request.headers, ("Cookie", value))) if value else request


def _keep_cookies(trace: Trace, response: Response, cookies: Cookies) -> None:
    for name, value in response.headers:
        if name == "set-cookie" and (secret := cookies.take(parse(response.url), value)) and len(secret) > 5:
            trace.conceal(secret)


def _redirected(request: Request, response: Response) -> Request:
    """The request that this redirect asks for (RFC 9110 §15.4)."""
    location = response.header("location")
    if not location:
        raise failed("http", "redirect", "nowhere", f"HTTP {response.status} without a Location", code=response.status)
    try:
        # Servers write names as they are, in bytes of whatever kind; a browser encodes those, and asks for them again.
        encoded = "".join(one if "!" <= one <= "~" else f"%{ord(one):02X}" for one in location.strip())
        url = urljoin(request.url, encoded).partition("#")[0]
        there, here = parse(url), parse(request.url)
    except ValueError as error:
        raise failed("http", "redirect", "nowhere", f"redirected to nowhere: {error}", code=response.status) from None
    headers = request.headers
    if there.origin != here.origin:
        headers = tuple((name, value) for name, value in headers if name.lower() not in (*_PRIVATE, "host"))
    if response.status in _KEEP_METHOD or request.method in ("GET", "HEAD"):
        return Request(url=url, method=request.method, headers=headers, body=request.body)
    headers = tuple((name, value) for name, value in headers if not name.lower().startswith("content-"))
    return Request(url=url, method="GET", headers=headers)


async def _exchange(trace: Trace, request: Request, ways: Ways) -> Response:
    """One request on one connection of its own."""
    url = parse(request.url)
    reader, writer = await _open(trace, url, ways)
    try:
        if ways.proxy is None or url.scheme == "https":
            return await _talk(trace, request, url, ways, reader, writer)
        return await _talk_through(trace, request, url, ways, reader, writer)
    except OSError as error:
        raise lost(error, "http", "answer") from None
    finally:
        cut(trace, writer)


async def _open(trace: Trace, url: Url, ways: Ways) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    tls = ways.tls if url.scheme == "https" else None
    if ways.proxy is None:
        return await open_stream(trace, url.host, url.port, ip=ways.ip, tls=tls, alpn="http/1.1")
    proxy = ways.proxy
    try:
        async with asyncio.timeout(_before_deadline(trace)):
            sock = await connect_socket(trace, proxy.host, proxy.port, ways.ip)
            trace.note(f"proxy {proxy.host}:{proxy.port}")
            if tls is None:
                return await asyncio.open_connection(sock=sock, limit=_PIECE)
            try:
                with trace.phase("proxy"):
                    await _tunnel(trace, sock, url, proxy)
            except BaseException:
                sock.close()
                raise
    except TimeoutError:
        raise failed("http", "proxy", "deadline", f"the proxy {proxy.host}:{proxy.port} did not answer") from None
    except OSError as error:
        raise failed("http", "proxy", "failed", f"connection to the proxy lost: {error.strerror or error}") from None
    except Failed as error:
        if error.outcome.fault is Fault.MONITOR:
            raise
        raise failed("http", "proxy", "unreachable", f"the proxy cannot be reached: {error.detail}") from None
    return await secure(trace, sock, url.host, tls, alpn="http/1.1", direct=False)


def _before_deadline(trace: Trace) -> float:
    """What is ours to blame must end a moment before the deadline, which is booked on the service."""
    return max(0.0, trace.remaining() - 0.03)


async def _tunnel(trace: Trace, sock: socket.socket, url: Url, proxy: Proxy) -> None:
    """Asks the proxy for a tunnel (RFC 9110 §9.3.6). It says nothing after its head until we do."""
    loop = asyncio.get_running_loop()
    where = f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}"
    head = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\nUser-Agent: {user_agent(trace.probe_id)}\r\n"
    if proxy.authorization:
        head += f"Proxy-Authorization: {proxy.authorization}\r\n"
    trace.sent(head)
    await loop.sock_sendall(sock, head.encode("latin-1") + b"\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = await loop.sock_recv(sock, 4096)
        answer += piece
        if not piece or len(answer) > HEAD_LIMIT:
            raise failed("http", "proxy", "failed", "the proxy closed the connection or does not speak HTTP")
    trace.received(answer.partition(b"\r\n\r\n")[0])
    fields = answer.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    status = int(fields[1]) if len(fields) > 1 and re.fullmatch("[0-9]{3}", fields[1]) else 0
    if not 200 <= status < 300:
        _proxy_refused(status, " ".join(fields[1:]))


def _proxy_refused(status: int, seen: str) -> None:
    if status == 407:
        raise failed("http", "proxy", "denied", f"the proxy refused us: {seen}", code=status)
    raise failed("http", "proxy", "failed", f"the proxy made no connection: {seen}", code=status)


async def _talk_through(
    trace: Trace,
    request: Request,
    url: Url,
    ways: Ways,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> Response:
    """A plain request through a proxy, which reads along: what goes wrong may be its own doing (rule 5)."""
    try:
        async with asyncio.timeout(_before_deadline(trace)):
            response = await _talk(trace, request, url, ways, reader, writer)
    except TimeoutError:
        raise failed("http", "proxy", "deadline", "no answer through the proxy by the deadline") from None
    except OSError as error:
        raise failed("http", "proxy", "failed", f"connection to the proxy lost: {error.strerror or error}") from None
    except Failed as error:
        if error.outcome.fault is not Fault.PROVIDER:
            raise
        raise failed("http", "proxy", "failed", f"through the proxy: {error.detail}", code=error.code) from None
    if response.status in (407, 502, 503, 504):
        _proxy_refused(response.status, f"{response.status} {response.reason}")
    return response


def _head(request: Request, url: Url, trace: Trace, proxy: Proxy | None) -> bytes:
    """The head as it goes on the wire. Names and values were checked when the configuration was read."""
    own = {name.lower() for name, _ in request.headers}
    target = url.target
    headers: list[tuple[str, str]] = []
    for name, value in (
        ("Host", url.authority),
        ("User-Agent", user_agent(trace.probe_id)),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "close"),
    ):
        if name.lower() not in own:
            headers.append((name, value))
    headers += request.headers
    if (request.body or request.method in ("POST", "PUT", "PATCH")) and "content-length" not in own:
        headers.append(("Content-Length", str(len(request.body))))
    if proxy is not None and url.scheme == "http":
        target = f"http://{url.authority}{url.target}"
        if proxy.authorization:
            headers.append(("Proxy-Authorization", proxy.authorization))
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


async def _talk(
    trace: Trace,
    request: Request,
    url: Url,
    ways: Ways,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> Response:
    head = _head(request, url, trace, ways.proxy)
    trace.sent(head)
    if request.body:
        trace.sent(request.body[:BODY_BYTES])
    with trace.phase("processing"):
        writer.write(head + request.body)
        first = await _first(trace, reader)
    with trace.phase("transfer"):
        answer = Answer(trace, request.method, ways.max_body)
        whole = answer.at_once(first)
        while not whole:
            whole = answer.feed(await reader.read(_PIECE))
    return answer.response(request.url)


async def _first(trace: Trace, reader: asyncio.StreamReader) -> bytes:
    """The first bytes of the answer, if they are those of HTTP/1 (rule 4)."""
    first = await reader.read(_PIECE)
    if not first:
        raise failed("http", "answer", "closed", "the connection was closed before an answer")
    if first[:5] != b"HTTP/"[: len(first)]:
        trace.received(first[:BODY_BYTES])
        seen = trace.redact(ascii(first[:24].decode("latin-1")))
        raise failed("http", "answer", "not_http", f"the answer is not HTTP/1: it begins with {seen}")
    return first


def headers_of(*groups: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Headers from mappings, a later one replacing those of the same name."""
    merged = {name.lower(): (name, value) for group in groups for name, value in group.items()}
    return tuple(merged.values())
