"""The screenshots are current: `python -m tests.browser.pictures` takes them anew."""

import pytest

from ackflow.streams.graphs import cards, panel
from ackflow.streams.running import page, table
from tests.browser import scene
from tests.documentation.blocks import pages


def test_the_screenshots_show_what_would_be_shown_today() -> None:
    stored = scene.HASHES.read_text(encoding="utf-8")
    assert scene.hashes() == stored, "python -m tests.browser.pictures takes them anew"


@pytest.mark.parametrize(
    ("module", "name", "value", "picture"),
    [
        (cards, "TITLE", 9.9, "jupyter-graph.png"),
        (panel, "PLOT", 60.0, "jupyter.png"),
        (panel, "PLOT", 60.0, "status.png"),
        (page, "STYLE", "h1 { color: red }", "status.png"),
        (table, "COLUMNS", ("in", "out", "/s", "within", "failed"), "progress.svg"),
        (scene, "PIPELINE", scene.PIPELINE.replace("odd", "even"), "jupyter-graph.png"),
    ],
)
def test_a_screenshot_is_out_of_date_where_what_it_shows_has_changed(
    module: object, name: str, value: object, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scene.looks()
    monkeypatch.setattr(module, name, value)
    assert scene.looks()[picture] != before[picture]
    monkeypatch.undo()
    assert scene.looks() == before


def test_every_screenshot_has_its_place_in_a_page() -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in pages())
    for line in scene.HASHES.read_text(encoding="utf-8").splitlines():
        assert f"(pictures/{line.split()[0]})" in shown, line
