"""``slaproof verifier``: write the page with which the other side verifies."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands._options import echo_json, json_option
from monitor.verifier import page


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("verify.html"), show_default=True,
    metavar="FILE", help="Where to write it.",
)  # fmt: skip
@json_option
def verifier(output: Path, as_json: bool) -> None:
    """Write the page with which the other side verifies in its browser.

    One file that needs no network and no installation: drop a statement or bundle on it, and it checks everything on
    that device and counts the downtime anew from the raw observations.
    """
    raw = page().encode()
    output.write_bytes(raw)
    if as_json:
        echo_json({"file": str(output), "bytes": len(raw)})
        return
    click.echo(f"Wrote {output}. Send it along with a statement, or open it in a browser.")
