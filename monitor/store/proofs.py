"""The statements that were made. The files lie on disk; here stands what they are and what they are the proof of."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.store._schema import Steps, append_only, first_stands, run
from monitor.store._tables import Repository

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("slaproof.proofs")


@migrations()
def m001_proofs(db: Database) -> None:
    """Statements, and when they were mailed."""
    run(
        db,
        """
        CREATE TABLE proofs (
            contract TEXT NOT NULL,
            period TEXT NOT NULL,
            revision INTEGER NOT NULL,
            language TEXT NOT NULL,
            made_at INTEGER NOT NULL,
            path TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            size INTEGER NOT NULL,
            bundle_sha256 TEXT NOT NULL,
            content_sha256 TEXT NOT NULL, -- of what is proved: equal where nothing changed
            note TEXT NOT NULL,
            PRIMARY KEY (contract, period, revision, language)
        ) STRICT, WITHOUT ROWID;
        """
        + append_only("proofs")
        + first_stands("proofs", ("contract", "period", "revision", "language")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRecord:
    """One statement: a contract, a period, a language, and its number."""

    contract: str
    period: str
    revision: int
    """1 is the first; an amendment has the next."""
    language: str
    made_at: int
    path: str
    sha256: str
    size: int
    bundle_sha256: str
    content_sha256: str
    """Of what is proved, before signing: where it is equal nothing has changed since."""
    note: str = ""
    """What changed since the revision before, and why."""


class Proofs(Repository):
    """The statements."""

    async def add(self, proof: ProofRecord) -> None:
        """Keep it; the first of a contract, period, revision and language stands."""

        def change(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT INTO proofs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                tuple(getattr(proof, name) for name in _NAMES),
            )

        await self._write(change)

    def all(self, *, contract: str | None = None, period: str | None = None) -> list[ProofRecord]:
        """Newest period first, then by contract, newest revision first."""
        return [
            ProofRecord(**dict(zip(_NAMES, found, strict=True)))
            for found in self._all(
                f"SELECT {', '.join(_NAMES)} FROM proofs"
                " WHERE (? IS NULL OR contract = ?) AND (? IS NULL OR period = ?)"
                " ORDER BY period DESC, contract, revision DESC, language",
                (contract, contract, period, period),
            )
        ]

    def latest(self, contract: str, period: str, language: str) -> ProofRecord | None:
        """The newest revision."""
        return next((one for one in self.all(contract=contract, period=period) if one.language == language), None)


_NAMES = (
    "contract", "period", "revision", "language", "made_at", "path", "sha256", "size", "bundle_sha256",
    "content_sha256", "note",
)  # fmt: skip
