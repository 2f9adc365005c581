"""``slaproof schema``: the JSON Schema of the configuration."""

from __future__ import annotations

import click

from monitor.commands._options import echo_json


@click.command()
@click.option("--markdown", is_flag=True, help="The reference of all keys as Markdown instead.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of the configuration.

    Editors complete and check by it: write
    “# yaml-language-server: $schema=slaproof.schema.json” into the first line of the configuration.
    """
    if markdown:
        from monitor.config.schema_text import reference

        click.echo(reference(), nl=False)
        return
    from monitor.config.schema import schema as made

    echo_json(made())
