"""TLS for all kinds: cached contexts, what a handshake showed, and the evidence of one that failed."""

import asyncio
import contextlib
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import Field

from probes._classify import failed
from probes._fields import LocalFile, Settings
from probes._outcome import Failed, TlsFacts
from probes._pem import CertificateFile, key_of, no_passphrase
from probes._trace import Trace

# OpenSSL's X509_V_ERR_* numbers (openssl-verification-options(1)).
_NOT_YET_VALID, _EXPIRED, _HOSTNAME, _IP = 9, 10, 62, 64
_WITNESS_S = 2.0


class TlsSettings(Settings):
    """How to verify the server. ``ca`` replaces the system's roots; ``verify: false`` accepts any certificate."""

    ca: CertificateFile | None = None
    verify: bool = True
    server_name: str | None = None
    client_cert: CertificateFile | None = None
    client_key: Annotated[LocalFile | None, key_of("client_cert")] = Field(default=None, validate_default=True)
    """None: the key stands in the certificate's file."""


def context(settings: TlsSettings, alpn: str | None = None) -> ssl.SSLContext:
    """A client context for these settings, cached: making one costs 25 to 95 ms of CPU. Renewed when a file changes."""
    files = (settings.ca, settings.client_cert, settings.client_key)
    stamps = tuple(f.stat().st_mtime_ns if f else 0 for f in files)
    return _context(settings.verify, settings.ca, settings.client_cert, settings.client_key, stamps, alpn)


@lru_cache(maxsize=256)
def _context(
    verify: bool, ca: Path | None, cert: Path | None, key: Path | None, _stamps: tuple[int, ...], alpn: str | None
) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(ca) if ca else None)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # From Python 3.13 on the default is stricter with an authority's certificate than a provider's other clients are,
    # and takes an intermediate one for a root: a verdict may not depend on who runs the probe.
    made.verify_flags = made.verify_flags & ~ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if cert:
        made.load_cert_chain(cert, key, no_passphrase)
    if alpn:
        made.set_alpn_protocols([alpn])
    return made


def facts(tls: ssl.SSLObject, verified: bool = True) -> TlsFacts:
    """What the finished handshake showed; certificates that were sent are read even where none was verified."""
    chain = sent_chain(tls)
    version, cipher = tls.version() or "", (tls.cipher() or ("",))[0]
    if not chain:
        return TlsFacts(version=version, cipher=cipher, verified=verified)
    leaf = _read(chain[0])
    if leaf is None:
        return TlsFacts(version=version, cipher=cipher, verified=verified)
    ends = [read.not_after for der in chain if (read := _read(der)) and read.not_after is not None]
    return TlsFacts(
        version=version,
        cipher=cipher,
        not_before=leaf.not_before,
        not_after=min(ends),
        subject=leaf.subject,
        issuer=leaf.issuer,
        names=leaf.names,
        verified=verified,
    )


def sent_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates (DER) that the server sent, leaf first."""
    inner = getattr(tls, "_sslobj", None)
    chain = inner.get_unverified_chain() if inner is not None and hasattr(inner, "get_unverified_chain") else None
    if chain:
        return tuple(ssl.PEM_cert_to_DER_cert(c.public_bytes(1)) for c in chain)
    leaf = tls.getpeercert(True)
    return (leaf,) if leaf else ()


@lru_cache(maxsize=1024)
def _read(der: bytes) -> TlsFacts | None:
    """The certificate's own facts; None where it cannot be read. Cached: parsing is dear."""
    try:
        cert = x509.load_der_x509_certificate(der)
        names: list[str] = []
        with contextlib.suppress(x509.ExtensionNotFound, ValueError):
            alternative = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = [str(n) for n in alternative.get_values_for_type(x509.DNSName)]
            names += [str(n) for n in alternative.get_values_for_type(x509.IPAddress)]
        return TlsFacts(
            version="",
            cipher="",
            not_before=int(cert.not_valid_before_utc.timestamp()),
            not_after=int(cert.not_valid_after_utc.timestamp()),
            subject=cert.subject.rfc4514_string(),
            issuer=cert.issuer.rfc4514_string(),
            names=tuple(names),
        )
    except ValueError:
        return None


def describe_chain(chain: tuple[bytes, ...]) -> list[dict[str, object]]:
    """The chain as evidence: subject, issuer, dates, fingerprint and the certificate itself (PEM)."""
    out: list[dict[str, object]] = []
    for der in chain[:6]:
        read = _read(der)
        if read is None:
            out.append({"unreadable": der[:64].hex()})
            continue
        cert = x509.load_der_x509_certificate(der)
        out.append(
            {
                "subject": read.subject,
                "issuer": read.issuer,
                "names": list(read.names),
                "not_before": read.not_before,
                "not_after": read.not_after,
                "sha256": cert.fingerprint(hashes.SHA256()).hex(),
                "pem": cert.public_bytes(Encoding.PEM).decode(),
            }
        )
    return out


def tls_failed(trace: Trace, error: ssl.SSLError) -> Failed:
    """The failure that this handshake error means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        happened = {_NOT_YET_VALID: "not_yet_valid", _EXPIRED: "expired", _HOSTNAME: "wrong_name", _IP: "wrong_name"}
        name = happened.get(error.verify_code, "untrusted")
        if trace.clock_suspect and name in ("not_yet_valid", "expired"):
            name = "our_clock"
        return failed("tls", "tls", name, f"certificate not accepted: {error.verify_message}")
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return failed("tls", "tls", "handshake", f"TLS handshake failed: {reason}")


async def witness_chain(trace: Trace, host: str, port: int, server_name: str) -> None:
    """Keeps the chain of a server that we do not trust, from a second handshake that verifies nothing.

    Only for protocols that begin with TLS. Never raises, never outlives the deadline: it is evidence, no probe.
    """
    limit = min(_WITNESS_S, trace.remaining())
    if limit <= 0:
        return
    try:
        async with asyncio.timeout(limit):
            accept_all = _context(False, None, None, None, (0, 0, 0), None)
            _, writer = await asyncio.open_connection(host, port, ssl=accept_all, server_hostname=server_name)
            try:
                witness_handshake(trace, writer)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError) as error:
        trace.note(f"no certificate seen in a second handshake either: {error or type(error).__name__}")


def witness_handshake(trace: Trace, writer: asyncio.StreamWriter) -> None:
    """Keeps the certificate chain of this connection as evidence."""
    tls = writer.get_extra_info("ssl_object")
    if tls is not None:
        trace.witness("certificates", describe_chain(sent_chain(tls)))
        trace.tls = trace.tls or facts(tls, verified=False)
