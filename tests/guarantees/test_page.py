"""docs/guarantees.md names tests that exist, and has something to say in every place of its tables."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.poison_page import PLACE, filled

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def collected(path: Path) -> frozenset[str]:
    """Return the names that a module gives to its tests, as pytest would find them."""
    if not path.exists():
        return frozenset()
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(name for name in names if name.lower().startswith("test"))


def missing(text: str) -> list[str]:
    """Return the tests that a text names and that are not there."""
    return [
        f"{path}::{name}"
        for path, name in NAMED.findall(text)
        if name not in collected(ROOT / path)
    ]


def tables() -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the rows of each table that is written by hand, below the heading that it stands under."""
    written = PLACE.join(PAGE.split(PLACE)[::2])
    for section in re.split(r"^## ", written, flags=re.MULTILINE)[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        if rows:
            yield section.splitlines()[0], [rows[0], *rows[2:]]


def test_every_test_on_the_page_exists() -> None:
    assert missing(PAGE) == []


def test_a_test_that_does_not_exist_would_be_told() -> None:
    gone = "`tests/guarantees/test_page.py::test_that_was_renamed` and `tests/nowhere.py::test_it`"
    assert missing(gone) == [
        "tests/guarantees/test_page.py::test_that_was_renamed",
        "tests/nowhere.py::test_it",
    ]


def test_every_row_says_something_in_every_column() -> None:
    found = dict(tables())
    assert len(found) == 5
    for heading, (head, *rows) in found.items():
        assert len(rows) >= 5, heading
        for row in rows:
            assert len(row) == len(head), f"{heading}: {row[0]}"
            assert all(row), f"{heading}: {row[0]}"


def test_every_fault_has_its_test_and_a_row_for_the_others() -> None:
    found = dict(tables())
    for heading in ("What is promised", "Fault by fault", "What others get wrong"):
        for row in found[heading][1:]:
            assert NAMED.search(row[-1]), f"{heading}: {row[0]}"
    ours, theirs = found["Fault by fault"], found["The same faults elsewhere"]
    assert [row[0] for row in ours] == [row[0] for row in theirs]


def test_every_known_fault_is_on_the_page() -> None:
    for path in sorted((ROOT / "tests" / "known_faults").glob("test_*.py")):
        for name in collected(path):
            assert f"`{path.relative_to(ROOT)}::{name}`" in PAGE


def test_what_bad_messages_cost_is_what_was_measured() -> None:
    """`python -m benchmarks.poison_page` writes it."""
    assert filled(PAGE) == PAGE
