"""An HTTP provider: answers by path, checks its credentials, fails as told."""

import asyncio
import base64
import json
import secrets
import ssl
from collections.abc import Callable, Mapping

from monitor.sandbox.provider import Provider
from monitor.sandbox.script import Fault

Answer = tuple[int, str, str]
"""Status, content type, body."""

_REASONS = {200: "OK", 202: "Accepted", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}
_REASONS |= {429: "Too Many Requests", 503: "Service Unavailable"}


def as_json(value: object) -> Answer:
    """A JSON answer."""
    return 200, "application/json", json.dumps(value)


def as_page(title: str, body: str) -> Answer:
    """An HTML answer."""
    return 200, "text/html; charset=utf-8", f"<!doctype html><title>{title}</title><h1>{title}</h1>{body}"


class HttpProvider(Provider):
    """Serves `paths` (path without its query to an answer, or to what makes one of a request's body).

    With `password`, basic authentication as any user is asked for.
    """

    def __init__(
        self,
        name: str,
        port: int,
        paths: Mapping[str, Answer | Callable[[bytes], Answer]],
        *,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        bad_tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(name, port, tls=tls, bad_tls=bad_tls)
        self._paths = paths
        self._password = password

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer, closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(min(int(headers.get("content-length", 0)), 1_000_000))
        method, path, *_ = [*head[0].split(" "), "", ""]
        status, kind, text = self._answer(path.partition("?")[0], headers, body)
        extra = "Retry-After: 30\r\n" if status in (429, 503) else ""
        payload = text.encode()
        writer.write(
            f"HTTP/1.1 {status} {_REASONS.get(status, 'OK')}\r\nServer: sandbox\r\n"
            f"X-Request-Id: {secrets.token_hex(8)}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(payload)}\r\n{extra}Connection: close\r\n\r\n".encode()
        )
        writer.write(b"" if method == "HEAD" else payload)

    def _answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self.fault == Fault.ERROR:
            return 503, "application/json", json.dumps({"message": "upstream unavailable"})
        if self.fault == Fault.THROTTLE:
            return 429, "application/json", json.dumps({"message": "too many requests"})
        if self.fault == Fault.WRONG_ANSWER:
            return 200, "text/html; charset=utf-8", "<!doctype html><title>Parked</title>This domain is parked."
        if self._password is not None and not self._knows(headers.get("authorization", "")):
            return 401, "application/json", json.dumps({"message": "Forbidden"})
        found = self._paths.get(path)
        if found is None:
            return 404, "application/json", json.dumps({"message": "not found"})
        return found(body) if callable(found) else found

    def _knows(self, authorization: str) -> bool:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return value == self._password
        try:
            return base64.b64decode(value).decode().partition(":")[2] == self._password
        except ValueError:
            return False
