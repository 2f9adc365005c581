"""The commands of ``slaproof import`` that write a results file from what another monitor measured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands._options import echo_json, json_option
from monitor.commands._stating import Instant

if TYPE_CHECKING:
    from monitor.importers.results import Naming
    from monitor.sla.values import Observation

Command = Callable[..., Any]
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def _common(function: Command) -> Command:
    options = (
        click.option(
            "--target", "names", multiple=True, metavar="THEIRS=OURS",
            help="Take this one, under that name of a target; where any is named, others are passed over.",
        ),
        click.option("--location", default="main", show_default=True, help="From where it was measured."),
        click.option(
            "--failed-as", default="wrong_answer", show_default=True, metavar="OUTCOME",
            help="The outcome of failures of which no cause is known.",
        ),
        click.option("--start", type=Instant(), help="From when on."),
        click.option("--end", type=Instant(), help="Until when."),
        click.option(
            "-o", "--output", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE",
            help="Write it there; on standard output where nothing is said.",
        ),
        json_option,
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _naming(names: tuple[str, ...], location: str, failed_as: str, start: str | None, end: str | None) -> Naming:
    from monitor.importers.results import Naming, check_outcome
    from monitor.times import parse

    pairs: dict[str, str] = {}
    for text in names:
        theirs, equals, ours = text.rpartition("=")
        if not equals:
            theirs = ours
        pairs[theirs] = ours
    found = Naming(names=pairs, location=location, failed_as=check_outcome(failed_as))
    if start is not None:
        found.start = parse(start)
    if end is not None:
        found.end = parse(end)
    return found


def _finish(read: Iterable[Observation | None], naming: Naming, output: Path | None, as_json: bool) -> None:
    from monitor.importers.results import CannotImport, as_row, series, tidy, write

    found = tidy(read)
    naming.check()
    if not found:
        known = ", ".join(sorted(naming.seen)[:20]) or "nothing"
        raise CannotImport(f"There are no measurements in that time (met: {known}).")
    shown = output is None or str(output) == "-"
    if output is not None and not shown:
        with output.open("w", newline="") as stream:
            write(stream, found)
    elif not as_json:
        write(sys.stdout, found)
    if as_json:
        told = {"file": None if shown else str(output), "series": [one.answer() for one in series(found)]}
        echo_json({**told, "observations": [as_row(one) for one in found]} if shown else told)
        return
    for one in series(found):
        click.echo(one.text, err=True)


@click.command()
@click.argument("url")
@click.option("--query", default="probe_success", show_default=True, help="A selector, or with --step an expression.")
@click.option("--step", metavar="TIME", help="Ask for an expression's value this often instead of for the samples.")
@click.option("--target-label", default="instance", show_default=True, help="The label that names the target.")
@click.option("--location-label", help="The label that names from where it was measured.")
@click.option("--token-file", type=_FILE, metavar="FILE", help="A file with a bearer token.")
@_common
def prometheus(
    url: str, query: str, step: str | None, target_label: str, location_label: str | None, token_file: Path | None,
    output: Path | None, as_json: bool, **common: Any,
) -> None:  # fmt: skip
    """Read probe_success from the Prometheus at URL, the samples at their own times.

    --start is needed; --end is now where nothing is said. Where probe_http_status_code stands beside it, a failure is
    named by it: 5xx is the provider's, 4xx is not.
    """
    from monitor.clock import SystemClock
    from monitor.durations import parse_duration
    from monitor.importers.prometheus import Wanted, read

    if common["start"] is None:
        raise click.UsageError("say from when on, with --start")
    naming = _naming(**common)
    naming.end = min(naming.end, SystemClock().now_ms())
    try:
        step_ms = None if step is None else parse_duration(step)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--step") from None
    wanted = Wanted(
        url=url,
        query=query,
        start=naming.start,
        end=naming.end,
        step_ms=step_ms,
        target_label=target_label,
        location_label=location_label,
        token=None if token_file is None else token_file.read_text().strip(),
    )
    _finish(read(wanted, naming), naming, output, as_json)


@click.command()
@click.argument("database", type=_FILE)
@_common
def kuma(database: Path, output: Path | None, as_json: bool, **common: Any) -> None:
    """Read the heartbeats of Uptime Kuma from its DATABASE (kuma.db)."""
    from monitor.importers.kuma import read

    naming = _naming(**common)
    _finish(read(database, naming), naming, output, as_json)


@click.command()
@click.argument("database", type=_FILE)
@_common
def gatus(database: Path, output: Path | None, as_json: bool, **common: Any) -> None:
    """Read the results of Gatus from its SQLite DATABASE; endpoints are named by their keys (group_name)."""
    from monitor.importers.gatus import read

    naming = _naming(**common)
    _finish(read(database, naming), naming, output, as_json)


@click.command("csv")
@click.argument("file", type=_FILE)
@click.option("--at-column", "at", metavar="NAME", help="When: RFC 3339, or seconds or milliseconds since 1970.")
@click.option("--target-column", "named", metavar="NAME", help="What was measured.")
@click.option("--name", "only", metavar="NAME", help="What was measured, where no column says so.")
@click.option(
    "--result-column", "result", metavar="NAME", help="An outcome, an HTTP status, or a word like up or down."
)
@click.option("--duration-column", "duration", metavar="NAME", help="How long it took, in milliseconds.")
@click.option("--reason-column", "reason", metavar="NAME", help="Why it failed, in words.")
@_common
def csv_(
    file: Path, at: str | None, named: str | None, only: str | None, result: str | None, duration: str | None,
    reason: str | None, output: Path | None, as_json: bool, **common: Any,
) -> None:  # fmt: skip
    """Read any CSV FILE that has a time, a name and a result in each row; usual names of columns are found."""
    from monitor.importers.table import Columns, read

    naming = _naming(**common)
    columns = Columns(at=at, target=named, result=result, duration=duration, reason=reason, only=only)
    _finish(read(file, naming, columns), naming, output, as_json)
