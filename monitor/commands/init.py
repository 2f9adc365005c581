"""``slaproof init``: a first configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from monitor.commands._options import echo_json, json_option


def _providers(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from monitor.config.terms import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


@click.command()
@click.argument("providers", nargs=-1, shell_complete=_providers)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("slaproof.yaml"), show_default=True,
    help="The file to write; “-” for standard output.",
)  # fmt: skip
@click.option("--location", default="main", show_default=True, help="The name of the place that probes.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--list", "listed", is_flag=True, help="List the providers whose contracts come with slaproof.")
@json_option
def init(providers: tuple[str, ...], output: Path, location: str, force: bool, listed: bool, as_json: bool) -> None:
    """Write a commented configuration for the PROVIDERS that you pick.

    Their contracts come with slaproof; “none” stands for a configuration without a contract. Without any, you are
    asked. What only you can know (addresses, accounts) is marked “fill in”.
    """
    import difflib

    from monitor.commands.contract import presets
    from monitor.config.starter import starter
    from monitor.config.terms import preset_names

    names = preset_names()
    if listed:
        if as_json:
            echo_json(presets())
            return
        for one in presets():
            click.echo(f"{one['name']:<12} {one['title'] or ''}".rstrip())
        return
    if not providers:
        if not sys.stdin.isatty():
            raise click.UsageError(f"name the providers: {', '.join(names)}, or none")
        answer = click.prompt(f"Which providers? ({', '.join(names)}, or none; several with spaces)", err=as_json)
        providers = tuple(answer.replace(",", " ").split())
    chosen = [name for name in providers if name != "none"]
    for name in chosen:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean “{near[0]}”?" if near else f"there are {', '.join(names)}, or none"
            raise click.UsageError(f"no contract of “{name}” comes with slaproof: {hint}")
    chosen = list(dict.fromkeys(chosen))
    text = starter(chosen, location=location)
    told = {"providers": chosen, "location": location}
    if str(output) == "-":
        if as_json:
            echo_json({**told, "file": None, "text": text})
        else:
            click.echo(text, nl=False)
        return
    if output.exists() and not force:
        raise click.UsageError(f"{output} is there already: name another with -o, or write over it with --force")
    output.write_text(text, "utf-8")
    if as_json:
        echo_json({**told, "file": str(output)})
        return
    click.echo(f"Wrote {output}. Fill in what is marked, then: slaproof check --config {output}")
