"""``slaproof key``: make, show, rotate and revoke the key that signs checkpoints and bundles."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.clock import SystemClock
from monitor.commands._options import echo_json, json_option
from monitor.keys import Keys, interrupted, load_keys, new_key, public_path, revoke_key, rotate_key
from monitor.proof.keyring import Keyring
from monitor.proof.ledger import rfc3339

DEFAULT = Path("slaproof.key")

_file = click.option(
    "-k", "--key", "path", type=click.Path(path_type=Path), default=DEFAULT, show_default=True, metavar="FILE",
    envvar="SLAPROOF_KEY", show_envvar=True, help="The private key's file; its public history stands in FILE.pub.",
)  # fmt: skip


@click.group()
def key() -> None:
    """Make, show or rotate the signing key.

    The private key stands in a file that only its owner may read, or in a systemd credential. The public history
    beside it, FILE.pub, is what to give to the other side: “slaproof verify --key FILE.pub”.
    """


@key.command()
@_file
@click.option("--name", required=True, help="The monitor's name in its signatures, like monitor.example.com/slaproof.")
@json_option
def new(path: Path, name: str, as_json: bool) -> None:
    """Make a key."""
    keys = new_key(path, name)
    if as_json:
        echo_json(_told(keys))
        return
    click.echo(f"Made the key {path}. Keep a copy where only you can reach it; give {public_path(path)} to everybody.")
    click.echo(str(keys.signer.key))


@key.command()
@_file
@json_option
def show(path: Path, as_json: bool) -> None:
    """Show the public key and the history of keys. The private key is never shown."""
    keys = load_keys(path)
    if as_json:
        echo_json(_told(keys))
        return
    click.echo(str(keys.signer.key))
    for line in history(keys.ring):
        click.echo(line)
    if (waiting := interrupted(path)) is not None:
        click.echo(f"A rotation to {waiting.id.hex()} was begun and not ended: “slaproof key rotate” ends it.")


@key.command()
@_file
@json_option
def rotate(path: Path, as_json: bool) -> None:
    """Put a new key in the old one's place. Both sign that, so whoever knows the old key can trust the new one."""
    before = load_keys(path).signer.key.id.hex()
    keys = rotate_key(path, SystemClock().now_ms())
    if as_json:
        echo_json({"replaced": before, **_told(keys)})
        return
    click.echo(
        f"{before} is replaced by {keys.signer.key.id.hex()}; old proofs stay good. Restart the daemon or reload it."
    )
    click.echo(str(keys.signer.key))


@key.command()
@_file
@click.argument("key_id", metavar="KEYID")
@click.option("--reason", required=True, help="Why, in one line: it is shown to everybody who verifies.")
@json_option
def revoke(path: Path, key_id: str, reason: str, as_json: bool) -> None:
    """Say that an older key is no longer to be trusted. What it signed before stays good, and says so."""
    keys: Keys = revoke_key(path, key_id, SystemClock().now_ms(), reason)
    if as_json:
        echo_json({"revoked": key_id, "reason": reason, **_told(keys)})
        return
    click.echo(f"{key_id} is revoked. Give the new {public_path(keys.path)} to everybody who verifies.")


def _told(keys: Keys) -> dict[str, object]:
    """The public key in use, its history and the files; nothing private."""
    return {"key": str(keys.signer.key), "file": str(keys.path), "public": str(public_path(keys.path)),
            **keys.ring.to_json()}  # fmt: skip


def history(ring: Keyring) -> list[str]:
    """What happened to the keys, in sentences."""
    lines = [(one.at, f"{one.old.id.hex()} was replaced by {one.new.id.hex()}") for one in ring.rotations]
    lines += [(one.at, f"{one.key.id.hex()} was revoked: {one.reason}") for one in ring.revocations]
    return [f"{rfc3339(at)}  {text}" for at, text in sorted(lines)]
