"""``slaproof contract``: what a contract says in plain words, and every problem in its file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands._options import (
    NoConfiguration,
    config_option,
    echo_json,
    find_config,
    json_option,
    problems_json,
)

if TYPE_CHECKING:
    from monitor.sla.contract import Contract, Terms


def _contract(name: str, config_path: Path | None) -> tuple[Contract, Terms | None]:
    """Load a preset by its name, a file, or a contract of the configuration with what is one's own in it.

    A configuration that is named goes first. Raises Problems, or BadParameter where nothing is called so.
    """
    from monitor.config.terms import load_contract, load_preset, preset_names
    from monitor.sla.fields import nearest

    own = _configured(config_path) if config_path is not None else {}
    if name not in own:
        if name in preset_names():
            return load_preset(name), None
        if Path(name).is_file():
            return load_contract(Path(name)), None
        own = own or _configured(None)
    if name in own:
        terms = own[name]()
        return terms.contract, terms
    known = list(dict.fromkeys((*preset_names(), *own)))
    near = nearest(name, known)
    hint = f"did you mean '{near}'?" if near else f"there are {', '.join(known)}, or give a file"
    raise click.BadParameter(
        f"there is no preset, no file and no contract of a configuration '{name}': {hint}", param_hint="CONTRACT"
    )


def _configured(config_path: Path | None) -> dict[str, Callable[[], Terms]]:
    """Give how each contract of the configuration is read; none where there is no configuration."""
    from monitor.config.terms import read_terms
    from monitor.config.yamlfile import Problem, Problems, load

    try:
        path = find_config(config_path)
    except NoConfiguration:
        if config_path is not None:
            raise
        return {}
    document = load(path)
    section = document.data.get("contracts") if isinstance(document.data, dict) else None

    def read(name: str) -> Terms:
        problems: list[Problem] = []
        found = read_terms(document, path.parent, problems, only=name)
        if problems:
            raise Problems(problems)
        return found[name]

    return {name: partial(read, name) for name in section or ()} if isinstance(section, dict) else {}


@click.group()
def contract() -> None:
    """Look into a contract: what it says, and what is wrong in its file."""


@contract.command()
@click.argument("name", metavar="CONTRACT")
@config_option
@json_option
def show(name: str, config_path: Path | None, as_json: bool) -> None:
    """Print what a contract says in plain words, to lay beside its text.

    CONTRACT is the name of a preset, a file, or the name of a contract in the configuration.
    """
    from monitor.terminal.contract_text import WIDTH, describe, to_json

    contract, terms = _contract(name, config_path)
    if as_json:
        echo_json(to_json(contract, terms))
        return
    width = min(WIDTH, shutil.get_terminal_size().columns) if sys.stdout.isatty() else WIDTH
    click.echo(describe(contract, terms, width=width))


@contract.command()
@click.argument("file", metavar="FILE")
@config_option
@json_option
def check(file: str, config_path: Path | None, as_json: bool) -> None:
    """Print every problem in a contract's file, with line and column; end with 1 if there is one.

    FILE is a contract's file, the name of a preset, or that of a contract in the configuration.
    """
    from monitor.config.yamlfile import Problems

    try:
        found, _ = _contract(file, config_path)
    except Problems as wrong:
        if not as_json:
            raise
        echo_json(problems_json(wrong))
        raise click.exceptions.Exit(1) from None
    services, rules = len(found.services), len(found.rules)
    if as_json:
        echo_json({"ok": True, "contract": found.name, "services": services, "response_rules": rules})
        return
    click.echo(
        f"{file}: the contract {found.name} is in order: {services} service{'' if services == 1 else 's'},"
        f" {rules} response rule{'' if rules == 1 else 's'}."
    )


@contract.command("list")
@json_option
def list_presets(as_json: bool) -> None:
    """List the contracts that come with the program."""
    found = presets()
    if as_json:
        echo_json(found)
        return
    for one in found:
        click.echo(f"{one['name']}: {one['title']}")


def presets() -> list[dict[str, str | None]]:
    """The contracts that come with the program, by name and title."""
    from monitor.config.terms import load_preset, preset_names

    return [{"name": name, "title": load_preset(name).title} for name in preset_names()]
