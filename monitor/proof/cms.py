"""Signatures in the Cryptographic Message Syntax (RFC 5652): of timestamps (RFC 3161) and of PDF files (PAdES)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from monitor.proof import der
from monitor.proof.der import Der

HASHES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": ("sha256", hashes.SHA256()),
    "2.16.840.1.101.3.4.2.2": ("sha384", hashes.SHA384()),
    "2.16.840.1.101.3.4.2.3": ("sha512", hashes.SHA512()),
}
_MALFORMED = (
    ValueError, IndexError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm, x509.ExtensionNotFound,
    x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""What malformed bytes make the parsers raise."""
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_RSA_PSS = "1.2.840.113549.1.1.10"


class CmsError(ValueError):
    """A signature that is malformed or wrong."""


@dataclass(frozen=True, slots=True)
class SignedData:
    """A signature whose arithmetic holds. Whether its signer is to be trusted is another question."""

    content_type: str
    content: bytes | None
    """What is signed, where it stands inside."""
    certificate: x509.Certificate
    """The signer's."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A timestamp whose signature holds."""

    at: int
    """Milliseconds."""
    authority: x509.Certificate


def open_signed(data: bytes, detached: bytes | None = None, extra: Sequence[x509.Certificate] = ()) -> SignedData:
    """Check a SignedData with one signer. CmsError where anything does not fit.

    ``detached``: what is signed, where it does not stand inside. ``extra``: where the
    signer's certificate may be found besides.
    """
    try:
        return _open(data, detached, extra)
    except _MALFORMED as error:
        raise error if isinstance(error, CmsError) else CmsError(f"a malformed signature: {error}") from error


def _open(data: bytes, detached: bytes | None, extra: Sequence[x509.Certificate]) -> SignedData:
    outer = der.read(data).children()
    if outer[0].oid() != _SIGNED_DATA:
        raise CmsError("not a SignedData")
    parts = outer[1].children()[0].children()
    inner = parts[2].children()
    content_type = inner[0].oid()
    content = inner[1].children()[0].content if len(inner) > 1 else None
    certificates = [*extra]
    for part in parts[3:-1]:
        if part.tag == 0xA0:
            certificates += [x509.load_der_x509_certificate(one.whole) for one in part.children() if one.tag == 0x30]
    signers = parts[-1].children()
    if len(signers) != 1:
        raise CmsError("not exactly one signer")
    fields = signers[0].children()
    certificate = _signer(fields[1], certificates)
    name, algorithm = _hash(fields[2])
    if fields[3].tag != 0xA0:
        raise CmsError("no signed attributes")
    attributes = {one.children()[0].oid(): one.children()[1].children()[0] for one in fields[3].children()}
    signed = content if detached is None else detached
    if signed is None or attributes[_MESSAGE_DIGEST].content != hashlib.new(name, signed).digest():
        raise CmsError("the signature is of something else")
    # RFC 5652 §5.4: signed are the attributes as a SET, not with the tag under which they stand
    _verify(certificate, fields[4], fields[5].content, b"\x31" + fields[3].whole[1:], algorithm)
    return SignedData(content_type, content, certificate)


def _hash(field: Der) -> tuple[str, hashes.HashAlgorithm]:
    name = field.children()[0].oid()
    if name not in HASHES:
        raise CmsError(f"a hash that is not accepted: {name}")
    return HASHES[name]


def _signer(sid: Der, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    for certificate in certificates:
        if sid.tag == der.SEQUENCE:
            issuer, serial = sid.children()
            if certificate.serial_number == serial.integer() and certificate.issuer.public_bytes() == issuer.whole:
                return certificate
        else:
            identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            if identifier.digest == sid.content:
                return certificate
    raise CmsError("the signer's certificate is not there")


def _verify(
    certificate: x509.Certificate, algorithm: Der, signature: bytes, signed: bytes, digest: hashes.HashAlgorithm
) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm.children()[0].oid() == _RSA_PSS:
            pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
            key.verify(signature, signed, pss, digest)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            raise CmsError("a kind of key that is not accepted")
    except InvalidSignature as error:
        raise CmsError("the signature is wrong") from error


def open_timestamp(token: bytes, data: bytes, extra: Sequence[x509.Certificate] = ()) -> Timestamp:
    """Check that an RFC 3161 token stamps these bytes. CmsError where it does not."""
    opened = open_signed(token, None, extra)
    if opened.content_type != _TST_INFO or opened.content is None:
        raise CmsError("not a timestamp")
    try:
        info = der.read(opened.content).children()
        imprint = info[2].children()
        name, _ = _hash(imprint[0])
        at = info[4].instant()
    except _MALFORMED as error:
        raise error if isinstance(error, CmsError) else CmsError(f"a malformed timestamp: {error}") from error
    if imprint[1].content != hashlib.new(name, data).digest():
        raise CmsError("the timestamp is of something else")
    try:
        usage = opened.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except _MALFORMED:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    if ExtendedKeyUsageOID.TIME_STAMPING not in usage:
        raise CmsError("its signer's certificate is not for timestamps")
    return Timestamp(at, opened.certificate)


def trusted(certificate: x509.Certificate, anchors: Sequence[x509.Certificate]) -> bool:
    """Whether the certificate is one of the anchors or was issued directly by one of them."""
    for anchor in anchors:
        if anchor == certificate:
            return True
        try:
            certificate.verify_directly_issued_by(anchor)
        except (*_MALFORMED, InvalidSignature):
            continue
        return True
    return False
