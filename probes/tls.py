"""A certificate and the encryption around it: chain, names, days left, protocol."""

from typing import Annotated, Literal

from pydantic import Field

from probes._classify import failed
from probes._connect import open_stream, tcp_facts
from probes._fields import Port, ProbeTarget, Strings
from probes._outcome import TlsFacts
from probes._pem import CertificateFile
from probes._tls import TlsSettings, witness_handshake
from probes._trace import Trace

_DAY_S = 86_400


class Target(ProbeTarget):
    """Where to look, and what the certificate must be beyond valid."""

    host: str
    port: Port = 443
    server_name: str | None = Field(default=None, description="name to ask for and to verify; default: host")
    ca: CertificateFile | None = Field(
        default=None, description="file of the certificates to trust in place of the system's"
    )
    names: Strings = Field(default=(), description="further names that the certificate must be for")
    days_left: Annotated[int, Field(ge=0, description="days that every certificate sent must still be valid")] = 0
    protocol: Literal["TLSv1.2", "TLSv1.3"] = Field(default="TLSv1.2", description="the oldest protocol that is good")


async def probe(target: Target, trace: Trace) -> None:
    """Makes one verified handshake and judges what it showed."""
    settings = TlsSettings(ca=target.ca, server_name=target.server_name)
    _, writer = await open_stream(trace, target.host, target.port, ip=target.ip, tls=settings)
    try:
        witness_handshake(trace, writer)
        tcp_facts(trace, writer)
    finally:
        writer.transport.abort()
    assert trace.tls is not None
    _judge(target, trace, trace.tls)


def _judge(target: Target, trace: Trace, seen: TlsFacts) -> None:
    trace.note(f"{seen.version}, {seen.cipher}; {seen.subject}, issued by {seen.issuer}")
    if seen.version < target.protocol:
        raise failed("tls", "certificate", "old_protocol", f"{seen.version} agreed, {target.protocol} expected")
    if missing := [name for name in target.names if not any(covers(pattern, name) for pattern in seen.names)]:
        shown = ", ".join(seen.names[:10])
        raise failed("tls", "certificate", "name_missing", f"the certificate is not for {missing[0]} but for {shown}")
    if seen.not_after is not None:
        left = (seen.not_after - trace.now_ms // 1000) // _DAY_S
        trace.fact("days_left", left)
        if left < target.days_left:
            raise failed("tls", "certificate", "expires_soon", f"{left} days left, {target.days_left} expected")


def covers(pattern: str, name: str) -> bool:
    """Whether a name of a certificate is for this name; a star stands for one whole label (RFC 9525 §6.3)."""
    pattern, name = pattern.lower(), name.lower().rstrip(".")
    if pattern.startswith("*."):
        first, dot, rest = name.partition(".")
        return bool(first and dot) and rest == pattern[2:]
    return pattern == name
