"""``slaproof show``: what was kept of one probe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands._options import config_option, echo_json, json_option
from monitor.commands._store import opened
from monitor.errors import Refused

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.store import Reader, Row

AROUND = 3


class _NotThere(Refused):
    exit_code = 2


@click.command()
@click.argument("target")
@click.argument("time")
@click.option("--location", metavar="NAME", help="Where it was seen from; the configuration's own without it.")
@json_option
@config_option
def show(target: str, time: str, location: str | None, as_json: bool, config_path: Path | None) -> None:
    """Show what was kept of the probe of TARGET at TIME (UTC): 2026-10-20T02:00:28.048Z, or "2026-10-20 02:00".

    Where none started at that instant, the one whose result held then is shown. A failed probe has its transcript, the
    answers of the resolver, the certificates and what the reference hosts said; a good one its steps and facts.
    """
    from monitor.times import iso, parse

    try:
        at = parse(time)
    except ValueError as error:
        raise _NotThere(f"{error}.") from error
    with opened(config_path) as here:
        reader, place = here.store.reader, location or here.config.location
        row = find(reader, target, place, at)
        if row is None:
            seen = sorted({series.target for series in reader.series()})
            there = f"Seen are: {', '.join(seen)}." if target not in seen else "Nothing was observed before that."
            raise _NotThere(f"There is no probe of “{target}” from {place} at {iso(at)}. {there}")
        before, after = reader.neighbours(target, place, row.at, count=AROUND)
        if as_json:
            echo_json(to_json(row, before, after))
            return
        from rich.console import Console

        _print(Console(highlight=False), row, [*before, row, *after], exact=abs(row.at - at) < 1000)


def find(reader: Reader, target: str, location: str, at: int) -> Row | None:
    """The first probe that started in that second, else the last one before, with its evidence."""
    rows = reader.rows(at, at + 1000, targets=[target], location=location, limit=1, with_evidence=True)
    if not rows:
        before, _ = reader.neighbours(target, location, at + 1)
        if not before:
            return None
        start = before[0].at
        rows = reader.rows(start, start + 1, targets=[target], location=location, with_evidence=True)
    return rows[0]


def to_json(row: Row, before: Sequence[Row], after: Sequence[Row]) -> dict[str, Any]:
    """One probe as it was kept, and those around it."""
    from monitor.probing.rows import unpack
    from monitor.times import iso

    def brief(one: Row) -> dict[str, Any]:
        return {
            "at": iso(one.at),
            "scheduled": one.scheduled,
            "outcome": one.outcome,
            "duration_ms": one.duration_ms,
            "detail": one.detail,
        }

    return {
        "target": row.target,
        "location": row.location,
        **brief(row),
        "code": row.code,
        "phases": dict(row.phases),
        "facts": dict(row.facts),
        "ids": dict(row.ids),
        "probe_id": row.probe_id,
        "evidence": None if row.evidence is None else unpack(row.evidence),
        "before": [brief(one) for one in before],
        "after": [brief(one) for one in after],
    }


def _print(console: Console, row: Row, around: Sequence[Row], *, exact: bool) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from monitor.probing.rows import result_of, unpack
    from monitor.sla.values import OUTCOMES
    from monitor.terminal.probe_text import show_steps
    from monitor.times import iso

    fault = OUTCOMES.get(row.outcome)
    style = {"provider": "bold white on red", None: "bold black on green"}.get(fault, "bold black on yellow")
    head = Text.assemble((f" {row.outcome} ", style), (f"  {row.target}", "bold"), f"  from {row.location}, ")
    head.append(f"{iso(row.at)}, {row.duration_ms:,} ms, {'scheduled' if row.scheduled else 'an extra probe'}")
    if fault is not None:
        head.append(f"; the fault is the {fault}'s", style="dim")
    console.print(head)
    if not exact:
        console.print(Text("No probe started in that second; this is the one before, whose result held.", style="dim"))
    if row.detail:
        console.print(Text(row.detail))
    result = result_of(row)
    if result.advice:
        console.print(Text(f"→ {result.advice}", style="yellow"))
    show_steps(console, row.at, result)
    if row.evidence is not None and (hosts := unpack(row.evidence).get("reference_hosts")):
        console.print()
        console.print(Text("Reference hosts at that moment", style="bold"))
        for host, said in hosts.items():
            console.print(Padding(Text(f"{host}  {said}"), (0, 0, 0, 2)))
    if fault is not None and row.evidence is None:
        console.print()
        console.print(Text("No evidence was kept of it.", style="dim"))
    table = Table.grid(padding=(0, 2))
    for whole in (*5 * (True,), False):  # where it is narrow, what was seen is cut and no time that one would type
        table.add_column(no_wrap=whole)
    for one in around:
        mine = one.at == row.at
        mark = "green" if one.outcome == "ok" else "red" if OUTCOMES.get(one.outcome) == "provider" else "yellow"
        table.add_row(
            Text("▸" if mine else " "),
            Text(iso(one.at), style="bold" if mine else "", no_wrap=True),
            Text(one.outcome, style=mark),
            f"{one.duration_ms:,} ms",
            Text("" if one.scheduled else "extra", style="dim"),
            Text(one.detail, overflow="ellipsis", no_wrap=True),
        )
    console.print()
    console.print(Text("Around it", style="bold"))
    console.print(Padding(table, (0, 0, 0, 2)))
