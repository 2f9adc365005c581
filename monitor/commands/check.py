"""``slaproof check``: what the configuration says, or everything that is wrong in it."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands._options import config_option, echo_json, find_config, folded, json_option, problems_json

_LABELLED = 14
"""Where the text stands in a line that begins with a label."""


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@config_option
@json_option
@click.option("--without-secrets", is_flag=True, help="Secrets need not be there: check the file on another machine.")
def check(file: Path | None, config_path: Path | None, as_json: bool, without_secrets: bool) -> None:
    """Read the configuration FILE and say what was understood, in plain words.

    If something is wrong, every problem is shown with its line and column and what to write instead, and the command
    ends with 1.
    """
    from monitor.config.describe import describe
    from monitor.config.in_force import config_data
    from monitor.config.load import load
    from monitor.config.yamlfile import Problems
    from monitor.serving import guarding

    if file is not None and config_path is not None:
        raise click.UsageError("name the file once, as FILE or with --config")
    path = find_config(file or config_path)
    try:
        config = load(path, secrets="optional" if without_secrets else "needed")
        if not without_secrets:  # a private key is a secret too
            guarding(config)
    except Problems as found:
        if as_json:
            echo_json(problems_json(found))
        else:
            for problem in found.problems:
                click.echo(str(problem), err=True)
            count = len(found.problems)
            click.echo(f"{count} problem{'' if count == 1 else 's'}: nothing was used.", err=True)
        raise click.exceptions.Exit(1) from None
    if as_json:
        echo_json({"ok": True, "listen": list(config.listen), "storage": config.storage, **config_data(config)})
        return
    for line in describe(config):
        hang = _LABELLED if line[:1].isupper() else len(line) - len(line.lstrip()) + 4
        click.echo(folded(line, hang=hang))
