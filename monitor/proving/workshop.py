"""Where proofs are made and kept: the key, the identity on the pages, the folder, the record of each statement."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from monitor.clock import Clock
from monitor.config.load import Config
from monitor.judgement.events import make
from monitor.keys import Keys, load_keys, new_key, page_secret
from monitor.proof.canonical import sha256
from monitor.proving.prover import Made, Prover, Wanted
from monitor.proving.settings import ProofSettings
from monitor.statement.sign import CannotSign, PageIdentity, own_identity
from monitor.store.proofs import ProofRecord
from monitor.store.sqlite import SqliteStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything that proving needs, for one configuration."""

    settings: ProofSettings
    base: Path
    storage: Path
    location: str

    @classmethod
    def of(cls, config: Config) -> Workshop:
        """The workshop of a configuration."""
        return cls(config.section(ProofSettings), config.path.parent, Path(config.storage), config.location)

    @property
    def folder(self) -> Path:
        """Where statements are kept."""
        return self.settings.proofs_folder(self.base, self.storage)

    def keys(self) -> Keys:
        """The signing key; one is made beside the database where none is configured and none is there.

        Raises KeyRefused.
        """
        path = self.settings.key_path(self.base, self.storage)
        if self.settings.key is None and self.settings.key_credential is None and not path.exists():
            made = new_key(path, self.settings.name or f"slaproof/{self.location}")
            log.warning("made the signing key %s; keep a copy where only you can reach it", path)
            return made
        # The folder of a credential cannot be written: then the public history stands beside the database.
        credential = self.settings.key_credential is not None
        return load_keys(path, public=self.storage.with_suffix(".key.pub") if credential else None)

    def identity(self, keys: Keys) -> PageIdentity:
        """Who signs the pages: the certificate that is configured, else one that follows from the key."""
        own = self.settings.sign_with
        if own is None:
            return own_identity(page_secret(keys), self.settings.customer or keys.signer.key.name, _SINCE)
        key = load_pem_private_key(own.key.read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
            raise CannotSign(f"The key {own.key} is neither RSA nor elliptic-curve, which PDF readers know.")
        chain = tuple(x509.load_pem_x509_certificates(own.chain.read_bytes())) if own.chain else ()
        certificate = x509.load_pem_x509_certificate(own.certificate.read_bytes())
        return PageIdentity(certificate=certificate, chain=chain, key=key)

    def wanted(self, contract: str, period: str, language: str, *, why: str = "") -> Wanted:
        """A statement, dressed as the settings say."""
        settings = self.settings
        return Wanted(
            contract=contract,
            period=period,
            language=language,
            customer=settings.customer,
            why=why,
            tsa=settings.timestamps.url if settings.timestamps else None,
            heartbeats=settings.show_heartbeats == "yes",
        )

    async def prove(self, store: SqliteStore, clock: Clock, wanted: Wanted) -> tuple[ProofRecord, Made | None]:
        """Makes a proof, keeps its file and its record; None where the one before says the same.

        Raises CannotProve, CannotSign, CannotTypeset, KeyRefused, StoreError, OSError.
        """
        keys = self.keys()
        secret = await store.ledger.secret(secrets.token_bytes(32))
        prover = Prover(store, keys, self.identity(keys), secret)
        made = await store.run(prover.prove, wanted, clock.now_ms())
        if isinstance(made, ProofRecord):
            return made, None
        path = self.folder / made.file_name
        record = ProofRecord(
            contract=wanted.contract,
            period=wanted.period,
            revision=made.revision,
            language=wanted.language,
            made_at=clock.now_ms(),
            path=str(path),
            sha256=sha256(made.pdf).hex(),
            size=len(made.pdf),
            bundle_sha256=sha256(made.bundle).hex(),
            content_sha256=made.content_sha256,
            note="; ".join(made.changes),
        )
        # A death after this line leaves a file without a record: it is made again and takes the same place.
        write_whole(path, made.pdf)
        await store.proofs.add(record)
        data = {
            "contract": wanted.contract,
            "period": wanted.period,
            "revision": made.revision,
            "sha256": record.sha256,
        }
        await store.writer.put_event(make("proof", data, source="monitor", at=record.made_at))
        log.info("proved %s %s, revision %d: %s", wanted.contract, wanted.period, made.revision, path)
        return record, made


_SINCE = 1_767_225_600_000
"""2026-01-01: from when a certificate that follows from a key is valid."""


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
