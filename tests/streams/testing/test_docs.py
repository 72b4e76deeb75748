"""The examples of docs/testing.md run as they stand there."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import testing

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"


def examples() -> dict[str, Callable[..., Any]]:
    found: dict[str, Any] = {"op": op, "sinks": sinks, "streams": streams, "testing": testing}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        if "def test_" in block:
            exec(compile(block, str(PAGE), "exec"), found)
    return {name: each for name, each in found.items() if inspect.iscoroutinefunction(each)}


@pytest.mark.parametrize("name", examples())
def test_an_example_of_the_page_passes(name: str) -> None:
    testing.run(examples()[name](testing.VirtualClock()))


def test_every_name_of_the_kit_has_a_docstring_and_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in testing.__all__:
        assert inspect.getdoc(getattr(testing, name)), name
        assert re.search(rf"\b{name}\b", page) or name in ("OperatorCase", "VirtualClock"), name
    names = [name for home in testing.HOMES.values() for name in home]
    assert sorted(names, key=lambda n: (not n[0].isupper(), n)) == testing.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = testing.nothing


def test_the_diagram_of_the_page_is_what_its_code_draws() -> None:
    page = PAGE.read_text(encoding="utf-8")
    (text,) = re.findall(r"```text\n(in .*?)\n```", page, re.DOTALL)
    assert str(testing.marbles(op.chunk(2, timeout=3.0), "1-23---|")) == text
