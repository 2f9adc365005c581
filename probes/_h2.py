"""One gRPC call over HTTP/2, as a probe needs it: one connection, one stream, everything bounded and recorded.

h2 keeps the protocol's rules; this file feeds it (RFC 9113, and the gRPC protocol over HTTP/2).
"""

import asyncio
import struct
from dataclasses import dataclass, field
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from probes._about import user_agent
from probes._classify import failed
from probes._trace import Trace

_LONGEST_FRAME = 16_384
"""The longest frame that we allow, by not allowing more (RFC 9113 §4.2)."""
_LIMIT = 64 << 10
"""How many bytes of an answer are read; a health check's has a few."""


@dataclass(slots=True)
class Call:
    """What one call was answered with. ``grpc_status`` is None where the server sent none."""

    http_status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    message: bytes = b""

    @property
    def grpc_status(self) -> int | None:
        """The gRPC status code."""
        value = self.headers.get("grpc-status", "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 4 else None

    @property
    def grpc_message(self) -> str:
        """What the server says with it."""
        return unquote(self.headers.get("grpc-message", ""))


class Exchange:
    """A connection on which one call is made."""

    def __init__(self, trace: Trace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._trace = trace
        self._reader = reader
        self._writer = writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self._read = 0
        self._head = b""
        self._left = 0

    async def call(
        self, scheme: str, authority: str, path: str, message: bytes, metadata: dict[str, str], timeout_ms: int
    ) -> Call:
        """One unary call. Raises Failed, OSError."""
        self._h2.initiate_connection()
        headers = [
            (":method", "POST"),
            (":scheme", scheme),
            (":authority", authority),
            (":path", path),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", f"{max(1, min(timeout_ms, 99_999_999))}m"),
            ("user-agent", user_agent(self._trace.probe_id)),
            *((name.lower(), value) for name, value in metadata.items()),
        ]
        self._h2.send_headers(1, headers)
        self._h2.send_data(1, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
        self._trace.sent("\n".join(f"{name}: {value}" for name, value in headers))
        with self._trace.phase("processing"):
            self._flush()
            answer = Call()
            while not self._take(await self._more(), answer):
                self._flush()
        return answer

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._writer.write(data)

    async def _more(self) -> bytes:
        data = await self._reader.read(_LIMIT)
        if not data:
            what = "before an answer" if not self._read else "in the middle of the answer"
            raise failed("grpc", "answer", "closed", f"the connection was closed {what}")
        # A frame begins with its length: eight printable characters in a row are no HTTP/2 (RFC 9113 §4.1).
        if not self._read and (data[:5] == b"HTTP/" or (len(data) >= 9 and data[3] != 4)):
            self._trace.received(data[:200])
            raise failed("grpc", "answer", "not_http2", "the answer is not HTTP/2: it does not begin with settings")
        self._read += len(data)
        if self._read > 4 * _LIMIT:
            raise failed("grpc", "answer", "no_end", "the answer has no end")
        return data

    def _frames(self, data: bytes) -> None:
        """Sees to it that no frame is longer than we allow: h2 itself waits for the whole of it first."""
        while data:
            if self._left:
                skipped = min(self._left, len(data))
                self._left -= skipped
                data = data[skipped:]
                continue
            wanted = 9 - len(self._head)
            self._head, data = self._head + data[:wanted], data[wanted:]
            if len(self._head) == 9:
                self._left = int.from_bytes(self._head[:3], "big")
                self._head = b""
                if self._left > _LONGEST_FRAME:
                    self._trace.received(data[:200])
                    raise failed("grpc", "answer", "malformed", f"a frame of {self._left} bytes, longer than allowed")

    def _take(self, data: bytes, answer: Call) -> bool:
        """Works on what has come; true when the answer is whole."""
        self._frames(data)
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise failed("grpc", "answer", "malformed", f"the answer breaks HTTP/2: {error}") from None
        whole = False
        for event in events:
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                self._headers(event.headers, answer)
            elif isinstance(event, h2.events.DataReceived):
                answer.message += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                whole = True
            elif isinstance(event, h2.events.StreamReset):
                raise failed("grpc", "answer", "stream_reset", f"the server reset the stream, error {event.error_code}")
            elif isinstance(event, h2.events.ConnectionTerminated) and not whole:
                raise failed("grpc", "answer", "goaway", f"the server ended the connection, error {event.error_code}")
        return whole

    def _headers(self, headers: object, answer: Call) -> None:
        lines = []
        for name, value in headers:  # type: ignore[attr-defined]
            key, text = _text(name), _text(value)
            lines.append(f"{key}: {text}")
            if key == ":status":
                answer.http_status = int(text) if text.isdigit() and len(text) == 3 else 0
            else:
                answer.headers[key] = text
            if key.endswith(("request-id", "trace-id", "correlation-id")):
                self._trace.identify(key, text)
        self._trace.received("\n".join(lines))


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
