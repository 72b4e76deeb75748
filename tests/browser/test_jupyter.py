"""Runs in a real JupyterLab: they show themselves in place, and an interrupt drains them."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser import lab
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser

SLOW = """
async def store(value):
    await asyncio.sleep(0.02)

queue = streams.memory.queue(range({count}), prefetch=16)
queue.close()
pipeline = queue | op.map(str) | sinks.each(store)
"""


async def test_a_run_shows_itself_in_place_beyond_its_cell_and_stays_in_the_saved_notebook(
    notebook: Open,
) -> None:
    shown = await notebook(SLOW.format(count=150), "handle = pipeline.start()\nhandle", "6 * 7")
    await shown.run()
    first = await shown.shows(2, ">running<")
    await shown.ran(3)
    assert lab.text(await shown.outputs(3)) == "42"
    await shown.shows(2, ">done<")
    assert "each(f=store)" in first
    assert await shown.pictures(2) == 1
    cells = (await shown.save())["cells"]
    (output,) = cells[2]["outputs"]
    saved = "".join(output["data"]["image/svg+xml"])
    assert ">done<" in saved
    assert "150 accepted" in saved
    assert "150 accepted" in "".join(output["data"]["text/plain"])


async def test_two_runs_side_by_side_show_what_each_of_them_does(notebook: Open) -> None:
    second = SLOW.format(count=40).replace("queue", "other").replace("memory.other", "memory.queue")
    shown = await notebook(
        SLOW.format(count=60),
        second.replace("pipeline", "beside"),
        "from IPython.display import display\ndisplay(pipeline.start(), beside.start())",
    )
    await shown.run()
    await shown.shows(3, "60 accepted", picture=0)
    await shown.shows(3, "40 accepted", picture=1)
    assert await shown.pictures(3) == 2


async def test_awaiting_and_peeking_need_no_loop_of_one_s_own(notebook: Open) -> None:
    shown = await notebook(
        SLOW.format(count=20),
        "pipeline",
        "await queue.peek(10)",
        "(await pipeline).accepted",
        "await (streams.of(1, 2, 3) | op.map(str) | sinks.to_list())",
    )
    await shown.run()
    await shown.ran(5)
    await shown.shows(2, "each")
    assert lab.text(await shown.outputs(3)) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
    assert lab.text(await shown.outputs(4)) == "20"
    assert lab.text(await shown.outputs(5)) == "['1', '2', '3']"


async def test_interrupting_a_cell_drains_and_shows_no_line_of_ours(notebook: Open) -> None:
    shown = await notebook(
        SLOW.format(count=10_000),
        "from IPython.display import display\nhandle = pipeline.start()\ndisplay(handle)\nawait handle",
        "'not reached'",
    )
    await shown.run()
    await shown.shows(2, ">running<")
    await shown.command("notebook:interrupt-kernel")
    await shown.shows(2, ">done<")
    await shown.ran(2)
    picture, error = await shown.outputs(2)
    assert lab.text([picture]).startswith("done")
    assert lab.text([error]).startswith("interrupted: ")
    assert "requeued" in lab.text([error])
    assert ".py" not in lab.text([error])
    assert await shown.outputs(3) == []
    settled = "len(queue.acked) + len(queue.ready)"
    await shown.run_one(3, f"queue.unsettled, {settled}, handle.done")
    assert lab.text(await shown.outputs(3)) == "([], 10000, True)"


async def test_a_cell_that_waits_beside_a_run_is_interrupted_and_the_run_goes_on(
    notebook: Open,
) -> None:
    shown = await notebook(
        SLOW.format(count=200),
        "handle = pipeline.start()\nhandle",
        "await asyncio.sleep(600)",
    )
    await shown.run()
    await shown.shows(2, ">running<")
    await shown.command("notebook:interrupt-kernel")
    await shown.shows(2, "200 accepted")


async def test_a_notebook_runs_twice_and_after_a_restart_in_the_middle_of_a_run(
    notebook: Open,
) -> None:
    shown = await notebook(
        SLOW.format(count=100), "handle = pipeline.start()\nhandle", "await handle"
    )
    await shown.run()
    await shown.shows(2, "100 accepted")
    await shown.ran(3)
    await shown.run()
    await shown.shows(2, ">running<")
    await shown.restart()
    await shown.run()
    await shown.shows(2, "100 accepted")
    outputs = [output for cell in await shown.cells() for output in cell["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert await shown.pictures(2) == 1


async def test_a_browser_that_goes_away_costs_the_run_nothing(
    notebook: Open, jupyter: str, browser: Any
) -> None:
    shown = await notebook(SLOW.format(count=100), "handle = pipeline.start()\nhandle", "handle")
    await shown.run()
    await shown.shows(2, ">running<")
    await shown.save()
    await shown.page.close()
    again = lab.Notebook(await browser.new_page(viewport=lab.SIZE), shown.path)
    await again.open(jupyter)
    await again.run_one(3, "handle")
    await again.shows(3, "100 accepted")


async def test_a_name_breaks_out_of_nothing_in_a_real_page(notebook: Open) -> None:
    name = "<img src=x onerror=alert(1)>\\n\"'&🦆]]></svg><script>alert(2)</script>"
    shown = await notebook(
        f"def f(value):\n    return value\nf.__name__ = {name!r}\n"
        "pipeline = streams.of(*range(9)) | op.map(f) | sinks.to_list()",
        "pipeline",
        "handle = pipeline.start()\nhandle",
    )
    dialogs: list[str] = []
    shown.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await shown.run()
    await shown.shows(2, "&lt;img src=x onerror=alert(1)&gt;")
    await shown.shows(3, "&lt;img src=x onerror=alert(1)&gt;")
    assert dialogs == []
    assert await shown.page.locator("img[src='x']").count() == 0


def test_what_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path("/nowhere")))
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    assert "make browser" in lab.missing()
    monkeypatch.setattr(lab, "find_spec", lambda name: object())
    assert "apt install chromium" in lab.missing()
    monkeypatch.setenv(lab.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="chromium"):
        lab.need()
    monkeypatch.delenv(lab.REQUIRED)
    with pytest.raises(pytest.skip.Exception, match="chromium"):
        lab.need()
