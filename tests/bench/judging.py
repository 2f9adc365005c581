"""What judging a month costs: ``python -m tests.bench.judging [--targets 1 10 100]``.

`slaproof evaluate` over a month of probes a minute apart, with an outage a day: the whole process, from its start, in
time of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from subprocess import run

from monitor.sla.instants import parse_instant, write_instant

ROOT = Path(__file__).parents[2]
ROWS = 45_000


def write(folder: Path, targets: int) -> None:
    """A month of probes a minute apart, with an outage a day, in the order of time."""
    start = parse_instant("2026-10-01T00:00:07.250Z")
    with (folder / "results.csv").open("w") as file:
        file.write("at,target,location,scheduled,outcome,duration_ms\n")
        for index in range(ROWS):
            at = write_instant(start + 59_500 * index)
            outcome = "timeout" if index % 1440 in (700, 701, 702) else "ok"
            file.writelines(f"{at},t{target},main,true,{outcome},{index % 900}\n" for target in range(targets))
    lines = [f"  - {{name: t{target}, contract: c, service: s{target}, interval: 60s}}" for target in range(targets)]
    (folder / "monitor.yaml").write_text("contracts: {c: {file: contract.yaml}}\ntargets:\n" + "\n".join(lines) + "\n")
    services = "".join(f"  s{target}: {{target: 99.9%}}\n" for target in range(targets))
    (folder / "contract.yaml").write_text(f"name: c\nservices:\n{services}availability: {{confirm: 2}}\n")


def measure(folder: Path, targets: int) -> float:
    """Give the seconds of the processor. AssertionError: the answer is not the one that the files hold."""
    write(folder, targets)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run(
        [
            *(sys.executable, "-m", "monitor", "evaluate", "--config", "monitor.yaml", "--contract", "c", "--json"),
            *("--results", "results.csv", "--period", "2026-10", "--now", "2026-12-01T00:00:00Z"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = json.loads(done.stdout)
    assert len(answer["services"]) == targets
    assert all(len(service["outages"]) == 31 for service in answer["services"])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.judging", description=__doc__)
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 10, 100])
    for targets in parser.parse_args().targets:
        with tempfile.TemporaryDirectory(prefix="slaproof-bench-") as folder:
            print(f"{targets:>4} targets, {targets * ROWS:>9,} rows: {measure(Path(folder), targets):6.2f} s of CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
