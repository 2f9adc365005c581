"""A kind of probe is one file: the example of docs/adding-a-kind.md, dropped in, is found, configured and probed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import Lines

PAGE = (ROOT / "docs" / "adding-a-kind.md").read_text()
EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
README = (ROOT / "README.md").read_text()


class Pop3(Lines):
    ANSWERS = ("greeting",)

    def greeting(self) -> bytes:
        return b"+OK ready\r\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with one file more."""
    folder = tmp_path_factory.mktemp("tree")
    for package in ("probes", "monitor", "config"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "probes" / "pop3.py").write_text(EXAMPLE)
    return folder


def call(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor", *arguments]
    return subprocess.run(command, cwd=tree, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=False)


def configuration(tree: Path, settings: str) -> str:
    path = tree / "slaproof.yaml"
    path.write_text(f"location: here\nstorage: x.db\ntargets:\n  - {{name: mailbox, interval: 60s, {settings}}}\n")
    return str(path)


def test_the_readme_shows_the_same_example() -> None:
    """What a newcomer meets first is what is tested here."""
    assert f"```python\n{EXAMPLE}```" in README


def test_the_example_is_short() -> None:
    """Forty lines and a little air."""
    assert len(EXAMPLE.splitlines()) <= 42


def test_it_is_configured(tree: Path) -> None:
    """Its settings are understood, and mistakes in them are told with line and column."""
    good = call(tree, "check", configuration(tree, "pop3: {host: pop.example}"))
    assert good.returncode == 0, good.stderr
    assert "mailbox: pop3 pop.example" in good.stdout
    bad = call(tree, "check", configuration(tree, "pop3: {host: pop.example, prot: 1}"))
    assert bad.returncode == 1
    assert "slaproof.yaml:4:" in bad.stderr
    assert "prot" in bad.stderr


def test_it_is_probed(tree: Path, ca_file: Path) -> None:
    """It probes, and says what it found."""
    for behaviour, outcome in (
        ("well", "ok"),
        ("garbage_close", "wrong_answer"),
        ("close", "reset"),
        ("silent", "timeout"),
    ):
        with Misbehaving(Pop3, behaviour) as server:
            settings = f"timeout: 1s, pop3: {{host: 127.0.0.1, port: {server.port}, tls: false}}"
            done = call(tree, "probe", "--config", configuration(tree, settings), "mailbox", "--json")
            answer = json.loads(done.stdout)
        assert answer["outcome"] == outcome, answer
        assert done.returncode == (0 if outcome == "ok" else 1), done.stderr
    with Misbehaving(Pop3, tls=True) as server:
        settings = f"pop3: {{host: localhost, port: {server.port}, tls: {{ca: {ca_file}}}}}"
        done = call(tree, "probe", "--config", configuration(tree, settings), "mailbox", "--json")
        assert json.loads(done.stdout)["outcome"] == "ok", done.stdout
