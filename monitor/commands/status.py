"""``slaproof status``: how everything stands, once or live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands._options import config_option, echo_json, json_option
from monitor.commands._store import Here, opened

if TYPE_CHECKING:
    from monitor.terminal.status import Watch


@click.command()
@click.option("-w", "--watch", "watching", is_flag=True, help="Stay, and show what changes until Ctrl-C.")
@click.option("--every", type=click.FloatRange(0.5), default=2.0, show_default=True, help="With --watch: seconds.")
@json_option
@config_option
def status(watching: bool, every: float, as_json: bool, config_path: Path | None) -> None:
    """Show what is up, what is down and since when, what is left of each error budget, and what is due.

    Reads the database, so that it works with the daemon running or not.
    """
    from rich.console import Console

    from monitor.terminal.status import render, to_json

    if watching and as_json:
        raise click.UsageError("--json is how everything stands at one moment: leave --watch away, or --json")
    with opened(config_path) as here:
        if watching:
            _watch(here, every)
            return
        standing = here.judge.current()
        assert standing is not None
        watch = _about(here, standing.targets)
        if as_json:
            echo_json(to_json(standing, watch))
            return
        console = Console()
        console.print(render(standing, watch, width=console.width))


def _watch(here: Here, every: float) -> None:
    import time

    from rich.console import Console
    from rich.live import Live

    from monitor.terminal.follow import Follower
    from monitor.terminal.status import render

    console = Console()
    follower = Follower(here.store.reader, here.config, here.clock)
    with console.status("Reading the running periods …"):
        follower.begin()
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        try:
            while True:
                standing = follower.look()
                live.update(render(standing, _about(here, standing.targets), width=console.width), refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _about(here: Here, targets: tuple[object, ...]) -> Watch:
    from monitor.store.hold import holder
    from monitor.terminal.status import Watch

    newest = max((at for one in targets if (at := getattr(one, "at", None)) is not None), default=None)
    return Watch(location=here.config.location, daemon=holder(here.store.path), newest=newest)
