"""``slaproof completion``: the script that teaches a shell to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  slaproof completion bash > ~/.local/share/bash-completion/completions/slaproof
    zsh:   slaproof completion zsh  > ~/.zfunc/_slaproof
    fish:  slaproof completion fish > ~/.config/fish/completions/slaproof.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "slaproof", "_SLAPROOF_COMPLETE")
    # The script alone: click's own source() of bash would run a bash to ask for its version.
    click.echo(script.source_template % script.source_vars())
