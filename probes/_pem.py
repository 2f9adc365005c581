"""Files of certificates and keys that the configuration names: what is wrong with one shows there, not in a probe."""

import ssl
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from probes._fields import LocalFile

_LOOKS = "-----BEGIN CERTIFICATE-----"


class _Encrypted(ValueError):
    """OpenSSL asked for a passphrase."""


def no_passphrase() -> str:
    """For `load_cert_chain`: without it OpenSSL would stop and ask whoever sits at the terminal."""
    raise _Encrypted("the key is locked with a passphrase: name one without")


def _state(path: Path) -> tuple[int, int]:
    """What changes with the file, so that a thousand targets of one authority read it once."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=256)
def _wrong_certificates(path: Path, _state: tuple[int, int]) -> str | None:
    """Why nothing can be verified with this file; None where all is well. Raises OSError."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trust.load_verify_locations(cafile=path)
    except ssl.SSLError:
        pass
    else:
        if trust.cert_store_stats()["x509"]:
            return None
    if path.read_bytes()[:1] == b"\x30":  # the SEQUENCE with which a certificate in DER begins
        return f"{path} is not PEM but DER: write it anew with openssl x509 -inform der, and name that file"
    return f"{path} holds no certificate in PEM: name a file that has {_LOOKS} in it, and whole ones alone"


@lru_cache(maxsize=256)
def _wrong_pair(certificate: Path, key: Path, _states: tuple[tuple[int, int], ...]) -> str | None:
    """Why this key cannot be used with this certificate; None where all is well. Raises OSError."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, no_passphrase)
    except _Encrypted:
        return f"{key} is locked with a passphrase: name a key without one, in a file that nobody else may read"
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            return f"the key {key} does not belong to the certificate {certificate}: name the key that it was made with"
        return f"{key} holds no private key in PEM: name a file that has -----BEGIN PRIVATE KEY----- in it"
    return None


def _told(path: Path, found: Callable[[], str | None], info: ValidationInfo) -> None:
    """Raise ValueError with what is wrong. Whoever needs no secrets may not be let into the file, and need not be."""
    try:
        wrong = found()
    except OSError as error:
        if (info.context or {}).get("secrets") == "optional":
            return
        wrong = f"{path} cannot be read: {error.strerror or error}; let the user that slaproof runs as read it"
    if wrong is not None:
        raise ValueError(wrong)


def _certificates(path: Path, info: ValidationInfo) -> Path:
    _told(path, lambda: _wrong_certificates(path, _state(path)), info)
    return path


CertificateFile = Annotated[LocalFile, AfterValidator(_certificates)]
"""A file with one certificate in PEM or several."""


def key_of(name: str) -> AfterValidator:
    """For a field with the private key of the certificate that stands in the field ``name`` before it.

    Where the field may be left out, the certificate's file must have the key too; its default must then be validated.
    """

    def check(path: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get(name)
        if certificate is not None:
            key = path or certificate
            _told(key, lambda: _wrong_pair(certificate, key, (_state(certificate), _state(key))), info)
        elif path is not None and name in info.data:  # else the certificate is wrong, and that has been told of
            raise ValueError(f"a key alone is of no use: add {name}: with its certificate, or take the key away")
        return path

    return AfterValidator(check)
