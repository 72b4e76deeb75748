"""`ackflow completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print what makes a shell complete commands and options.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands and options.

    bash: ackflow completion bash > ~/.local/share/bash-completion/completions/ackflow

    zsh: ackflow completion zsh > ~/.zfunc/_ackflow, where fpath has ~/.zfunc

    fish: ackflow completion fish > ~/.config/fish/completions/ackflow.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "ackflow", "_ACKFLOW_COMPLETE").source())
