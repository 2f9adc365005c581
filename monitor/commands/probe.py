"""``slaproof probe``: one target, now, with everything that was seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands._options import config_option, echo_json, json_option, load_config

if TYPE_CHECKING:
    from monitor.config.load import Config, TargetConfig
    from probes._outcome import Result


def _names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the names of the configuration's targets."""
    try:
        config = load_config(ctx.params.get("config_path"))
    except Exception:  # a shell that completes has no use for the reasons
        return []
    return [target.name for target in config.targets if target.name.startswith(incomplete)]


@click.command()
@click.argument("target", shell_complete=_names)
@config_option
@json_option
def probe(target: str, config_path: Path | None, as_json: bool) -> None:
    """Probe TARGET once, now, and show all of it step by step. Nothing is recorded.

    Ends with 0 if the service did what was asked, 1 if not, and 2 if there is no such target. A kind that sends real
    messages sends one.
    """
    import asyncio
    import difflib

    from monitor.terminal.probe_text import as_json as whole
    from monitor.terminal.probe_text import show

    config = load_config(config_path, secrets="needed")
    try:
        wanted = config.target(target)
    except KeyError:
        near = difflib.get_close_matches(target, [t.name for t in config.targets], n=1)
        hint = f"did you mean “{near[0]}”?" if near else "“slaproof check” lists the targets."
        raise click.UsageError(f"there is no target “{target}”: {hint}") from None
    at, result, online = asyncio.run(_once(config, wanted))
    if as_json:
        echo_json(config.redactor.deep(whole(wanted, at, result, online)))
    else:
        from rich.console import Console

        show(Console(highlight=False), wanted, at, result, online, config.redactor)
    raise click.exceptions.Exit(0 if result.outcome.value == "ok" else 1)


async def _once(config: Config, target: TargetConfig) -> tuple[int, Result, bool | None]:
    """When it started, what was found, and whether this machine is online (asked only after a failure)."""
    from monitor.clock import SystemClock
    from monitor.probing.reference import Reference
    from monitor.probing.rows import as_offline
    from monitor.store import derive_probe_id
    from probes._run import run

    clock = SystemClock()
    started, at = clock.monotonic(), clock.now_ms()
    given: dict[str, Any] = {"redactor": config.redactor, "nameservers": config.nameservers}
    result = await run(
        target.kind,
        target.probe,
        timeout_s=target.timeout_ms / 1000,
        probe_id=derive_probe_id(target.name, config.location, at),
        now_ms=at,
        **given,
    )
    if result.outcome.value == "ok":
        return at, result, None
    reference = Reference(config.reference_hosts, config.reference, clock)
    offline = await reference.offline_during(started)
    if offline is not None and result.outcome.value != "local":
        result = as_offline(result, offline.as_evidence())
    return at, result, reference.online
