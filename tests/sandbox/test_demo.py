"""``slaproof demo``, as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG = """\
contracts: {example: {file: example.yaml, fee: {amount: 90, currency: EUR}}}
targets:
  - {name: api, contract: example, service: api, interval: 15m, tcp: {host: 127.0.0.1, port: 9}}
  - {name: alone, interval: 30m, tcp: {host: 127.0.0.1, port: 9}}
"""
CONTRACT = """\
name: example
services: {api: {target: 99.99%}}
maintenance: {scheduled: excluded}
"""


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitor", *arguments, "--config", str(folder / "monitor.yaml")],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_demo_is_marked_and_balances(tmp_path: Path) -> None:
    """It fills a database of its own, says that it is an example, proves it, and is not made twice."""
    (tmp_path / "monitor.yaml").write_text(CONFIG)
    (tmp_path / "example.yaml").write_text(CONTRACT)
    made = _run("demo", "2026-09", "--prove", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("GENERATED DATA: an example, not a measurement.")
    assert "It balances" in made.stdout
    proof = tmp_path / "proofs" / "example-2026-09.pdf"
    assert f"Proof: {proof}" in made.stdout
    checked = subprocess.run(
        [sys.executable, "-m", "monitor", "verify", str(proof), "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert json.loads(checked.stdout)["verdict"] == "VALID BUT", checked.stdout
    (tmp_path / "monitor.yaml").write_text("storage: slaproof-demo.db\n" + CONFIG)
    (listed,) = json.loads(_run("proofs", "--json", folder=tmp_path).stdout)
    assert listed["made_at"] == "2026-10-02T01:00:00.000Z"
    seals = json.loads(_run("seal", "--show", "--json", folder=tmp_path).stdout)["last"]
    assert {one["sealed_at"] for one in seals} == {"2026-10-02T01:00:00.000Z"}
    assert "sealed 2026-10-02 01:00:00 UTC" in _run("seal", "--show", folder=tmp_path).stdout
    (tmp_path / "monitor.yaml").write_text(CONFIG)
    again = _run("demo", "2026-09", folder=tmp_path)
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_a_month_that_is_not_over_is_refused(tmp_path: Path) -> None:
    """A generated history is of the past."""
    (tmp_path / "monitor.yaml").write_text(CONFIG)
    (tmp_path / "example.yaml").write_text(CONTRACT)
    refused = _run("demo", "2099-01", folder=tmp_path)
    assert refused.returncode == 1
    assert "name an earlier month" in refused.stderr


def test_a_billing_month_is_covered_to_its_end(tmp_path: Path) -> None:
    """Each contract's period of that name has its history, so that it balances whoever reads it, and when."""
    monthly = CONFIG.replace("currency: EUR}", "currency: EUR}, billing_day: 20")
    (tmp_path / "monitor.yaml").write_text(monthly)
    (tmp_path / "example.yaml").write_text(CONTRACT + "period: billing_month\n")
    made = _run("demo", "2026-08", "--json", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["database"], told["proofs"]) == (str(tmp_path / "slaproof-demo.db"), [])
    of = told["report"]["contracts"][0]["period"]
    assert (of["start"], of["end"]) == ("2026-08-20T00:00:00.000Z", "2026-09-20T00:00:00.000Z")
    (tmp_path / "monitor.yaml").write_text("storage: slaproof-demo.db\n" + monthly)
    read = _run("report", "2026-08", "--contract", "example", folder=tmp_path)
    assert "It balances" in read.stdout, read.stdout
