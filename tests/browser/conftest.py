"""A browser, and JupyterLab in it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import lab

Open = Callable[..., Awaitable[lab.Notebook]]


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    lab.need()
    from playwright.async_api import async_playwright, expect

    expect.set_options(timeout=lab.WITHIN)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=lab.chromium(), args=lab.ARGUMENTS
        )
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Any) -> Any:
    page = await browser.new_page(viewport=lab.SIZE)
    page.set_default_timeout(lab.WITHIN)
    return page


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="session")
def jupyter(folder: Path) -> Iterator[str]:
    lab.need()
    with lab.serving(folder) as url:
        yield url


@pytest.fixture
async def notebook(jupyter: str, folder: Path, page: Any, request: pytest.FixtureRequest) -> Open:
    """Open a notebook of these cells."""

    async def opened(*cells: str) -> lab.Notebook:
        path = lab.write(folder / f"{request.node.name}.ipynb", lab.SETUP, *cells)
        shown = lab.Notebook(page, path)
        await shown.open(jupyter)
        return shown

    return opened
