"""What runs the blocks of the documentation notices when they are wrong."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackflow.streams import testing
from tests.documentation import catalogue, pictures
from tests.documentation.blocks import ROOT, blocks, commands
from tests.documentation.cells import Cells, matches
from tests.operator_table import operators

PAGE = """
Text.

<!-- before: x = 1 -->
```python
x + 1  # 2
print(x)
```
<!-- after: assert x == 1 -->

```text
1
```

<!-- script: faststream -->
<!-- before
fill("words", "um")
-->
```python
app.run()
```

<!-- not run: Elixir -->
```elixir
use Broadway
```

    make words    the example
      no command
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.documentation.blocks.ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


@pytest.fixture
def cells() -> Iterator[Cells]:
    with asyncio.Runner(loop_factory=testing.VirtualLoop) as runner:
        yield Cells(runner)


def test_comments_say_how_a_block_runs(page: Path) -> None:
    first, second, third = blocks(page)
    assert (first.before, first.after, first.output) == ("x = 1", "assert x == 1", "1\n")
    assert (second.script, second.before) == ("faststream", 'fill("words", "um")')
    assert (third.language, third.not_run) == ("elixir", "Elixir")
    assert (first.place, first.script, second.after) == ("page.md:5", None, "")
    assert list(commands(page)) == ["make words"]


def test_a_block_that_is_not_run_has_to_say_why(page: Path) -> None:
    page.write_text("<!-- not run -->\n```python\nx\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has to say why"):
        blocks(page)


def test_no_fence_of_the_documentation_is_overlooked() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        fences = path.read_text(encoding="utf-8").count("```")
        found = blocks(path)
        assert fences == 2 * (len(found) + sum(each.output is not None for each in found)), path


def test_a_value_that_is_not_the_one_in_the_comment_is_an_error(cells: Cells) -> None:
    cells.run("1 + 1  # 2\n[1,\n 2]\n# [1, 2]\n3  # is three\n4\n5  # 5\n", "page")
    with pytest.raises(AssertionError, match="2, not 3"):
        cells.run("1 + 1  # 3\n", "page")
    with pytest.raises(AssertionError, match=r"\[1, 2\], not \[1\]"):
        cells.run("[1, 2]\n# [1]\n", "page")


def test_await_and_names_go_on_from_block_to_block(cells: Cells) -> None:
    cells.run("import asyncio\nx = await asyncio.sleep(3600, 5)\n", "page")
    assert cells.run("print(x)\n", "page") == "5\n"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_tests_are_run_where_they_are_defined(cells: Cells, kind: str) -> None:
    clock = "virtual_clock" if kind == "async def" else ""
    cells.run(f"{kind} test_it({clock}):\n    assert True\n", "page")
    with pytest.raises(AssertionError):
        cells.run(f"{kind} test_that({clock}):\n    assert False\n", "page")


def test_what_is_printed_may_differ_in_its_times_alone() -> None:
    assert matches("3 delivered in 0.5 s\n", "3 delivered in 11.1 s\n")
    assert matches("a\nb\nc\n", "a\n…\nc\n")
    assert not matches("4 delivered in 0.5 s\n", "3 delivered in 11.1 s\n")
    assert not matches("", "3\n")


def test_the_pictures_are_what_their_command_draws() -> None:
    for path, text in pictures.written().items():
        assert path.read_text(encoding="utf-8") == text, "python -m tests.documentation.pictures"
    for path, text in catalogue.written().items():
        if path.stem == "map_in":
            continue  # threads take as long as they take
        assert path.read_text(encoding="utf-8") == text, "python -m tests.documentation.catalogue"


def test_every_operator_is_in_a_picture() -> None:
    assert [name for name, _ in operators()] == list(catalogue.EXAMPLES)
