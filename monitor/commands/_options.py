"""What the commands share: the options ``--config`` and ``--json``, and where a configuration is looked for."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from monitor.errors import Refused

if TYPE_CHECKING:
    from monitor.config.load import Config
    from monitor.config.yamlfile import Problems

SEARCH = (Path("slaproof.yaml"), Path("config/monitor.yaml"), Path("/etc/slaproof/monitor.yaml"))
"""Where a configuration is looked for when neither ``--config`` nor $SLAPROOF_CONFIG names one."""

Command = TypeVar("Command", bound=Callable[..., Any])


class NoConfiguration(Refused):
    """No configuration was named and none was found: a mistake in the call."""

    exit_code = 2


def config_option(function: Command) -> Command:
    """Give a command the option ``--config FILE`` as its argument ``config_path: Path | None``."""
    return click.option(
        "-c", "--config", "config_path", metavar="FILE", type=click.Path(path_type=Path),
        help="The configuration; without it the first of $SLAPROOF_CONFIG, ./slaproof.yaml, ./config/monitor.yaml "
        "and /etc/slaproof/monitor.yaml.",
    )(function)  # fmt: skip


def json_option(function: Command) -> Command:
    """Give a command the flag ``--json`` as its argument ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")(function)


def find_config(path: Path | None) -> Path:
    """The configuration file to read.

    Raises NoConfiguration where none is named and none is in the usual places, or the one named is not there.
    """
    if path is None and (named := os.environ.get("SLAPROOF_CONFIG")):
        path = Path(named)
    if path is not None:
        if not path.is_file():
            raise NoConfiguration(f"There is no configuration {path}. “slaproof init” writes one.")
        return path
    for candidate in SEARCH:
        if candidate.is_file():
            return candidate
    places = ", ".join(str(candidate) for candidate in SEARCH)
    raise NoConfiguration(
        f"No configuration found (looked for {places}). Name one with --config, or let “slaproof init” write one."
    )


def load_config(path: Path | None, *, secrets: Literal["needed", "optional"] = "optional") -> Config:
    """Find and read the configuration; every problem in it is printed and ends the command with 1.

    Only commands that probe need the secrets.
    """
    from monitor.config.load import load

    return load(find_config(path), secrets=secrets)


def problems_json(found: Problems) -> dict[str, object]:
    """What is wrong in a file, as an answer of “check”."""
    told = [{"file": p.file, "line": p.line, "column": p.column, "message": p.message} for p in found.problems]
    return {"ok": False, "problems": told}


def folded(line: str, *, hang: int) -> str:
    """A line as it is printed: a terminal that is narrower has it folded between words, what follows indented.

    What goes into a file or a pipe stays on one line, and so does a word that is longer than the terminal: a path or
    a key that was broken could not be copied.
    """
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return textwrap.fill(line, width, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False)


def echo_json(value: object) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
