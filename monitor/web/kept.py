"""What pages and API read of the repositories: tokens, statements, seals."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.web.ports import Caller, Proof, Seal

if TYPE_CHECKING:
    from monitor.clock import Clock
    from monitor.store.ledger import Ledger
    from monitor.store.proofs import Proofs
    from monitor.store.tokens import Tokens

PREFIX = "slp_"
"""Tokens begin so, that scanners for secrets know them."""
_LONGEST = 200


def new_token() -> str:
    """A token with 256 bits of chance."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """What is kept of a token. It has so much chance in it that a plain SHA-256 cannot be searched through."""
    return hashlib.sha256(token.encode()).digest()


class KeptTokens:
    """Finds tokens in the store."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    def find(self, secret: str) -> Caller | None:
        """Whose token this is; None where it is unknown, over or revoked."""
        if not secret.startswith(PREFIX) or len(secret) > _LONGEST:
            return None
        token = self._tokens.by_digest(digest_of(secret))
        if token is None or not token.valid(self._clock.now_ms()):
            return None
        return Caller(name=token.name, scopes=token.scopes)


class KeptProofs:
    """The statements that the store knows of."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs

    def all(self) -> list[Proof]:
        """Newest period first, then by contract, newest revision first."""
        return [
            Proof(
                contract=one.contract,
                period=one.period,
                revision=one.revision,
                made_at=one.made_at,
                sha256=one.sha256,
                size=one.size,
                language=one.language,
                path=Path(one.path),
                note=one.note,
            )
            for one in self._proofs.all()
        ]


def last_seal(ledger: Ledger) -> Seal | None:
    """The newest checkpoint."""
    entry = ledger.last()
    if entry is None:
        return None
    return Seal(at=entry.sealed_at, day=entry.day, size=entry.index + 1, note=entry.note)
