"""``slaproof backup``: a copy of the database while the daemon runs."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands._options import config_option, echo_json, find_config, json_option
from monitor.errors import Refused


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@config_option
def backup(file: Path, as_json: bool, config_path: Path | None) -> None:
    """Copy the database to FILE, whole and as of one instant, while the daemon goes on writing.

    The copy is checked when it is made; a file that is there already is never overwritten.
    """
    import sys

    from monitor.config.load import load
    from monitor.store.sqlite import copy, integrity

    config = load(find_config(config_path), secrets="optional")
    source = Path(config.storage)
    if not source.exists():
        raise Refused(f"There is no database {source} yet.")
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("Copying", total=None)
            size = copy(source, file, progress=lambda done, total: progress.update(task, completed=done, total=total))
    else:
        size = copy(source, file)
    problems = integrity(file)
    if problems:
        file.unlink()
        raise Refused(f"The copy is damaged and was removed: {problems[0]}. Keep {source} and look at the disk.")
    if as_json:
        echo_json({"file": str(file), "bytes": size, "integrity": "ok"})
    else:
        click.echo(f"{file}: {size:,} bytes, sound.")
