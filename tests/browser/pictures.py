"""The documentation's screenshots, of real runs in a browser: `python -m tests.browser.pictures`."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

from rich import _export_format as export

from ackflow.streams.running import Status
from ackflow.streams.running.table import Tables
from tests.browser import lab, scene

SIZE = {"width": 960, "height": 900}
MIDDLE = scene.COUNT // 2
"""Deliveries that are settled when the picture is taken."""


async def jupyter(browser: Any, folder: Path) -> None:
    """Take a pipeline, and a run of it, in JupyterLab."""
    with lab.serving(folder) as url:
        path = lab.write(folder / "run.ipynb", lab.SETUP, scene.PIPELINE + scene.SHOW, scene.FOLLOW)
        notebook = lab.Notebook(await browser.new_page(viewport=SIZE), path)
        await notebook.open(url)
        await notebook.page.add_style_tag(content=".Toastify { display: none }")  # news of Jupyter
        await notebook.run()
        await notebook.shows(2, ">running<")
        await notebook.page.wait_for_timeout(2500)
        for cell, name in ((2, "jupyter.png"), (1, "jupyter-graph.png")):
            shown = notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(cell)
            await shown.screenshot(path=scene.PICTURES / name)


async def status(browser: Any) -> None:
    """Take the status page, and the lines of a terminal, in the middle of a run."""
    handle, tables = scene.pipeline().start(measure=True, limit=scene.COUNT), Tables()
    async with Status("127.0.0.1:0", name="orders").serve() as board:
        board.show(handle)
        page = await browser.new_page(viewport={"width": 960, "height": 720})
        await page.goto(f"http://127.0.0.1:{board.port}/")
        scene.lines(tables, handle)  # a rate is the mean since it was first looked at
        while handle.stats().acked < MIDDLE:
            await asyncio.sleep(0.1)
        await page.wait_for_timeout(1200)
        await page.screenshot(path=scene.PICTURES / "status.png")
        terminal(scene.lines(tables, handle))
    await handle.abort()


def terminal(console: Any) -> None:
    """Draw what a terminal shows, with the fonts that a browser has."""
    fonts = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
    template = fonts.sub("", export.CONSOLE_SVG_FORMAT).replace("Fira Code, ", "")
    svg = console.export_svg(title="python orders.py", code_format=template, unique_id="progress")
    (scene.PICTURES / "progress.svg").write_text(svg, encoding="utf-8")


async def main() -> None:
    """Take all."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        launch = playwright.chromium.launch
        browser = await launch(executable_path=lab.chromium(), args=lab.ARGUMENTS)
        with tempfile.TemporaryDirectory() as name:
            await jupyter(browser, Path(name))
        await status(browser)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
    scene.HASHES.write_text(scene.hashes(), encoding="utf-8")
