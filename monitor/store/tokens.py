"""Who may call the API: names, scopes and digests of tokens. The token itself is shown once and kept nowhere."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.store import StoreError
from monitor.store._schema import Steps, run
from monitor.store._tables import Repository

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Steps("slaproof.tokens")


@migrations()
def m001_tokens(db: Database) -> None:
    """Tokens; a revoked one stays listed."""
    run(
        db,
        """
        CREATE TABLE tokens (
            name TEXT PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE,
            scopes TEXT NOT NULL, -- separated by spaces
            created_at INTEGER NOT NULL,
            expires_at INTEGER,
            revoked_at INTEGER
        ) STRICT;
        """,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token by its digest."""

    name: str
    digest: bytes
    scopes: frozenset[str]
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def valid(self, now: int) -> bool:
        """Neither revoked nor over."""
        return (self.revoked_at is None or self.revoked_at > now) and (self.expires_at is None or self.expires_at > now)


class Tokens(Repository):
    """The tokens."""

    async def add(self, token: Token) -> None:
        """Keep a new one. Raises StoreError where the name is taken, by a revoked one too."""
        values = (token.name, token.digest, " ".join(sorted(token.scopes)), token.created_at, token.expires_at)

        def change(conn: sqlite3.Connection) -> None:
            found = conn.execute("SELECT digest FROM tokens WHERE name = ?", (token.name,)).fetchone()
            if found is None:
                conn.execute(
                    "INSERT INTO tokens (name, digest, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)", values
                )
            elif found[0] != token.digest:
                raise StoreError(f"There is a token {token.name} already; names are not used twice.")

        await self._write(change)

    async def revoke(self, name: str, *, at: int) -> bool:
        """Let it open nothing from now on; False where there is none of that name."""

        def change(conn: sqlite3.Connection) -> bool:
            conn.execute("UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL", (at, name))
            return conn.execute("SELECT 1 FROM tokens WHERE name = ?", (name,)).fetchone() is not None

        return await self._write(change)

    def by_digest(self, digest: bytes) -> Token | None:
        """The token of that digest, valid or not."""
        found = self._all(f"{_TOKEN} WHERE digest = ?", (digest,))
        return _token(*found[0]) if found else None

    def all(self) -> list[Token]:
        """All of them, by name."""
        return [_token(*found) for found in self._all(f"{_TOKEN} ORDER BY name")]


_TOKEN = "SELECT name, digest, scopes, created_at, expires_at, revoked_at FROM tokens"  # noqa: S105  a statement


def _token(
    name: str, digest: bytes, scopes: str, created_at: int, expires_at: int | None, revoked_at: int | None
) -> Token:
    return Token(
        name=name, digest=digest, scopes=frozenset(scopes.split()), created_at=created_at, expires_at=expires_at,
        revoked_at=revoked_at,
    )  # fmt: skip
