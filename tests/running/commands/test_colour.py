"""Colour of the command line: where a terminal looks, unless NO_COLOR says otherwise."""

from pathlib import Path

import pytest

from tests.running.terminal import on_terminal

PROGRAM = """
import sys
import click
from ackflow.streams.running.commands import main, program

@program.command()
def bold():  # as peek numbers what it shows
    click.echo(click.style("1", bold=True))

sys.exit(main([{command!r}]))
"""


@pytest.mark.parametrize("command", ["doctor", "bold"])
@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colour_unless_it_wants_none(
    tmp_path: Path, command: str, setting: dict[str, str], coloured: bool
) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(command=command), encoding="utf-8")
    screen = on_terminal(path, 80, **setting)
    assert (b"\x1b[" in screen.raw) is coloured
