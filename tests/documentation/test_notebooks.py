"""A notebook becomes a page with what it put out, and a warning in it is an error."""

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.documentation import notebooks
from tests.documentation.blocks import ROOT

PICTURE = '<svg aria-label="a &lt;b&gt;"></svg>'
DARK = "<style>@media(prefers-color-scheme:dark){.c{fill:#fff}}</style>"


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source}


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def printed(words: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": words}


def made(*outputs: dict[str, Any]) -> notebooks.Page:
    return notebooks.Page("01_a", [text("# 1. A"), code("a", *outputs)])


def test_what_a_cell_printed_stands_below_it_in_one_piece() -> None:
    page = made(printed("one\n"), printed("two ```\n"), printed("told\n", "stderr"))
    assert page.text.startswith("# 1. A\n\n*Run when")
    code, first, second = page.text[page.text.index("```python") :].split("<div")
    assert code == "```python\na\n```\n\n"
    assert "````text\none\ntwo ```\n````" in first
    assert "````text\ntold\n````" in second


def test_a_picture_is_a_file_with_a_name_for_a_light_ground() -> None:
    bundle = {"image/svg+xml": f"{PICTURE[:-6]}{DARK}</svg>", "text/plain": "a"}
    page = made({"output_type": "display_data", "data": bundle})
    assert '<img class="output" src="01_a/1.svg" alt="a &lt;b&gt;">' in page.text
    assert page.pictures == {"01_a/1.svg": PICTURE}


@pytest.mark.parametrize(
    "output",
    [
        printed("/lib/a.py:3: DeprecationWarning: use b\n  b()\n", "stderr"),
        {"output_type": "display_data", "data": {"image/svg+xml": "<svg></svg>"}},
        {"output_type": "display_data", "data": {"text/html": "<b>a</b>"}},
    ],
    ids=["a warning", "a picture without a name", "neither text nor a picture"],
)
def test_what_does_not_belong_on_a_page_is_an_error(output: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="01_a: "):
        made(output)


def test_links_lead_from_pages_to_pages() -> None:
    assert doctest.testmod(notebooks).failed == 0


def test_links_to_notebooks_lead_to_some() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        for link in re.findall(r"\]\(([^)]*\.ipynb)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_notebook_has_a_page_in_the_site() -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r": notebooks/(\w+)\.md", settings)
    assert named == sorted(path.stem for path in notebooks.NOTEBOOKS.glob("*.ipynb"))


def test_titles_are_first_in_every_notebook() -> None:
    for path in notebooks.NOTEBOOKS.glob("*.ipynb"):
        first = json.loads(Path(path).read_text(encoding="utf-8"))["cells"][0]
        assert first["cell_type"] == "markdown"
        assert "".join(first["source"]).startswith("# ")
