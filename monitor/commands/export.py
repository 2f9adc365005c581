"""``slaproof export``: contracts in the formats of other programs."""

from __future__ import annotations

import io
from pathlib import Path

import click

from monitor.clock import SystemClock
from monitor.commands._options import config_option, echo_json, json_option, load_config
from monitor.errors import Refused


@click.group()
def export() -> None:
    """Write contracts in the formats of other programs."""


@export.command()
@click.option("--contract", metavar="NAME", help="Only this contract.")
@config_option
@json_option
def openslo(contract: str | None, config_path: Path | None, as_json: bool) -> None:
    """Write each contract's promises as OpenSLO v1 documents, for Sloth, Pyrra and others.

    OpenSLO knows no maintenance and no credits: the documents follow the promise, the contract's own count is
    slaproof's.
    """
    from ruamel.yaml import YAML

    from monitor.openslo import documents
    from monitor.sla.period import containing

    config = load_config(config_path)
    if contract is not None and contract not in config.contracts:
        raise Refused(f"There is no contract {contract!r}; there are: {', '.join(config.contracts) or 'none'}.")
    now = SystemClock().now_ms()
    found = []
    for name, one in config.contracts.items():
        if contract in (None, name):
            kind, zone, day = one.terms.contract.period, one.terms.contract.timezone, one.terms.billing_day
            services: dict[str, list[str]] = {}
            for target in config.targets_of(name):
                services.setdefault(target.service or "", []).append(target.name)
            found += documents(one.terms, services, containing(kind, zone, day, now))
    if as_json:
        echo_json(found)
        return
    writer = YAML()
    writer.default_flow_style = False
    writer.explicit_start = True
    writer.width = 100_000
    out = io.StringIO()
    for document in found:
        writer.dump(document, out)
    click.echo(out.getvalue(), nl=False)
