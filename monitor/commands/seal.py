"""``slaproof seal``: seal the days that are over, or show the seals."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from monitor.clock import SystemClock
from monitor.commands._options import config_option, echo_json, json_option, load_config


@click.command()
@click.option("--show", "only_show", is_flag=True, help="Seal nothing; show the last seals.")
@config_option
@json_option
def seal(only_show: bool, config_path: Path | None, as_json: bool) -> None:
    """Seal the days (UTC) that are over, and show the last seals.

    A running daemon does this by itself a few minutes after midnight; here it is done by hand, where no daemon runs.
    """
    from monitor.proof.canonical import parse_canonical
    from monitor.proving.workshop import Workshop
    from monitor.sealing.sealer import Sealer
    from monitor.store import open_store
    from monitor.times import iso, parse, short

    config = load_config(config_path)
    shop = Workshop.of(config)

    async def run() -> dict[str, Any]:
        clock = SystemClock()
        store = open_store(config.storage, config.location, clock, create=False)
        try:
            sealed, refused = 0, None
            if not only_show:
                settings = shop.settings
                sealer = Sealer(store, clock, shop.keys, seal_after_ms=settings.seal_after, heartbeat_ms=0)
                sealed = len(await sealer.step())
                refused = sealer.refusal.why if sealer.refusal else None
            entries = await store.run(store.ledger.entries)
            seals = [
                {
                    "entry": one.index,
                    "day": one.day,
                    "kind": one.kind,
                    "sealed_at": iso(one.sealed_at),
                    "root": parse_canonical(one.entry)["root"],
                    "timestamps": len(store.ledger.timestamps(f"log/{one.index}")),
                    "witnesses": sorted(store.ledger.witnesses(f"log/{one.index}")),
                }
                for one in entries[-31:]
            ]
            return {"sealed": sealed, "refused": refused, "entries": len(entries), "last": seals}
        finally:
            store.close()

    told = asyncio.run(run())
    if as_json:
        echo_json(told)
        return
    if told["refused"]:
        click.echo(f"Refused: {told['refused']}")
    if not only_show:
        click.echo(f"Sealed {told['sealed']} entries now; the ledger has {told['entries']}.")
    for one in told["last"]:
        stamps = f", {one['timestamps']} timestamps" if one["timestamps"] else ""
        seen = f", copies at {', '.join(one['witnesses'])}" if one["witnesses"] else ""
        click.echo(f"{one['day']}  {one['kind']:<10} entry {one['entry']}  {one['root'][:16]}…  "
                   f"sealed {short(parse(one['sealed_at']))} UTC{stamps}{seen}")  # fmt: skip
