"""Certificates for tests: an authority of our own, what it issues, and everything that can be wrong with a certificate.

``bad`` names the faults that a probe must tell apart; each gives a full (certificate chain, key) pair that a server can
load, while clients trust `Authority.pem` alone.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
# Names that every good certificate here bears.
NAMES = ("localhost", "127.0.0.1", "::1", "mail.example", "api.example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate chain (leaf first, PEM) and the private key of its leaf (PEM)."""

    chain: bytes
    key: bytes

    def write(self, folder: Path, name: str = "server") -> tuple[Path, Path]:
        """Write ``name.pem`` and ``name.key`` and give their paths."""
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(self.chain)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return chain, key

    def server_context(self, folder: Path) -> ssl.SSLContext:
        """A context for a server that presents this pair; ``folder`` takes the files that ssl wants."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain, key = self.write(folder, f"pair-{id(self)}")
        context.load_cert_chain(chain, key)
        return context

    @property
    def not_after(self) -> datetime.datetime:
        """When the leaf expires (UTC)."""
        return x509.load_pem_x509_certificates(self.chain)[0].not_valid_after_utc


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _names(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(general)


class Authority:
    """A certificate authority: a root that clients trust, and an intermediate that signs where a chain is wanted."""

    def __init__(self, name: str = "slaproof test authority", *, plain: bool = False) -> None:
        """With ``plain`` its certificates say what they are and no more, as many a private authority's do."""
        self._plain = plain
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._root = self._certify(
            subject=name, key=self._root_key, issuer=None, issuer_key=self._root_key, authority=True
        )
        self._middle_key = ec.generate_private_key(ec.SECP256R1())
        self._middle = self._certify(
            subject=f"{name}, intermediate",
            key=self._middle_key,
            issuer=self._root,
            issuer_key=self._root_key,
            authority=True,
        )

    @property
    def pem(self) -> bytes:
        """The root certificate, for clients."""
        return self._root.public_bytes(serialization.Encoding.PEM)

    @property
    def middle_pem(self) -> bytes:
        """The intermediate certificate alone."""
        return self._middle.public_bytes(serialization.Encoding.PEM)

    def write(self, folder: Path) -> Path:
        """Write the root to ``ca.pem`` in this folder and give its path."""
        path = folder / "ca.pem"
        path.write_bytes(self.pem)
        return path

    def client_context(self) -> ssl.SSLContext:
        """A context for a client that trusts this authority alone."""
        return ssl.create_default_context(cadata=self.pem.decode())

    def issue(
        self,
        *names: str,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        intermediate: bool = False,
        with_intermediate: bool = True,
    ) -> Pair:
        """A server's certificate for these names (default `NAMES`), valid now for 90 days unless told otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._certify(
            subject=(names or NAMES)[0],
            key=key,
            issuer=self._middle if intermediate else self._root,
            issuer_key=self._middle_key if intermediate else self._root_key,
            names=names or NAMES,
            not_before=not_before,
            not_after=not_after or _now() + 90 * _DAY,
        )
        chain = leaf.public_bytes(serialization.Encoding.PEM)
        if intermediate and with_intermediate:
            chain += self._middle.public_bytes(serialization.Encoding.PEM)
        return Pair(chain=chain, key=_key_pem(key))

    def self_signed(self, *names: str) -> Pair:
        """A certificate that signs itself: nobody vouches for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._certify(subject=(names or NAMES)[0], key=key, issuer=None, issuer_key=key, names=names or NAMES)
        return Pair(chain=leaf.public_bytes(serialization.Encoding.PEM), key=_key_pem(key))

    def bad(self, fault: str, *names: str) -> Pair:
        """A pair with one fault of `BAD`; the names are right unless the fault is the name."""
        return BAD[fault](self, names or NAMES)

    def _certify(
        self,
        *,
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Certificate | None,
        issuer_key: ec.EllipticCurvePrivateKey,
        names: tuple[str, ...] = (),
        authority: bool = False,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> x509.Certificate:
        own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        signer = issuer.subject if issuer is not None else own
        builder = (
            x509.CertificateBuilder()
            .subject_name(own)
            .issuer_name(signer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or _now() - _DAY)
            .not_valid_after(not_after or _now() + 365 * _DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not self._plain:
            builder = self._described(builder, key, issuer_key, authority)
        if names:
            builder = builder.add_extension(_names(names), critical=False).add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
        return builder.sign(issuer_key, hashes.SHA256())

    @staticmethod
    def _described(
        builder: x509.CertificateBuilder,
        key: ec.EllipticCurvePrivateKey,
        issuer_key: ec.EllipticCurvePrivateKey,
        authority: bool,
    ) -> x509.CertificateBuilder:
        return (
            builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=authority,
                    crl_sign=authority,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )


# Every fault of a certificate, by name. The expired one ended an hour ago, the early one begins in an hour: so that a
# clock that is a day off is told apart from a certificate that is years off by its dates alone.
BAD: dict[str, Callable[[Authority, tuple[str, ...]], Pair]] = {
    "expired": lambda ca, names: ca.issue(
        *names, not_before=_now() - 30 * _DAY, not_after=_now() - datetime.timedelta(hours=1)
    ),
    "not_yet_valid": lambda ca, names: ca.issue(*names, not_before=_now() + datetime.timedelta(hours=1)),
    "other_name": lambda ca, names: ca.issue("other.example"),
    "self_signed": lambda ca, names: ca.self_signed(*names),
    "incomplete_chain": lambda ca, names: ca.issue(*names, intermediate=True, with_intermediate=False),
    "unknown_authority": lambda ca, names: Authority("an authority that nobody knows").issue(*names),
}


@cache
def authority() -> Authority:
    """The authority of this run of the tests."""
    return Authority()


@pytest.fixture(scope="session")
def ca() -> Authority:
    """The authority whose certificates the servers here present."""
    return authority()


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the root certificate of `ca`."""
    return authority().write(tmp_path_factory.mktemp("ca"))
