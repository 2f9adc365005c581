"""The command line: ``slaproof --help`` and the way from a command's name to its module.

Nothing but click is imported here. A command's module is loaded when that command runs, and its line in the help
comes from the table below, so that ``slaproof --help``, completion and ``slaproof evaluate`` stay quick. A command
whose module is not installed is not listed.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from monitor.errors import Refused

_COMMANDS = Path(__file__).parent / "commands"


class Entry(NamedTuple):
    """A command as the help shows it: its section, its module in ``monitor.commands``, and what it does."""

    section: str
    module: str
    summary: str


WATCH, KNOW, PEOPLE, PROOF, AROUND = "Watch", "Know", "Tell it what you know", "Prove", "Set up and keep"

TABLE: dict[str, Entry] = {
    "run": Entry(WATCH, "run", "Start the daemon: probe, record, judge, expose."),
    "check": Entry(WATCH, "check", "Read the configuration and say what was understood, or every problem in it."),
    "probe": Entry(WATCH, "probe", "Probe one target now and show it step by step."),
    "status": Entry(KNOW, "status", "What is up, what is down, and what is left of each error budget."),
    "show": Entry(KNOW, "show", "One recorded probe with its transcript and evidence."),
    "report": Entry(KNOW, "report", "The uptime of a month: availability, outages, gaps, verdict, credit."),
    "evaluate": Entry(KNOW, "evaluate", "Judge anyone's measurements under a contract; needs no daemon."),
    "contract": Entry(KNOW, "contract", "What a contract says in plain words, and every problem in its file."),
    "claims": Entry(KNOW, "claims", "Credits that are due, and until when they can be claimed."),
    "claim": Entry(KNOW, "claims", "Write the letter that claims a credit."),
    "maintenance": Entry(PEOPLE, "maintenance", "Enter maintenance windows that a provider announced."),
    "exclusion": Entry(PEOPLE, "exclusion", "Enter spans that a contract does not count, with the reason."),
    "ticket": Entry(PEOPLE, "ticket", "Open support tickets and note when they were answered."),
    "outage": Entry(PEOPLE, "outage", "Note that an outage was reported to the provider."),
    "import": Entry(PEOPLE, "import_", "Take over measurements or targets from other monitors."),
    "prove": Entry(PROOF, "prove", "Write the signed statement of a month as a PDF."),
    "proofs": Entry(PROOF, "prove", "List the statements that were made."),
    "verify": Entry(PROOF, "verify", "Check a statement or bundle; needs no daemon, database or network."),
    "verifier": Entry(PROOF, "verifier", "Write the page with which the other side verifies in its browser."),
    "seal": Entry(PROOF, "seal", "Seal the days that are over, or show the seals."),
    "key": Entry(PROOF, "key", "Make, show or rotate the signing key."),
    "init": Entry(AROUND, "init", "Write a commented configuration for the providers that you pick."),
    "demo": Entry(AROUND, "demo", "Fill a past month with a generated history and print its statement."),
    "backup": Entry(AROUND, "backup", "Copy the database while the daemon runs."),
    "token": Entry(AROUND, "token", "Make, list and revoke tokens for the API."),
    "notify": Entry(AROUND, "notify", "Try the configured messages."),
    "export": Entry(AROUND, "export", "Contracts in the formats of other programs: OpenSLO."),
    "schema": Entry(AROUND, "schema", "Print the JSON Schema of the configuration, for editors."),
    "completion": Entry(AROUND, "completion", "Print the completion script for bash, zsh or fish."),
}


def available() -> list[str]:
    """The commands whose modules are there, in the order of the help."""
    present = {path.stem for path in _COMMANDS.glob("*.py")} | {
        path.parent.name for path in _COMMANDS.glob("*/__init__.py")
    }
    return [name for name, entry in TABLE.items() if entry.module in present]


class Commands(click.Group):
    """A group that knows its commands by the table and loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return available()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; None where there is none of that name."""
        if cmd_name not in available():
            return None
        module = import_module(f"monitor.commands.{TABLE[cmd_name].module}")
        command = getattr(module, "import_" if cmd_name == "import" else cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, and name the nearest command where there is none of that name."""
        import difflib

        name = args[0]
        if not name.startswith("-") and name not in available():
            near = difflib.get_close_matches(name, available(), n=1)
            hint = f" Did you mean “{near[0]}”?" if near else " “slaproof --help” lists them."
            raise click.UsageError(f"there is no command “{name}”.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, from the table."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in available():
            sections.setdefault(TABLE[name].section, []).append((name, TABLE[name].summary))
        width = max((len(name) for rows in sections.values() for name, _ in rows), default=0)
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in rows])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands from the table, without loading any."""
        found = [CompletionItem(n, help=TABLE[n].summary) for n in available() if n.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from monitor.version import version

        click.echo(f"slaproof {version()}")
        ctx.exit()


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="“slaproof COMMAND --help” says more of each. The configuration is looked for in $SLAPROOF_CONFIG, "
    "./slaproof.yaml, ./config/monitor.yaml and /etc/slaproof/monitor.yaml.",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def cli() -> None:
    """Watches what your providers promise, and proves each month what their uptime was.

    slaproof probes mail, SMS and web services on their interval, keeps every result, counts downtime as each
    provider's contract says, and writes statements that the other side can check.
    """


def main(args: Sequence[str] | None = None) -> None:
    """The command ``slaproof``; ends the process with 0, 1 (the answer is no) or 2 (a mistake in the call)."""
    _steady_streams()
    try:
        cli.main(args=list(args) if args is not None else None, prog_name="slaproof")
    except Refused as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(refusal.exit_code)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        click.echo(f"Not all could be written: {error.strerror}.", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _steady_streams() -> None:
    """Make the three standard streams what everything below takes them for: open, and able to take any character."""
    while True:
        # A closed one's number would go to a socket or the database, and every careless word with it.
        number = os.open(os.devnull, os.O_RDWR)
        if number > 2:
            os.close(number)
            break
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="replace")
