"""The screenshot of docs/seeing.md, from a real JupyterLab: `python -m tests.browser.pictures`."""

import asyncio
import tempfile
from pathlib import Path

from tests.browser import lab

PICTURE = Path(__file__).parents[2] / "docs/pictures/jupyter.png"
PIPELINE = """
async def store(words):
    await asyncio.sleep(0.03)

words = streams.memory.queue(map(str, range(12_000)), prefetch=512)
numbers = op.map(int) | op.filter(lambda number: number % 7)
pipeline = words | numbers | op.chunk(64, timeout=1.0) | sinks.each(store, concurrency=2)
"""


async def main() -> None:
    """Open a notebook, run it, and take a picture of what it shows in the middle of the run."""
    from playwright.async_api import async_playwright

    with tempfile.TemporaryDirectory() as name, lab.serving(Path(name)) as url:
        cells = (lab.SETUP, PIPELINE, "handle = pipeline.start()\nhandle")
        path = lab.write(Path(name) / "run.ipynb", *cells)
        async with async_playwright() as playwright:
            launch = playwright.chromium.launch
            browser = await launch(executable_path=lab.chromium(), args=lab.ARGUMENTS)
            page = await browser.new_page(viewport={"width": 960, "height": 900})
            notebook = lab.Notebook(page, path)
            await notebook.open(url)
            await notebook.run()
            await notebook.shows(2, ">running<")
            await page.wait_for_timeout(2500)
            cell = page.locator(".jp-Notebook .jp-CodeCell").nth(2)
            await cell.screenshot(path=PICTURE)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
