"""`ackflow graph`: the stages of a pipeline, drawn; nothing runs."""

from pathlib import Path

import click

from ackflow.streams.core import shown
from ackflow.streams.running.commands import loading
from ackflow.streams.running.commands.exporting import tracing
from ackflow.streams.running.commands.problems import Problem, problem
from ackflow.streams.showing import graph as drawn

FORMATS = ("text", "mermaid", "svg")
SUFFIXES = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid"}


@click.command(short_help="Draw a pipeline's stages: text, mermaid or SVG.")
@click.argument("target", metavar="MODULE:PIPELINE")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="text, unless the file's name says otherwise",
)
@click.option("-o", "--output", metavar="FILE", help="Write there instead of the terminal.")
def graph(target: str, form: str | None, output: str | None) -> None:
    """Draw the stages of a pipeline, stream, operator or sink; nothing runs for it.

    No password is in it. A function that returns a pipeline is called.
    """
    part = loading.part(target)
    try:
        picture = drawn(part)
    except TypeError:
        raise Problem(f"{target} has no stages: {shown(part)}; name a pipeline") from None
    form = form or SUFFIXES.get(Path(output or "").suffix, "text")
    text = str(getattr(picture, form)()).rstrip("\n")
    if output is None:
        click.echo(text)
        return
    try:
        Path(output).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise Problem(str(problem(error, f"{output} can't be written"))) from None


@click.command(hidden=True)
@click.argument("target", metavar="MODULE:PIPELINE")
@click.option("--tracing", "traced", is_flag=True)
def check(target: str, traced: bool) -> None:
    """Say by the exit code whether there is such a pipeline, and whether its spans could go anywhere."""
    loading.pipeline(target)
    if traced:
        tracing()
