"""``slaproof schema``: the JSON Schema of the configuration."""

from __future__ import annotations

import click

from monitor.commands._options import echo_json


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration.

    Editors complete and check by it: write
    “# yaml-language-server: $schema=slaproof.schema.json” into the first line of the configuration.
    """
    from monitor.schema import schema as made

    echo_json(made())
