"""What the README says of the code is made from the code."""

import re
import tomllib

from ackflow.streams.running.commands.checks import DEVELOPMENT
from tests.operator_table import README, operators, written


def test_the_table_of_operators_is_that_of_the_code() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == written(readme), "run: python -m tests.operator_table"


def test_every_operator_is_in_the_table_once() -> None:
    readme = README.read_text(encoding="utf-8")
    for name, _ in operators():
        assert readme.count(f"\n| `{name}(") == 1, name


def test_the_table_of_extras_is_that_of_the_package() -> None:
    """Extras for work on ackflow itself stand below the table."""
    settings = tomllib.loads((README.parent / "pyproject.toml").read_text(encoding="utf-8"))
    readme = README.read_text(encoding="utf-8")
    table = readme.partition('| `pip install "ackflow[…]"` |')[2].partition("\n\n")
    rows = re.findall(r"^\| `(\w+)` \|", table[0], flags=re.MULTILINE)
    others = re.findall(r"`(\w+)`", table[2].partition("\n")[0])
    assert tuple(others) == DEVELOPMENT
    assert sorted(rows + others) == sorted(settings["project"]["optional-dependencies"])
