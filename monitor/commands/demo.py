"""``slaproof demo``: a past month with a generated history, and its statement."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.clock import SystemClock
from monitor.commands._options import config_option, echo_json, json_option, load_config
from monitor.errors import Refused

if TYPE_CHECKING:
    from monitor.config.load import Config
    from monitor.store.sqlite import SqliteStore


@click.command()
@click.argument("month", required=False, metavar="[YYYY-MM]")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number tells another story.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The database to make.")
@click.option("--prove", "with_proof", is_flag=True, help="Seal the days and write each contract's statement as a PDF.")
@click.option(
    "--lang", "languages", type=click.Choice(["en", "de"]), multiple=True, help="Of the statements; several will do."
)
@config_option
@json_option
@click.pass_context
def demo(
    context: click.Context,
    month: str | None,
    seed: int,
    output: Path | None,
    with_proof: bool,
    languages: tuple[str, ...],
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Fill a past month (the last one) with a generated history, and print its statement.

    The history is written to a database of its own, slaproof-demo.db beside the configured one, and marked: whatever
    is made of it says that it is an example. To look around in it: slaproof report MONTH --config THE.yaml, with
    storage: slaproof-demo.db in a copy of the configuration.
    """
    import sys

    from rich.console import Console
    from rich.progress import Progress

    from monitor.judgement.judge import Judge
    from monitor.judgement.report import gather, to_json
    from monitor.sandbox.demo import StoryClock, fill, span
    from monitor.sandbox.history import DAY
    from monitor.sla.period import PeriodError, bounds, containing
    from monitor.store import open_store
    from monitor.terminal.report_text import write

    config = load_config(config_path)
    now = SystemClock().now_ms()
    try:
        if month is None:
            this, _ = bounds("calendar_month", "UTC", 1, containing("calendar_month", "UTC", 1, now))
            month = containing("calendar_month", "UTC", 1, this - 1)
        _, over = bounds("calendar_month", "UTC", 1, month)
        start, end = span(config, month, now)
    except PeriodError as error:
        raise click.UsageError(str(error), context) from error
    if over + DAY > now:
        raise Refused(f"{month} is not long enough past; name an earlier month.")
    path = output or Path(config.storage).with_name("slaproof-demo.db")
    if path.exists():
        raise Refused(f"{path} is there already. Remove it, or name another file with -o.")
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Generating", total=len(config.targets))

        def told(_name: str, _rows: int, done: int) -> None:
            bar.update(task, completed=done)

        count = asyncio.run(fill(config, path, start=start, end=end, seed=seed, progress=told))
    clock = StoryClock(end + DAY)
    with open_store(path, config.location, clock, create=False) as store:
        judge = Judge(store.reader, config, clock)
        found = gather(judge, store.reader, config, clock, location=config.location, period=month, contract=None)
        if not as_json:
            click.echo(write(found))
            click.echo(f"{count:,} generated observations stand in {path}.")
        proofs = asyncio.run(_prove(config, store, end, month, languages or ("en",))) if with_proof else []
    if as_json:
        echo_json({"database": str(path), "generated": count, "report": to_json(found), "proofs": proofs})
        return
    for one in proofs:
        click.echo(f"Proof: {one['file']}" if one["file"] else f"No proof of {one['contract']}: {one['why_not']}")


async def _prove(
    config: Config, store: SqliteStore, end: int, month: str, languages: tuple[str, ...]
) -> list[dict[str, str | None]]:
    from dataclasses import replace
    from itertools import product

    from monitor.proving.prover import CannotProve, Wanted
    from monitor.proving.workshop import Workshop
    from monitor.sandbox.demo import StoryClock
    from monitor.sandbox.history import DAY
    from monitor.sealing.sealer import Sealer

    clock = StoryClock(end + DAY + 3_600_000)
    shop = replace(Workshop.of(config), storage=store.path)
    await Sealer(store, clock, shop.keys, seal_after_ms=0, heartbeat_ms=0).step()
    proofs: list[dict[str, str | None]] = []
    for name, language in product(config.contracts, languages):
        wanted = Wanted(contract=name, period=month, language=language, customer="Example")
        one: dict[str, str | None] = {"contract": name, "language": language, "file": None, "why_not": None}
        try:
            one["file"] = (await shop.prove(store, clock, wanted))[0].path
        except CannotProve as error:
            one["why_not"] = str(error)
        proofs.append(one)
    return proofs
