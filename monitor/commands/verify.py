"""``slaproof verify``: check a statement or a bundle, with nothing but the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands._options import echo_json, folded, json_option

if TYPE_CHECKING:
    from cryptography import x509

    from monitor.proof.note import VerifierKey
    from monitor.proof.verdict import Verdict

_MARKS = {"good": ("✓", "green"), "note": ("·", "cyan"), "but": ("!", "yellow"), "bad": ("✗", "red")}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--key", "key_texts", multiple=True, metavar="K",
    help="The monitor's public key, as you had it from elsewhere: the key itself or the file FILE.pub.",
)  # fmt: skip
@click.option("--contract", type=_FILE, metavar="TEXT", help="The contract's file, or the text it was read from.")
@click.option("--tsa", type=_FILE, multiple=True, metavar="PEM", help="Certificates of the timestamp authority.")
@click.option(
    "--checkpoint",
    type=_FILE,
    multiple=True,
    metavar="FILE",
    help="A checkpoint or heartbeat that you received when it was made: it must be one of this chain.",
)
@json_option
@click.pass_context
def verify(
    context: click.Context,
    file: Path,
    key_texts: tuple[str, ...],
    contract: Path | None,
    tsa: tuple[Path, ...],
    checkpoint: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Check a statement (PDF) or bundle; needs no daemon, database or network.

    Ends with 0 for VALID, 1 for INVALID, 2 for VALID BUT, which says what is missing. The format is described in
    docs/proof-format.md, so that you can also write your own verifier.
    """  # fmt: skip
    from monitor.proof.verify import Known
    from monitor.proof.verify import verify as verify_bytes
    from monitor.proving.recount import recount

    keys, notes = _keys(key_texts)
    known = Known(
        keys=tuple(keys),
        notes=tuple(notes),
        checkpoints=tuple(path.read_bytes().decode("utf-8", "replace") for path in checkpoint),
        contract=None if contract is None else contract.read_bytes(),
        authorities=tuple(one for path in tsa for one in _certificates(path)),
    )
    verdict = verify_bytes(file.read_bytes(), known, recount)
    if as_json:
        echo_json(as_value(verdict))
    else:
        _print(file, verdict)
    context.exit(verdict.exit_code)


def as_value(verdict: Verdict) -> dict[str, object]:
    """The verdict as one JSON value."""
    steps = [{"step": s.name, "state": s.state, "text": s.text, "place": s.place} for s in verdict.steps]
    return {"verdict": verdict.status, "facts": verdict.facts, "steps": steps}


def _print(file: Path, verdict: Verdict) -> None:
    facts = verdict.facts
    if facts.get("contract"):
        period = (facts.get("period") or {}).get("name", "?")
        revision = f", revision {facts['revision']}" if facts.get("revision") != 1 else ""
        click.echo(f"{file.name}: {facts['contract']}, {period}{revision}, by {facts['origin']}")
    if amends := facts.get("amends"):
        click.echo(f"It amends an earlier revision ({amends['sha256'][:16]}…): {amends['why']}")
        for change in amends["changes"]:
            click.echo(f"    {change}")
    if facts.get("generated"):
        click.echo("Generated data: an example, not a measurement.")
    for step in verdict.steps:
        mark, colour = _MARKS[step.state]
        place = f" [{step.place}]" if step.place else ""
        text = folded(f"  {mark} {step.text}{place}", hang=4)
        click.echo(text.replace(mark, click.style(mark, fg=colour), 1))
    missing = [step for step in verdict.steps if step.state == "but"]
    tail = {"INVALID": f": {', '.join(dict.fromkeys(verdict.places()))}",
            "VALID BUT": f" {len(missing)} thing{'s' if len(missing) > 1 else ''} missing, marked above"}  # fmt: skip
    colour = {"VALID": "green", "VALID BUT": "yellow", "INVALID": "red"}[verdict.status]
    click.echo(click.style(verdict.status, fg=colour, bold=True) + tail.get(verdict.status, ""))


def _keys(texts: tuple[str, ...]) -> tuple[list[VerifierKey], list[str]]:
    from monitor.proof.keyring import parse_key_text
    from monitor.proof.note import NoteError

    keys, notes = [], []
    for text in texts:
        try:
            content = Path(text).read_text() if "+" not in text or Path(text).is_file() else text
            found, told = parse_key_text(content)
        except (NoteError, OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"{text} is no public key: {error}", param_hint="--key") from error
        keys += found
        notes += told
    return keys, notes


def _certificates(path: Path) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"{path} holds no certificate: {error}", param_hint="--tsa") from error
