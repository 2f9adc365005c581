"""``slaproof maintenance``: windows that a provider announced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from monitor.commands._options import config_option, json_option
from monitor.commands._stating import Field, Form, add_common, enter_one

FORM = Form(
    kind="maintenance",
    title="maintenance window",
    fields=(
        Field(key="start", kind="instant", needed=True, help="When it starts, such as 2026-10-12T02:00:00Z."),
        Field(key="end", kind="instant", needed=True, help="When it ends."),
        Field(key="announced", kind="instant", help="When the provider announced it."),
        Field(key="kind", help="scheduled or emergency.", default="scheduled"),
        Field(key="services", option="--service", kind="names", help="A service that it touches; none named: all."),
        Field(key="note", help="Anything else, such as the address of the announcement."),
    ),
)


@click.group()
def maintenance() -> None:
    """Enter maintenance windows that a provider announced; probing goes on during them.

    Whether a window is left out is the contract's to say. Nothing entered is ever changed: a correction or a
    withdrawal is a new event beside the old one.
    """


@maintenance.command()
@click.argument("contract")
@FORM.options()
@config_option
@json_option
def add(contract: str, config_path: Path | None, as_json: bool, **values: Any) -> None:
    """Enter a window of CONTRACT's provider."""
    enter_one(FORM, contract, values, config_path, as_json)


add_common(maintenance, FORM)
