"""The notebooks are stored without outputs, as they are before anybody runs them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def test_the_notebooks_are_numbered() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    for cell in cells(path, "code"):
        assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_ends_with_what_was_learned(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    last = "".join(content["cells"][-1]["source"])
    assert "**Learned:**" in last


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_link_of_a_notebook_leads_somewhere(path: Path) -> None:
    for cell in cells(path, "markdown"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", "".join(cell["source"])):
            assert (path.parent / link).exists(), link
