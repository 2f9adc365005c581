"""``slaproof prove`` and ``slaproof proofs``: make the statement of a month, and list those that were made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from monitor.clock import SystemClock
from monitor.commands._options import config_option, echo_json, folded, json_option, load_config
from monitor.errors import Refused


@click.command()
@click.argument("period")
@click.option("--contract", required=True, metavar="C", help="The contract's name in the configuration.")
@click.option("--lang", "language", type=click.Choice(["en", "de"]), default="en", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write a copy here as well.")
@click.option("--why", default="", metavar="TEXT", help="With a new revision: why it is made.")
@config_option
@json_option
def prove(
    period: str, contract: str, language: str, output: Path | None, why: str, config_path: Path | None, as_json: bool
) -> None:
    """Write the signed statement of PERIOD (like 2026-10) as a PDF with its evidence inside.

    Made from the days that are sealed. A statement that would say what the one before says is not made again; one that
    says something else is a new revision, and the old one stays valid as what was known then.
    """
    from monitor.proving.prover import CannotProve
    from monitor.proving.workshop import Workshop, write_whole
    from monitor.sla.period import PeriodError
    from monitor.statement.render import CannotTypeset
    from monitor.statement.sign import CannotSign
    from monitor.store import open_store

    config = load_config(config_path)
    shop = Workshop.of(config)
    if contract not in config.contracts:
        raise Refused(f"There is no contract {contract!r}; there are: {', '.join(config.contracts) or 'none'}.")
    wanted = shop.wanted(contract, period, language, why=why)

    async def make() -> dict[str, object]:
        clock = SystemClock()
        store = open_store(config.storage, config.location, clock, create=False)
        try:
            record, made = await shop.prove(store, clock, wanted)
        finally:
            store.close()
        return {
            "contract": contract,
            "period": period,
            "revision": record.revision,
            "file": record.path,
            "size": record.size,
            "sha256": record.sha256,
            "new": made is not None,
            "unsealed_events": made.unsealed_events if made else 0,
        }

    try:
        told = asyncio.run(make())
    except (CannotProve, CannotSign, CannotTypeset, PeriodError) as error:
        raise Refused(str(error)) from error
    if output is not None:
        write_whole(output, Path(str(told["file"])).read_bytes())
        told["file"] = str(output)
    if as_json:
        echo_json(told)
        return
    if not told["new"]:
        click.echo(f"Nothing has changed: revision {told['revision']} says the same. {told['file']}")
        return
    click.echo(f"{told['file']} ({told['size']} bytes, revision {told['revision']})")
    click.echo(f"Check it with: slaproof verify {told['file']}")
    if told["unsealed_events"]:
        click.echo(
            f"{told['unsealed_events']} events were entered after the last seal and are not in it; they will be in a "
            "revision made after the next one."
        )


@click.command()
@config_option
@json_option
def proofs(config_path: Path | None, as_json: bool) -> None:
    """List the statements that were made, the newest period first."""
    from monitor.store import open_store
    from monitor.times import iso, short

    config = load_config(config_path)
    store = open_store(config.storage, config.location, SystemClock(), create=False)
    try:
        found = store.proofs.all()
    finally:
        store.close()
    if as_json:
        names = ("contract", "period", "revision", "language", "path", "sha256", "size", "note")
        echo_json([{**{name: getattr(one, name) for name in names}, "made_at": iso(one.made_at)} for one in found])
        return
    if not found:
        click.echo("No statement was made yet. “slaproof prove PERIOD --contract C” makes one.")
    for one in found:
        gone = "" if Path(one.path).is_file() else "  (the file is gone)"
        line = f"{one.period}  {one.contract:<16} {one.language}  revision {one.revision}  {short(one.made_at)} UTC"
        click.echo(folded(f"{line}  {one.path}{gone}", hang=9))
