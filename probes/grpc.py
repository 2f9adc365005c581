"""gRPC's own health check (grpc.health.v1.Health/Check): is the server, or one service of it, serving?"""

import struct
from typing import Literal

from pydantic import Field

from probes._classify import failed
from probes._connect import lost, open_stream, tcp_facts
from probes._fields import Port, ProbeTarget
from probes._h2 import Call, Exchange
from probes._pem import CertificateFile
from probes._tls import TlsSettings
from probes._trace import Trace
from probes._web import Headers

_PATH = "/grpc.health.v1.Health/Check"
_SERVING = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
# gRPC's status codes, and which row of the table each one is.
CODES: dict[int, tuple[str, str]] = {
    1: ("CANCELLED", "server_error"),
    2: ("UNKNOWN", "server_error"),
    3: ("INVALID_ARGUMENT", "rejected"),
    4: ("DEADLINE_EXCEEDED", "server_error"),
    5: ("NOT_FOUND", "rejected"),
    6: ("ALREADY_EXISTS", "rejected"),
    7: ("PERMISSION_DENIED", "rejected"),
    8: ("RESOURCE_EXHAUSTED", "throttled"),
    9: ("FAILED_PRECONDITION", "rejected"),
    10: ("ABORTED", "server_error"),
    11: ("OUT_OF_RANGE", "rejected"),
    12: ("UNIMPLEMENTED", "rejected"),
    13: ("INTERNAL", "server_error"),
    14: ("UNAVAILABLE", "server_error"),
    15: ("DATA_LOSS", "server_error"),
    16: ("UNAUTHENTICATED", "rejected"),
}


class Target(ProbeTarget):
    """Whom to ask, and for which service (none: the server as a whole)."""

    host: str
    port: Port
    service: str = Field(default="", max_length=1000, description="the service to ask for; empty: the whole server")
    tls: Literal[False] | bool | TlsSettings = Field(default=False, description="true, or how to verify the server")
    ca: CertificateFile | None = None
    metadata: Headers = Field(default_factory=dict, description="metadata to send, such as authorization")


async def probe(target: Target, trace: Trace) -> None:
    """Makes one call and judges its status."""
    tls = TlsSettings() if target.tls is True else target.tls or None
    if tls is not None and target.ca is not None:
        tls = tls.model_copy(update={"ca": target.ca})
    name = f"[{target.host}]" if ":" in target.host else target.host
    reader, writer = await open_stream(trace, target.host, target.port, ip=target.ip, tls=tls, alpn="h2")
    try:
        exchange = Exchange(trace, reader, writer)
        scheme = "https" if tls else "http"
        left = round(trace.remaining() * 1000)
        request = _request(target.service)
        call = await exchange.call(scheme, f"{name}:{target.port}", _PATH, request, target.metadata, left)
        tcp_facts(trace, writer)
    except OSError as error:
        raise lost(error, "grpc", "answer") from None
    finally:
        writer.transport.abort()
    _judge(trace, call)


def _request(service: str) -> bytes:
    """HealthCheckRequest: field 1, a string."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _judge(trace: Trace, call: Call) -> None:
    status = call.grpc_status
    trace.code = status if status is not None else call.http_status
    if call.http_status != 200:
        happened = "server_error" if call.http_status >= 500 else "rejected" if call.http_status >= 400 else "not_grpc"
        if call.http_status == 429:
            happened = "throttled"
        raise failed("grpc", "status", happened, f"HTTP {call.http_status}", code=call.http_status)
    if status is None:
        raise failed("grpc", "status", "not_grpc", "the answer bears no grpc-status")
    if status != 0:
        name, happened = CODES.get(status, (f"status {status}", "server_error"))
        said = f": {trace.redact(call.grpc_message)[:200]}" if call.grpc_message else ""
        raise failed("grpc", "status", happened, f"{name}{said}", code=status)
    serving = _serving(call.message)
    trace.fact("serving", _SERVING.get(serving, str(serving)))
    if serving != 1:
        seen = f"the service says that it is {_SERVING.get(serving, serving)}"
        raise failed("grpc", "status", "not_serving", seen, code=status)


def _serving(message: bytes) -> int:
    """The status in a HealthCheckResponse (field 1, an enum; left out where it is 0)."""
    if len(message) < 5 or message[0] != 0 or struct.unpack(">I", message[1:5])[0] != len(message) - 5:
        raise failed("grpc", "answer", "malformed", "the answer is not one plain gRPC message")
    body = message[5:]
    if not body:
        return 0
    if len(body) == 2 and body[0] == 0x08 and body[1] < 0x80:
        return body[1]
    raise failed("grpc", "answer", "malformed", "the answer is not a HealthCheckResponse")
