"""What the kinds that speak HTTP have in common: their settings, and how an answer is judged."""

import base64
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from probes._answer import Response
from probes._classify import failed
from probes._fields import Duration, ProbeTarget, Regex, Settings, Statuses
from probes._http import MAX_BODY, Proxy, Request, Ways, headers_of
from probes._outcome import Failed
from probes._pem import CertificateFile
from probes._search import search
from probes._tls import TlsSettings
from probes._trace import Trace
from probes._url import parse

REDIRECTS = 10
"""How many redirects are followed where they are."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _web_address(value: str) -> str:
    parse(value)
    return value


def _header(value: Any) -> Any:
    if isinstance(value, dict):
        for name, text in value.items():
            if not _TOKEN.fullmatch(str(name)):
                raise ValueError(f"{name!r} is not the name of a header; write letters, digits and dashes")
            if re.search(r"[\r\n\0]", str(text)) or str(text) != str(text).strip():
                raise ValueError(f"the value of {name} may not hold line ends or begin or end with a space")
    return value


def _texts(value: Any) -> Any:
    """Expected values are written as text, whatever JSON makes of them."""
    if isinstance(value, dict):
        return {key: item if isinstance(item, str) else json.dumps(item) for key, item in value.items()}
    return value


def _path(value: str) -> str:
    _compiled(value)
    return value


@lru_cache(maxsize=1024)
def _compiled(path: str) -> Any:
    import jsonpath  # a dear import, and few targets need it

    try:
        return jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        reason = str(error).split("\n", 1)[0]
        raise ValueError(f"{path!r} is not a JSONPath: {reason}; write for example $.state") from None


def _json_text(value: Any) -> str:
    """JSON to send: a text that is JSON, or a mapping or list written in YAML (its scalars are texts)."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        json.loads(value)
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}; for numbers write the whole body as JSON text") from None
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
"""An absolute http or https URL."""

Headers = Annotated[dict[str, str], BeforeValidator(_header)]
"""Header names and values."""

JsonPath = Annotated[str, AfterValidator(_path)]
"""A JSONPath (RFC 9535)."""


class Auth(Settings):
    """``username`` and ``password`` (Basic), or a ``token`` (Bearer)."""

    username: str | None = None
    password: str | None = None
    token: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Auth":
        if (self.username is None) == (self.token is None) or (self.password is None) != (self.username is None):
            raise ValueError("write either username and password, or token")
        return self

    def header(self) -> str:
        """The value of the Authorization header."""
        if self.token is not None:
            return f"Bearer {self.token}"
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Expect(Settings):
    """What a good answer is. All that is named must hold; a status is always judged (default: any 2xx)."""

    status: Statuses | None = Field(default=None, description="the statuses that are good; default: any 2xx")
    body: Regex | None = Field(default=None, description="a regular expression that the body must match somewhere")
    body_not: Regex | None = Field(default=None, description="a regular expression that the body must not match")
    json_: Annotated[dict[JsonPath, str], BeforeValidator(_texts)] = Field(
        default_factory=dict, alias="json", description="JSONPath to the value that every match must have"
    )
    headers: dict[str, Regex] = Field(default_factory=dict, description="headers and what their values must match")
    headers_not: dict[str, Regex] = Field(default_factory=dict, description="headers and what they must not match")
    within: Duration | None = Field(default=None, description="the whole probe must take no longer than this")


class Captured(Settings):
    """Where a value stands in the answer: one of ``json`` (a JSONPath), ``regex`` (its first group), ``header``."""

    json_: JsonPath | None = Field(default=None, alias="json")
    regex: Regex | None = None
    header: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Captured":
        if sum(given is not None for given in (self.json_, self.regex, self.header)) != 1:
            raise ValueError("write one of json, regex and header")
        return self


