"""``slaproof report``: what the uptime of a period was."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands._options import config_option, echo_json
from monitor.commands._store import opened
from monitor.errors import Refused


class _Unknown(Refused):
    exit_code = 2


@click.command()
@click.argument("period", metavar="PERIOD", default="current")
@click.option("--contract", metavar="NAME", help="Only this contract.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True,
    help="A page to paste into a mail, one JSON document, or one table of services, outages, gaps and credits.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--plain", is_flag=True, help="Plain text on a terminal too.")
@config_option
def report(
    period: str, contract: str | None, form: str, as_json: bool, plain: bool, config_path: Path | None
) -> None:  # fmt: skip
    """Report the uptime of PERIOD: a month such as 2026-10, `current` (the default) or `previous`.

    Of each service: availability, worst case, coverage, counted and excluded downtime, verdict; each outage with its
    first and last failing probe; each gap of the monitor and why; the credit with its arithmetic.
    """
    import sys

    from monitor.judgement.report import COLUMNS, gather, to_csv, to_json
    from monitor.sla.period import PeriodError

    with opened(config_path) as here:
        if contract is not None and contract not in here.config.contracts:
            known = ", ".join(here.config.contracts) or "none"
            raise _Unknown(f"There is no contract “{contract}” in {here.config.path}; there are: {known}.")
        try:
            found = gather(
                here.judge, here.store.reader, here.config, here.clock, location=here.config.location, period=period,
                contract=contract,
            )  # fmt: skip
        except PeriodError as error:
            raise _Unknown(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    if as_json or form == "json":
        echo_json(to_json(found))
    elif form == "csv":
        import csv

        writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(to_csv(found))
    elif sys.stdout.isatty() and not plain:
        from monitor.terminal.report_rich import show

        show(found)
    else:
        from monitor.terminal.report_text import write

        click.echo(write(found))
