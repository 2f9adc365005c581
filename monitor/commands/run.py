"""``slaproof run``: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands._options import config_option, load_config


@click.command()
@config_option
@click.option("--sandbox", is_flag=True, help="Start the sandbox's providers on loopback and watch those.")
def run(config_path: Path | None, sandbox: bool) -> None:
    """Start the daemon: probe, record, judge, expose.

    It runs until SIGTERM or Ctrl-C. SIGHUP, or “POST /-/reload”, reads the configuration again; one that cannot be used
    leaves the old one in force.
    """
    import asyncio
    from functools import partial

    from monitor.wiring import run as run_daemon

    config = load_config(config_path, secrets="needed")
    work = partial(run_daemon, config, sandbox=sandbox, say=click.echo)
    try:
        import uvloop
    except ImportError:  # it is faster, and not needed
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())
