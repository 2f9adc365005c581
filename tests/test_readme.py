"""The README stays true: its commands exist, its files are there, its configuration is understood."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def test_every_command_that_is_shown_exists() -> None:
    """Each `slaproof …` line names a command of the help, each `make …` a target of the Makefile."""
    shown = set(re.findall(r"^\$ slaproof (\w+)", TEXT, re.MULTILINE)) | set(re.findall(r"`slaproof (\w+)", TEXT))
    told = subprocess.run(
        [sys.executable, "-m", "monitor", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    known = set(re.findall(r"^  (\w+) {2,}\S", told, re.MULTILINE))
    assert shown
    assert shown <= known
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", TEXT)) - {"and", "it"} <= targets


def test_every_file_that_is_named_is_there() -> None:
    """Links and rooms of the house."""
    for name in re.findall(r"\]\((docs/[^)]+)\)", TEXT) + re.findall(r"^\| `([a-z/]+/)`", TEXT, re.MULTILINE):
        assert (ROOT / name).exists(), name


def test_the_configuration_that_is_shown_is_understood(tmp_path: Path) -> None:
    """It passes `slaproof check` as it stands."""
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if b.startswith("location"))
    (tmp_path / "slaproof.yaml").write_text(block)
    (tmp_path / "smtp-password").write_text("a-word\n")
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "check", "--config", str(tmp_path / "slaproof.yaml")],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | {"API_KEY": "a-word"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
