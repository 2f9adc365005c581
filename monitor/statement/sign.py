"""Signs a statement: PAdES (ETSI EN 319 142-1, level B-B, or B-T with a timestamp of RFC 3161).

The signature's own certificate need not be known to anybody: the evidence inside names it (its SHA-256), and the
evidence is signed with the monitor's key. One from a trust service can be brought for readers who ask for it.
"""

import datetime as dt
import hashlib
import io
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FIELD = "Statement"
"""The name of the signature's field."""
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256 (FIPS 186-5)."""
_YEARS = 10


class CannotSign(Exception):
    """The pages could not be signed; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageIdentity:
    """Who signs the pages. `repr` never shows the key."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    key: ec.EllipticCurvePrivateKey | RSAPrivateKey

    def __repr__(self) -> str:
        return f"PageIdentity({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hex: what the evidence calls `pdf_signer`."""
        return hashlib.sha256(self.certificate.public_bytes(Encoding.DER)).hexdigest()

    @property
    def name(self) -> str:
        """The subject's common name, else the whole subject."""
        common = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(common[0].value) if common else self.certificate.subject.rfc4514_string()


def own_identity(secret: bytes, name: str, since_ms: int) -> PageIdentity:
    """An identity that follows from the monitor's secret: nothing more has to be kept, and it is the same each time.

    `since_ms` is when the key was made. P-256 rather than the ledger's Ed25519, because PDF readers know it.
    """
    raw = HKDF(algorithm=hashes.SHA256(), length=48, salt=None, info=b"slaproof statement key").derive(secret)
    key = ec.derive_private_key(int.from_bytes(raw) % (_ORDER - 1) + 1, ec.SECP256R1())
    since = dt.datetime.fromtimestamp(since_ms // 1000, dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(raw).digest()[:16]) >> 1 | 1)
        .not_valid_before(since - dt.timedelta(days=1))
        .not_valid_after(since + dt.timedelta(days=366 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return PageIdentity(certificate=certificate, key=key)


def sign_pages(pdf: bytes, identity: PageIdentity, *, reason: str, tsa: str | None = None) -> bytes:
    """The PDF with a PAdES signature over all of it, added as an update: the bytes before it stay as they are.

    `tsa` is the address of a timestamping authority. Raises CannotSign. Blocking: it may ask the authority.
    """
    from asn1crypto import keys as asn1_keys  # pyhanko takes 0.85 s to import: only where something is signed
    from asn1crypto import x509 as asn1_x509
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.timestamps import HTTPTimeStamper
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    for certificate in identity.chain:
        store.register(asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)))
    private = identity.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(identity.certificate.public_bytes(Encoding.DER)),
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=store,
    )
    meta = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        name=identity.name,
        use_pades_lta=False,
    )
    out = io.BytesIO()
    try:
        PdfSigner(meta, signer=signer, timestamper=HTTPTimeStamper(tsa) if tsa else None).sign_pdf(
            IncrementalPdfFileWriter(io.BytesIO(pdf)), output=out
        )
    except Exception as error:
        where = f" with a timestamp from {tsa}" if tsa else ""
        raise CannotSign(f"the statement could not be signed{where}: {error or type(error).__name__}") from error
    return out.getvalue()
