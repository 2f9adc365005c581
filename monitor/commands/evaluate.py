"""``slaproof evaluate``: anyone's measurements judged under a contract, with no daemon and no database."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands._options import config_option, find_config, json_option
from monitor.errors import Refused
from monitor.sla.instants import parse_instant
from monitor.sla.period import PeriodError, parse_name

if TYPE_CHECKING:
    from monitor.judgement.evaluate import Progress

_LONG_BYTES = 8 << 20
"""From this size of the results on, standard error is shown how far the reading is."""


class _Unjudged(Refused):
    """The period cannot be judged."""


class _Instant(click.ParamType[int]):
    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_instant(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Period(click.ParamType[str]):
    name = "period"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_name(str(value))
        except PeriodError as error:
            self.fail(str(error), param, ctx)
        return str(value)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@config_option
@click.option("--contract", required=True, metavar="NAME", help="The contract's name in the configuration.")
@click.option(
    "--results",
    required=True,
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="Observations as CSV, plain or gzip; may be given several times.",
)
@click.option("--events", type=_FILE, metavar="FILE", help="Maintenance, exclusions, reports and tickets as YAML.")
@click.option("--period", required=True, type=_Period(), metavar="YYYY-MM", help="The month to judge.")
@click.option("--now", type=_Instant(), metavar="TIME", help="Judge as of this instant in place of the present one.")
@json_option
def evaluate(
    config_path: Path | None,
    contract: str,
    results: tuple[Path, ...],
    events: Path | None,
    period: str,
    now: int | None,
    as_json: bool,
) -> None:
    """Judge anyone's measurements under a contract.

    Needs no daemon and no database: a configuration with the contract and its targets, a CSV of observations
    (at,target,location,scheduled,outcome,duration_ms) and, where people know something, a file of events.
    The arithmetic is described in docs/arithmetic.md.
    """  # fmt: skip
    from monitor.judgement.evaluate import evaluate_files

    path = find_config(config_path)
    if now is None:
        from monitor.clock import SystemClock

        now = SystemClock().now_ms()
    with ExitStack() as stack:
        try:
            evaluation = evaluate_files(
                path, contract, results, events, period=period, now=now, progress=_progress(stack, results),
                note=lambda said: click.echo(f"note: {said}", err=True),
            )  # fmt: skip
        except KeyError:
            raise click.BadParameter(f"{path} has no contract '{contract}'", param_hint="--contract") from None
        except PeriodError as error:
            raise _Unjudged(str(error)) from error
    if as_json:
        click.echo(json.dumps(evaluation.answer(), indent=2, ensure_ascii=False))
        return
    from monitor.terminal.evaluate_text import write_evaluation

    click.echo(write_evaluation(evaluation))


def _progress(stack: ExitStack, results: tuple[Path, ...]) -> Progress | None:
    """Give what shows on standard error how far a long reading is: a bar on a terminal, else a line each tenth."""
    size = sum(path.stat().st_size for path in results)
    if size < _LONG_BYTES:
        return None
    if not sys.stderr.isatty():
        return _Tenths(size).tell
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    bar = stack.enter_context(
        Progress(
            TextColumn("reading results"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
    )
    task = bar.add_task("", total=size)
    return lambda count: bar.update(task, completed=count)


class _Tenths:
    """Progress where nothing can be drawn over: in a file, a pipe or a log."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._told = 0

    def tell(self, count: int) -> None:
        """Write a line where another tenth of the bytes has been read."""
        tenths = min(10 * count // self._size, 10)
        if tenths > self._told:
            self._told = tenths
            click.echo(f"reading results [{'#' * tenths}{'.' * (10 - tenths)}] {10 * tenths} %", err=True)
