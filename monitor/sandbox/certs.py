"""The sandbox's certificates.

Its authority's key follows from a constant: it protects nothing, and name constraints bind it to loopback. So the
authority's certificate can be shipped (config/sandbox-ca.pem) and named with `ca:` as a private authority would be.
"""

import datetime as dt
import hashlib
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LOOPBACK = (x509.IPAddress(ipaddress.ip_network("127.0.0.0/8")), x509.IPAddress(ipaddress.ip_network("::1/128")))
_BORN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_DIES = dt.datetime(2056, 1, 1, tzinfo=dt.UTC)


def _key(seed: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha256(f"slaproof sandbox {seed}".encode()).digest()) >> 1
    return ec.derive_private_key(number, ec.SECP256R1())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def authority() -> x509.Certificate:
    """The sandbox's own authority, valid for loopback addresses only."""
    key = _key("authority")
    return (
        x509.CertificateBuilder()
        .subject_name(_name("slaproof sandbox"))
        .issuer_name(_name("slaproof sandbox"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_BORN)
        .not_valid_after(_DIES)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=_LOOPBACK, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def server_context(folder: Path, now: dt.datetime, *, address: str = "127.0.0.1", good: bool = True) -> ssl.SSLContext:
    """A server's TLS context; with `good` false it is for another address. Writes a file to `folder`."""
    key = _key("server")
    for_address = ipaddress.ip_address(address if good else "127.99.99.99")
    public = _key("authority").public_key()
    leaf = (
        x509.CertificateBuilder()
        .subject_name(_name("provider in the sandbox"))
        .issuer_name(authority().subject)
        .public_key(key.public_key())
        .serial_number(int(now.timestamp()) + (0 if good else 1))
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=60))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(for_address)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(_key("authority"), hashes.SHA256())
    )
    pem = folder / ("good.pem" if good else "bad.pem")
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + leaf.public_bytes(Encoding.PEM) + authority().public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
