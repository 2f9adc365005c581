"""slaproof verify and slaproof verifier, as one calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof.world import CONTRACT_TEXT, SIGNER, World


def slaproof(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "monitor", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, its key, its contract."""
    found = tmp_path_factory.mktemp("verify")
    (found / "m.slaproof").write_bytes(World().real_bundle())
    (found / "key.pub").write_text(f"{SIGNER.key}\n")
    (found / "contract.yaml").write_text(CONTRACT_TEXT)
    return found


def test_each_step_is_a_sentence_and_the_verdict_ends_it(folder: Path) -> None:
    """VALID BUT ends with 2 and says how much is missing; no configuration, database or network is there."""
    done = slaproof("verify", "m.slaproof", "--key", "key.pub", "--contract", "contract.yaml", cwd=folder)
    assert done.returncode == 2, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "m.slaproof: mailer, 2026-10, by monitor.example/slaproof"
    assert lines[-1] == "VALID BUT 2 things missing, marked above"
    assert "  ✓ The contract is, to the letter, the one that was given." in lines
    assert "  ✓ Counted anew from the raw observations, one service gives the same answer." in lines


def test_a_falsified_file_ends_with_1_and_the_place(folder: Path) -> None:
    """INVALID names where."""
    data = bytearray((folder / "m.slaproof").read_bytes())
    data[-400] ^= 1
    (folder / "bad.slaproof").write_bytes(data)
    done = slaproof("verify", "bad.slaproof", "--key", str(SIGNER.key), cwd=folder)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("INVALID: ")
    machine = slaproof("verify", "bad.slaproof", "--json", cwd=folder)
    value = json.loads(machine.stdout)
    assert (machine.returncode, value["verdict"]) == (1, "INVALID")
    assert any(step["place"] for step in value["steps"] if step["state"] == "bad")


@pytest.mark.parametrize("key", ["nonsense", "a+b+c", "contract.yaml"])
def test_what_is_no_key_is_a_mistake_in_the_call(folder: Path, key: str) -> None:
    """A key that cannot be read ends with 2 and says which option is wrong."""
    done = slaproof("verify", "m.slaproof", "--key", key, cwd=folder)
    assert done.returncode == 2
    assert "--key" in done.stderr


def test_something_else_is_no_bundle(folder: Path) -> None:
    """Any other file is INVALID, not a traceback."""
    done = slaproof("verify", "contract.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "no bundle" in done.stdout


def test_the_page_is_written(folder: Path) -> None:
    """One file of moderate size."""
    done = slaproof("verifier", "-o", "v.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert 50_000 < (folder / "v.html").stat().st_size < 200_000
