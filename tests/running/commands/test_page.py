"""What docs/command-line.md says of the command line is so."""

import re
import shlex
from pathlib import Path

import click
import pytest

from ackflow.streams.running.commands import program
from ackflow.streams.running.commands.main import BROKEN_PIPE
from ackflow.streams.running.commands.problems import Code

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = re.findall(
    r"^    (ackflow .+?)(?: {3,}.*| > .*)?$", f"{PAGE}\n{README}", flags=re.MULTILINE
)


@pytest.mark.parametrize("line", LINES)
def test_every_command_of_the_documentation_is_one(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    with program.commands[name].make_context(name, arguments) as context:
        assert context.params or not arguments


def test_a_command_that_is_none_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        program.commands["run"].make_context("run", ["words:pipeline", "--prosesses", "4"])


def test_every_command_is_in_the_documentation() -> None:
    shown = {name for name, command in program.commands.items() if not command.hidden}
    assert shown == {line.split()[1] for line in LINES}


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)]
    assert codes == [*map(int, Code), BROKEN_PIPE]