class WebTarget(ProbeTarget):
    """The settings of every kind that speaks HTTP."""

    url: WebAddress
    headers: Headers = Field(default_factory=dict, description="headers to send")
    auth: Auth | None = Field(default=None, description="credentials for the Authorization header")
    ca: CertificateFile | None = Field(
        default=None, description="file of the certificates to trust in place of the system's"
    )
    tls: TlsSettings = Field(default_factory=TlsSettings, description="how to verify the server, client certificate")
    proxy: str | None = Field(default=None, description="an HTTP proxy: http://user:password@host:port")
    max_body: int = Field(default=MAX_BODY, ge=0, le=16 << 20, description="bytes of the body that are looked at")

    @model_validator(mode="after")
    def _proxy_is_one(self) -> "WebTarget":
        if self.proxy is not None:
            proxy_of(self.proxy)
        return self

    def ways(self, redirects: int = 0) -> Ways:
        """How to make requests for this target."""
        tls = self.tls.model_copy(update={"ca": self.ca}) if self.ca else self.tls
        proxy = proxy_of(self.proxy) if self.proxy else None
        return Ways(ip=self.ip, tls=tls, proxy=proxy, max_body=self.max_body, redirects=redirects)

    def sending(self) -> dict[str, str]:
        """The headers to send, credentials among them."""
        return {**({"Authorization": self.auth.header()} if self.auth else {}), **self.headers}


@lru_cache(maxsize=256)
def proxy_of(url: str) -> Proxy:
    """The proxy of this URL; raises ValueError where it is none."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme != "http" or parts.path not in ("", "/"):
        raise ValueError("this is not an HTTP proxy; write it as http://host:port or http://user:password@host:port")
    secret = ""
    if parts.username is not None:
        from urllib.parse import unquote

        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        secret = "Basic " + base64.b64encode(user.encode()).decode()
    return Proxy(host=host, port=port or 3128, authorization=secret)


class Body(Settings):
    """What is sent: one of ``body`` (as it is), ``json`` and ``form``."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] | None = Field(
        default=None, description="default: GET, or POST where something is sent"
    )
    body: str | None = Field(default=None, description="the body to send, as it is")
    json_: Annotated[str, BeforeValidator(_json_text)] | None = Field(
        default=None, alias="json", description="JSON to send: as text, or as a mapping whose values are texts"
    )
    form: dict[str, str] | None = Field(default=None, description="fields of a form to send")

    @model_validator(mode="after")
    def _only_one(self) -> "Body":
        if sum(given is not None for given in (self.body, self.json_, self.form)) > 1:
            raise ValueError("write only one of body, json and form")
        return self

    def content(self) -> tuple[str, dict[str, str], bytes]:
        """Method, headers that go with the body, and the body."""
        if self.json_ is not None:
            kind, body = "application/json", self.json_.encode()
        elif self.form is not None:
            kind, body = "application/x-www-form-urlencoded", urlencode(self.form).encode()
        elif self.body is not None:
            kind, body = "text/plain; charset=utf-8", self.body.encode()
        else:
            return self.method or "GET", {}, b""
        return self.method or "POST", {"Content-Type": kind}, body


def request_for(url: str, content: tuple[str, dict[str, str], bytes], sending: dict[str, str]) -> Request:
    """The request with these parts; headers of the target replace those that go with a body."""
    method, extra, body = content
    return Request(url=url, method=method, headers=headers_of(extra, sending), body=body)


def judge(trace: Trace, response: Response, expect: Expect) -> None:
    """Raises Failed where the answer is not what is expected: the status first, then the time, then the content."""
    judge_status(trace, response, expect.status)
    if expect.within is not None and trace.elapsed_ms() > expect.within:
        took = f"answered after {round(trace.elapsed_ms())} ms, expected within {expect.within} ms"
        raise failed("http", "assert", "slow", took, code=response.status)
    for name, pattern in expect.headers.items():
        value = response.header(name)
        if value is None or not search(pattern, value):
            seen = f"the header {name} is {trace.redact(value)[:100]!r}" if value is not None else f"no header {name}"
            raise failed("http", "assert", "header", f"{seen}, expected {pattern!r}", code=response.status)
    for name, pattern in expect.headers_not.items():
        if any(key == name.lower() and search(pattern, value) for key, value in response.headers):
            seen = f"the header {name} matches {pattern!r}"
            raise failed("http", "assert", "header", seen, code=response.status)
    for failure in _content(trace, response, expect):
        raise failure


