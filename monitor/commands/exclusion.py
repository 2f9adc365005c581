"""``slaproof exclusion``: spans that should not count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from monitor.commands._options import config_option, json_option
from monitor.commands._stating import Field, Form, add_common, enter_one

FORM = Form(
    kind="exclusion",
    title="exclusion",
    fields=(
        Field(key="start", kind="instant", needed=True, help="When it starts."),
        Field(key="end", kind="instant", needed=True, help="When it ends."),
        Field(key="reason", needed=True, help="Why it should not count, as the contract names it."),
        Field(key="services", option="--service", kind="names", help="A service that it touches; none named: all."),
        Field(key="note", help="Anything else."),
    ),
)


@click.group()
def exclusion() -> None:
    """Enter spans that a contract does not count, with the reason.

    A reason that the contract does not accept changes nothing, and is kept. “slaproof contract show” lists them.
    """


@exclusion.command()
@click.argument("contract")
@FORM.options()
@config_option
@json_option
def add(contract: str, config_path: Path | None, as_json: bool, **values: Any) -> None:
    """Enter a span of CONTRACT that should not count."""
    enter_one(FORM, contract, values, config_path, as_json)


add_common(exclusion, FORM)
