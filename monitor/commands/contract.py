"""``slaproof contract``: what a contract says in plain words, and every problem in its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from monitor.sla.contract import Contract


def _contract(name: str) -> Contract:
    """Load a preset by its name, or a file. Raises Problems, or BadParameter where there is neither."""
    from monitor.sla.fields import nearest
    from monitor.terms import load_contract, load_preset, preset_names

    if name in preset_names():
        return load_preset(name)
    if Path(name).is_file():
        return load_contract(Path(name))
    near = nearest(name, preset_names())
    hint = f"did you mean '{near}'?" if near else f"there are {', '.join(preset_names())}, or give a file"
    raise click.BadParameter(f"there is no preset and no file '{name}': {hint}", param_hint="CONTRACT")


@click.group()
def contract() -> None:
    """Look into a contract: what it says, and what is wrong in its file."""


@contract.command()
@click.argument("name", metavar="CONTRACT")
def show(name: str) -> None:
    """Print what a contract says in plain words, to lay beside its text.

    CONTRACT is the name of a preset, or a file.
    """
    from monitor.contract_text import describe

    click.echo(describe(_contract(name)))


@contract.command()
@click.argument("file", metavar="FILE")
def check(file: str) -> None:
    """Print every problem in a contract's file, with line and column; end with 1 if there is one.

    FILE is a contract's file, or the name of a preset.
    """
    found = _contract(file)
    services, rules = len(found.services), len(found.rules)
    click.echo(
        f"{file}: the contract {found.name} is in order: {services} service{'' if services == 1 else 's'},"
        f" {rules} response rule{'' if rules == 1 else 's'}."
    )


@contract.command("list")
def list_presets() -> None:
    """List the contracts that come with the program."""
    from monitor.terms import load_preset, preset_names

    for name in preset_names():
        click.echo(f"{name}: {load_preset(name).title}")
