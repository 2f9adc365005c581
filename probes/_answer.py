"""Reading an HTTP/1.1 answer: by a short way where it is plain, by h11 where it is anything else."""

import codecs
import email.utils
import re
from dataclasses import dataclass
from functools import lru_cache

import h11

from probes._classify import failed
from probes._outcome import Failed
from probes._trace import BODY_BYTES, Trace
from probes._unpack import Unpacked

READ_LIMIT = 16 << 20
"""How many bytes of an answer are read at all; what is beyond ``max_body`` is read and thrown away."""
HEAD_LIMIT = 64 << 10
"""The longest head of an answer."""
INTERIM_LIMIT = 20
"""The most interim answers (1xx) before one that counts."""

_IDS = frozenset({"cf-ray", "x-amz-cf-id", "x-amz-id-2", "x-cloud-trace-context", "traceparent", "x-served-by"})
_ID_ENDINGS = ("request-id", "requestid", "correlation-id", "message-id", "trace-id", "x-b3-traceid", "transaction-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer as it was read to its end.

    ``headers`` in their order with names in lower case; ``body`` unpacked, at most ``max_body`` bytes of it, and
    ``cut`` where there was more. ``encoding`` is one that we cannot unpack, or empty.
    """

    url: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool = False
    encoding: str = ""

    def header(self, name: str) -> str | None:
        """The value of a header (all of that name, joined by a comma), or None."""
        found = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(found) if found else None

    def text(self) -> str:
        """The body as text, in the charset that its header names, else UTF-8; what does not fit is replaced."""
        kind = self.header("content-type") or ""
        named = kind.lower().partition("charset=")[2].split(";")[0].strip("\"' ")
        return self.body.decode(_codec(named), "replace")


# What Python decodes beside charsets: ways to write text in ASCII. Some of them refuse to replace what does not fit,
# or take a time that grows with the square of the length.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})


@lru_cache(maxsize=64)
def _codec(charset: str) -> str:
    """What decodes this charset; a server may name anything. A mark of the byte order is no part of the text."""
    try:
        name = codecs.lookup(charset).name.replace("-", "_")
        b"x".decode(name, "replace")
    except (LookupError, ValueError):
        name = "utf_8"
    return "utf-8-sig" if name == "utf_8" or name in _NO_CHARSETS else name


@lru_cache(maxsize=32)
def _asked(method: str) -> h11.Request:
    """What h11 must know of a request to read its answer; made once, since checking one costs 50 µs."""
    return h11.Request(method=method, target="/", headers=[("Host", "-"), ("Connection", "close")])


# An answer as nearly all are: a plain head, every line of it beyond doubt (RFC 9112 §4, §5; RFC 9110 §5.1, §5.5).
_PLAIN = re.compile(
    rb"HTTP/(1\.[01]) ([2-5][0-9]{2}) ([\t -~\x80-\xff]*)\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?[ \t]*\r\n)*)\r\n"
)


class Answer:
    """Reads one answer from its pieces. Sees to the bounds, the transcript and the facts.

    One that is whole in its first piece, with a plain head and a Content-Length, is read here; h11 reads all others.
    A test holds both readings equal.
    """

    def __init__(self, trace: Trace, method: str, max_body: int) -> None:
        self._trace = trace
        self._method = method
        self._peer: h11.Connection | None = None
        self._read = 0
        self._ended = False
        self._interim = 0
        self._max_body = max_body
        self._status: int | None = None
        self._reason = ""
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = Unpacked("", max_body)

    def at_once(self, first: bytes) -> bool:
        """Takes the first piece; true when it is the whole answer."""
        plain = _PLAIN.match(first) if self._method != "HEAD" else None
        if plain is None or plain.end() > HEAD_LIMIT or plain[2] in (b"204", b"304"):
            return self.feed(first)
        lines = [line.partition(":") for line in plain[4].decode("latin-1").split("\r\n")[:-1]]
        headers = tuple((name.lower(), value.strip(" \t")) for name, _, value in lines)
        framing = [value for name, value in headers if name in ("content-length", "transfer-encoding")]
        length = framing[0] if len(framing) == 1 and ("content-length", framing[0]) in headers else ""
        if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) == len(first) - plain.end()):
            return self.feed(first)
        self._begin(plain[1], int(plain[2]), plain[3], headers, first[: plain.end() - 4])
        self._body.add(first[plain.end() :])
        return True

    def feed(self, data: bytes) -> bool:
        """Takes the next piece, an empty one for the end of the connection; true when the answer is whole."""
        if self._peer is None:
            self._peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
            self._peer.send(_asked(self._method))
            self._peer.send(h11.EndOfMessage())
        self._read += len(data)
        self._ended = not data
        if self._read > READ_LIMIT:
            self._keep_body()
            raise failed(
                "http", "answer", "no_end", f"the body goes on after {READ_LIMIT >> 20} MiB", code=self._status
            )
        try:
            self._peer.receive_data(data)
            return self._events(self._peer)
        except h11.RemoteProtocolError as error:
            raise self._broken(error) from None

    def _events(self, peer: h11.Connection) -> bool:
        while True:
            event = peer.next_event()
            if isinstance(event, h11.Data):
                self._body.add(event.data)
            elif event is h11.NEED_DATA:
                return False
            elif isinstance(event, h11.Response):
                headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                lines = [b"HTTP/%b %d %b" % (event.http_version, event.status_code, event.reason)]
                lines += [b"%b: %b" % item for item in event.headers.raw_items()]
                self._begin(event.http_version, event.status_code, event.reason, headers, b"\n".join(lines))
            elif isinstance(event, h11.InformationalResponse):
                self._interim += 1
                if self._interim > INTERIM_LIMIT:
                    raise failed("http", "answer", "head_too_long", "interim answers without end")
            else:  # the end of the message, or of the connection
                return True

    def _begin(
        self, version: bytes, status: int, reason: bytes, headers: tuple[tuple[str, str], ...], head: bytes
    ) -> None:
        trace = self._trace
        self._status = trace.code = status
        self._reason = reason.decode("latin-1")
        self._headers = headers
        trace.received(head)
        encoding = ""
        for name, value in headers:
            if name == "content-encoding":
                encoding = value.strip().lower()
            elif name in _IDS or name.endswith(_ID_ENDINGS):
                trace.identify(name, value)
            elif name == "date":
                self._clock(value)
            elif name == "content-length" and len(value) < 16 and value.isascii() and value.isdigit():
                trace.facts["content_length"] = int(value)
            elif name == "last-modified" and (modified := _date_ms(value)) is not None:
                trace.facts["last_modified"] = modified // 1000
        trace.facts["http_version"] = version.decode()
        self._body = Unpacked("" if encoding == "identity" else encoding, self._max_body)

    def _clock(self, value: str) -> None:
        """How far our clock is ahead of the server's, to about a second: Date has whole seconds (RFC 9110 §6.6.1)."""
        if (theirs := _date_ms(value)) is not None:
            self._trace.facts["clock_offset_ms"] = round(self._trace.now_ms + self._trace.elapsed_ms()) - theirs - 500

    def _broken(self, error: h11.RemoteProtocolError) -> Failed:
        self._keep_body()
        code = self._status
        if self._ended:
            read = f"{self._body.packed} bytes of the body" if code is not None else "a part of its head"
            return failed("http", "answer", "truncated", f"connection closed after {read}", code=code)
        if code is None and self._read > HEAD_LIMIT:
            return failed("http", "answer", "head_too_long", "the head of the answer is longer than 64 KiB")
        return failed("http", "answer", "malformed", f"the answer is not proper HTTP: {error}", code=code)

    def _keep_body(self) -> None:
        if self._body.data:
            self._trace.received(bytes(self._body.data[:BODY_BYTES]))

    def response(self, url: str) -> Response:
        """The whole answer."""
        assert self._status is not None
        self._keep_body()
        self._body.end()
        self._trace.facts["body_bytes"] = len(self._body.data)
        return Response(
            url=url,
            status=self._status,
            reason=self._reason,
            headers=self._headers,
            body=bytes(self._body.data),
            cut=self._body.cut,
            encoding=self._body.unknown,
        )


@lru_cache(maxsize=64)
def _date_ms(value: str) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(value).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None
