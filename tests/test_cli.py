"""The command line itself: help, sections, and that little is loaded for it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import TABLE, available, cli
from monitor.commands._options import folded
from monitor.version import _SOURCE

ROOT = Path(__file__).parent.parent


def test_help_lists_every_command_that_is_there_by_section() -> None:
    """The help names each command with one line, in sections."""
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name in available():
        assert f"  {name}" in result.output
    assert "Set up and keep:" in result.output
    assert "completion" in result.output


@pytest.mark.parametrize("name", available())
def test_every_command_has_help(name: str) -> None:
    """Each command loads and explains itself."""
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 3


def test_help_loads_little() -> None:
    """The help needs neither the web server nor the models of the configuration."""
    code = (
        "import sys; from monitor.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'aiohttp', 'pydantic', 'sqlite_utils', 'rich', 'prometheus_client'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_unknown_command_names_the_nearest() -> None:
    """A slip of the finger is answered with the command that was meant."""
    result = CliRunner().invoke(cli, ["complition"])
    assert result.exit_code == 2
    assert "“completion”" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_command(shell: str) -> None:
    """Each shell gets a script that calls us back."""
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_SLAPROOF_COMPLETE" in result.output


def test_completion_answers_commands() -> None:
    """The shell's question is answered from the table."""
    environment = {
        "_SLAPROOF_COMPLETE": "bash_complete",
        "COMP_WORDS": "slaproof comp",
        "COMP_CWORD": "1",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-m", "monitor"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["plain,completion"]


def _said(shell: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a shell's line that runs $SLAPROOF says."""
    return subprocess.run(
        ["/bin/sh", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "SLAPROOF": f"{sys.executable} -m monitor", **environment},
    )  # fmt: skip


def test_a_terminal_without_unicode_is_no_fault() -> None:
    """What its encoding cannot say is shown as a question mark."""
    done = _said("$SLAPROOF --help", PYTHONIOENCODING="latin-1")
    assert "?slaproof COMMAND" in done.stdout, done.stderr


def test_a_full_disk_is_said_in_a_sentence() -> None:
    """An answer that could not be written whole ends with 1, and with no traceback."""
    done = _said("$SLAPROOF --help > /dev/full")
    assert (done.returncode, done.stderr) == (1, "Not all could be written: No space left on device.\n")


def test_a_closed_stream_does_not_become_another_file() -> None:
    """A socket of ours in the place of standard output ends in an abort of the event loop's library."""
    code = "import os; from monitor.cli import main\ntry: main(['--help'])\nfinally: print(os.dup(0), file=sys.stderr)"
    done = _said(f'{sys.executable} -c "import sys; {code}" >&- <&-')
    assert done.stderr == "3\n"


def test_version_is_the_one_of_the_package() -> None:
    """The source tree and the package agree about the version."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == _SOURCE
    assert _SOURCE in CliRunner().invoke(cli, ["--version"]).output


def test_the_table_has_a_summary_for_each() -> None:
    """A summary is a sentence."""
    assert all(entry.summary.endswith(".") for entry in TABLE.values())


def test_a_terminal_folds_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is indented, a path stays whole; a pipe has each line as it is."""
    line = "  - the whole of it stands in /a/path/that/is/longer/than/the/terminal/is/wide, and more"
    assert folded(line, hang=4) == line
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    assert folded(line, hang=4).splitlines() == [
        "  - the whole of it stands in",
        "    /a/path/that/is/longer/than/the/terminal/is/wide,",
        "    and more",
    ]
