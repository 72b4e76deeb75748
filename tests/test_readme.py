"""What the README says of the code is made from the code."""

from tests.operator_table import README, operators, written


def test_the_table_of_operators_is_that_of_the_code() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == written(readme), "run: python -m tests.operator_table"


def test_every_operator_is_in_the_table_once() -> None:
    readme = README.read_text(encoding="utf-8")
    for name, _ in operators():
        assert readme.count(f"\n| `{name}(") == 1, name