def judge_status(trace: Trace, response: Response, wanted: tuple[int, ...] | None) -> None:
    """Raises Failed where this status is not one of those wanted (None: any 2xx)."""
    status = response.status
    if status in wanted if wanted else 200 <= status < 300:
        return
    detail = f"HTTP {status} {response.reason}".rstrip()
    if (wait := response.header("retry-after")) and status in (429, 503):
        detail += f" (Retry-After: {trace.redact(wait)[:40]})"
        if wait.isascii() and wait.isdigit():
            trace.fact("retry_after_s", int(wait[:9]))
    if wanted and 200 <= status < 400:
        detail += f", expected {' or '.join(map(str, wanted))}"
    raise failed("http", "status", _status_means(status), detail, code=status)


def _status_means(status: int) -> str:
    if status == 511:
        return "captive"
    if status == 429:
        return "throttled"
    if status in (401, 403):
        return "unauthorized"
    if 400 <= status < 500:
        return "rejected"
    return "server_error" if 500 <= status < 600 else "unexpected"


def _content(trace: Trace, response: Response, expect: Expect) -> Iterator[Failed]:
    """What is wrong with the body, if anything."""
    if not (expect.body or expect.body_not or expect.json_):
        return
    code = response.status
    if response.encoding:
        seen = f"the body comes as {trace.redact(response.encoding)[:40]!r}, which was not asked for"
        yield failed("http", "assert", "encoding", seen, code=code)
    text = response.text()
    if expect.body_not and (match := search(expect.body_not, text)):
        seen = f"the body holds {trace.redact(match[0])[:100]!r}, which {expect.body_not!r} forbids"
        yield failed("http", "assert", "body_not", seen, code=code)
    if expect.body and not search(expect.body, text):
        if response.cut:
            yield failed("http", "assert", "cut", _cut(response, f"{expect.body!r} is not in"), code=code)
        yield failed("http", "assert", "body", f"nothing in the body matches {expect.body!r}", code=code)
    if expect.json_:
        yield from _json(trace, response, text, expect.json_)


def _cut(response: Response, what: str) -> str:
    return f"{what} the first {len(response.body)} bytes of the body, and there is more"


def _json(trace: Trace, response: Response, text: str, wanted: dict[str, str]) -> Iterator[Failed]:
    if response.cut:
        yield failed("http", "assert", "cut", _cut(response, "JSON cannot be read from"), code=response.status)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        seen = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        yield failed("http", "assert", "not_json", f"the body is not JSON: {seen}", code=response.status)
        return
    for path, value in wanted.items():
        found = find(path, data)
        if not found:
            yield failed("http", "assert", "json", f"{path} is not in the answer", code=response.status)
        if wrong := [item for item in found if not equal(item, value)]:
            shown = trace.redact(json.dumps(wrong[0], ensure_ascii=False))[:100]
            yield failed("http", "assert", "json", f"{path} is {shown}, expected {value}", code=response.status)


def find(path: str, data: Any) -> list[Any]:
    """The values at this JSONPath; none where the data has not the shape that the path wants."""
    import jsonpath

    try:
        return list(_compiled(path).findall(data))
    except (jsonpath.JSONPathError, RecursionError):
        return []


def equal(found: Any, wanted: str) -> bool:
    """Whether a JSON value is the one written as this text: ``ok``, ``3``, ``true``, ``null``, or JSON itself."""
    if isinstance(found, str):
        return found == wanted
    try:
        expected = json.loads(wanted)
    except ValueError:
        return False
    return (type(expected) is type(found) and bool(expected == found)) or _numbers(expected, found)


def _numbers(one: Any, two: Any) -> bool:
    return not isinstance(one, bool | str) and not isinstance(two, bool | str) and bool(one == two)


def captured(where: Captured, response: Response) -> str | None:
    """The value that stands there, as text; None where there is none."""
    if where.header is not None:
        return response.header(where.header)
    if where.regex is not None:
        match = search(where.regex, response.text())
        return (match[1] if match.re.groups else match[0]) if match else None
    try:
        found = find(where.json_ or "", json.loads(response.text()))
    except (ValueError, RecursionError):
        return None
    if not found or found[0] is None:
        return None
    return found[0] if isinstance(found[0], str) else json.dumps(found[0])
