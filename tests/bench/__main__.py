"""``make bench``: slaproof beside Prometheus + blackbox_exporter, and the ratios.

python -m tests.bench [--seconds 60] [--load TARGETS/INTERVAL ...] [--json FILE]
python -m tests.bench judging | pages | proof | smtp | store      one part of slaproof alone
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.peers import Figures, Load, run_load
from tests.servers import campaign

# As many as are asked about, at the interval that they would have; and the rates at which others were measured.
_LOADS = ("1000/60", "10000/60", "100/1", "1000/1")
_PARTS = ("judging", "pages", "proof", "smtp", "store")


def _load(text: str) -> Load:
    targets, _, interval = text.partition("/")
    return Load(targets=int(targets), interval_s=int(interval))


def _table(load: Load, figures: list[Figures]) -> Table:
    table = Table(title=str(load), title_justify="left")
    table.add_column("")
    for one in figures:
        table.add_column(one.product, justify="right")
    table.add_column("ratio", justify="right")
    ours, theirs = figures

    def ratio(one: float, other: float) -> str:
        return f"{one / other:.2f}" if other else ""

    def row(name: str, texts: Iterable[str], relation: str = "") -> None:
        table.add_row(name, *texts, relation)

    row("recorded / expected", (f"{one.recorded:,} / {one.expected:,.0f}" for one in figures))
    row("of these not ok", (f"{one.failed:,}" for one in figures))
    row("CPU, ms a probe", (f"{one.cpu_ms:.3f}" for one in figures), ratio(ours.cpu_ms, theirs.cpu_ms))
    row("peak memory, MiB", (f"{one.memory_mib:.0f}" for one in figures), ratio(ours.memory_mib, theirs.memory_mib))
    row("disk, bytes a probe", (f"{one.disk_bytes:.0f}" for one in figures), ratio(ours.disk_bytes, theirs.disk_bytes))
    row("late, p50 ms", (f"{one.late_p50_ms:.1f}" for one in figures))
    row("late, p99 ms", (f"{one.late_p99_ms:.1f}" for one in figures))
    row("reading /metrics, CPU ms", (f"{one.reading_ms:.0f}" if one.reading_ms else "" for one in figures))
    return table


def main() -> int:
    """Measure, print, and say by the exit code whether slaproof took less than half of the CPU everywhere."""
    if sys.argv[1:2] and sys.argv[1] in _PARTS:
        part = importlib.import_module(f"tests.bench.{sys.argv.pop(1)}")
        return int(part.main())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long each product is measured (default 60)")
    parser.add_argument("--load", nargs="+", default=_LOADS, help=f"TARGETS/INTERVAL_S (default {' '.join(_LOADS)})")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    console = Console()
    console.print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
                  f"{options.seconds:g} s each")  # fmt: skip
    every: list[Figures] = []
    for load in map(_load, options.load):
        with tempfile.TemporaryDirectory(prefix="slaproof-bench-") as folder:
            figures = run_load(Path(folder), load, max(options.seconds, load.interval_s))
        every += figures
        console.print(_table(load, figures))
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(one) for one in every], indent=2))
    pairs = zip(every[::2], every[1::2], strict=True)
    return 0 if all(ours.cpu_ms < theirs.cpu_ms / 2 for ours, theirs in pairs) else 1


if __name__ == "__main__":
    sys.exit(campaign(main))
