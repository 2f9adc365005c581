"""``slaproof outage``: what was reported to the provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from monitor.commands._options import config_option, json_option
from monitor.commands._stating import Field, Form, add_common, enter_one
from monitor.commands._stating_csv import take_csv

FORM = Form(
    kind="report",
    title="report of an outage",
    fields=(
        Field(key="at", kind="instant", default="now", help="When it was reported; now where nothing is said."),
        Field(key="services", option="--service", kind="names", help="A service that was reported; none named: all."),
        Field(key="note", help="How, and under which number of theirs."),
    ),
)


@click.group()
def outage() -> None:
    """Note that an outage was reported to the provider: some contracts count only from then on."""


@outage.command()
@click.argument("contract", required=False)
@FORM.options()
@click.option(
    "--csv", "file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Enter every row of a CSV file: contract, at, services, note.",
)  # fmt: skip
@config_option
@json_option
def report(contract: str | None, file: Path | None, config_path: Path | None, as_json: bool, **values: Any) -> None:
    """Note that an outage was reported to CONTRACT's provider, now or --at a time."""
    if file is not None:
        take_csv(FORM, file, contract, config_path, as_json)
    elif contract is None:
        raise click.UsageError("name the contract whose provider was told")
    else:
        enter_one(FORM, contract, values, config_path, as_json)


add_common(outage, FORM)
