"""Cases with answers counted by brute force elsewhere: all of them must agree, key for key."""

import json
import sys
from pathlib import Path
from subprocess import run

import pytest

from monitor.config.yamlfile import load
from monitor.judgement.evaluate import evaluate_files
from monitor.sla.instants import parse_instant

ROOT = Path(__file__).parents[2]
GOLDEN = sorted(path.parent for path in (ROOT / "tests" / "golden").glob("*/case.yaml"))
SHARED = ROOT.parent / "shared" / "vectors"
VECTORS = sorted(path.parent for path in SHARED.glob("*/case.yaml"))


def agrees(folder: Path) -> None:
    case = load(folder / "case.yaml").data
    assert isinstance(case, dict)
    evaluation = evaluate_files(
        folder / "config.yaml",
        str(case["contract"]),
        [folder / "results.csv.gz"],
        folder / "events.yaml",
        period=str(case["period"]),
        now=parse_instant(str(case["now"])),
    )
    assert evaluation.answer() == json.loads((folder / "expected.json").read_text())


def test_some_cases_stand_in_the_clone() -> None:
    assert len(GOLDEN) >= 3


@pytest.mark.parametrize("folder", [*GOLDEN, *VECTORS], ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_case(folder: Path) -> None:
    """The answer is the expected JSON value."""
    agrees(folder)


def test_the_command_prints_the_same() -> None:
    """Run in the folder as documented, the command prints the same JSON value."""
    folder = GOLDEN[0]
    case = load(folder / "case.yaml").data
    assert isinstance(case, dict)
    done = run(
        [
            *(sys.executable, "-m", "monitor", "evaluate", "--config", "config.yaml", "--contract", "case"),
            *("--results", "results.csv.gz", "--events", "events.yaml"),
            *("--period", str(case["period"]), "--now", str(case["now"]), "--json"),
        ],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == json.loads((folder / "expected.json").read_text())
    assert done.stderr == ""
