"""``slaproof token``: make, list and revoke tokens for the API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands._options import config_option, echo_json, json_option
from monitor.durations import parse_duration
from monitor.errors import Refused
from monitor.times import iso, short

if TYPE_CHECKING:
    from monitor.store.tokens import Token

SCOPES = ("read", "events", "manage")


@click.group()
def token() -> None:
    """Make, list and revoke tokens for the API.

    A token is sent as “Authorization: Bearer …”. It reads (scope read), enters events (events) or reloads the
    configuration (manage). It is shown once, when it is made; the database keeps its SHA-256 alone.
    """


@token.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do; read where none is named."
)
@click.option("--expires", metavar="TIME", help="After how long it is over, such as 90d; never where nothing is said.")
@config_option
@json_option
def create(name: str, scopes: tuple[str, ...], expires: str | None, config_path: Path | None, as_json: bool) -> None:
    """Make a token and show it, this once."""
    import asyncio

    from monitor.commands._store import opened
    from monitor.store.tokens import Token
    from monitor.web.kept import digest_of, new_token

    try:
        lasts = None if expires is None else parse_duration(expires)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--expires") from None
    with opened(config_path) as here:
        now = here.clock.now_ms()
        secret = new_token()
        made = Token(
            name=name,
            digest=digest_of(secret),
            scopes=frozenset(scopes or ("read",)),
            created_at=now,
            expires_at=None if lasts is None else now + lasts,
        )

        async def add() -> None:
            await here.store.tokens.add(made)

        asyncio.run(add())
    if as_json:
        echo_json({**_line(made), "token": secret})
        return
    click.echo(secret)
    click.echo(f"Keep it now: it is not shown again. “slaproof token revoke {name}” takes it back.", err=True)


@token.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """List the tokens, revoked ones too."""
    from monitor.commands._store import opened

    with opened(config_path) as here:
        now = here.clock.now_ms()
        found = here.store.tokens.all()
    if as_json:
        echo_json([_line(one) for one in found])
        return
    for one in found:
        state = "revoked" if one.revoked_at is not None else "good" if one.valid(now) else "over"
        until = f", until {short(one.expires_at)}" if one.expires_at is not None else ""
        click.echo(f"{one.name}  {state}  {' '.join(sorted(one.scopes))}  made {short(one.created_at)}{until}")
    if not found:
        click.echo("There are no tokens. “slaproof token create NAME” makes one.")


@token.command()
@click.argument("name")
@config_option
@json_option
def revoke(name: str, config_path: Path | None, as_json: bool) -> None:
    """Let a token open nothing from now on."""
    import asyncio

    from monitor.commands._store import opened

    with opened(config_path) as here:

        async def change() -> bool:
            return await here.store.tokens.revoke(name, at=here.clock.now_ms())

        if not asyncio.run(change()):
            raise NoSuchToken(f"There is no token {name}. “slaproof token list” shows those that there are.")
        kept = next(one for one in here.store.tokens.all() if one.name == name)
    if as_json:
        echo_json(_line(kept))
        return
    click.echo(f"{name} opens nothing any more.")


class NoSuchToken(Refused):
    """A token of that name was never made."""


def _line(one: Token) -> dict[str, object]:
    return {
        "name": one.name,
        "scopes": sorted(one.scopes),
        "created_at": iso(one.created_at),
        "expires_at": None if one.expires_at is None else iso(one.expires_at),
        "revoked_at": None if one.revoked_at is None else iso(one.revoked_at),
    }
