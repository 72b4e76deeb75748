"""A real JupyterLab in a real browser, and what is missing for that."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

REQUIRED = "ACKFLOW_REQUIRE_BROWSER"
"""Set where a browser that is missing is a failure: `make browser` does."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
SIZE = {"width": 1100, "height": 1200}
START_WITHIN = 180.0
WITHIN = 30_000.0
"""Milliseconds that a page may take for what is expected of it."""

CURRENT = "window.jupyterapp?.shell?.currentWidget"
"""The notebook of a page, in JavaScript."""
SETUP = "import asyncio\nfrom ackflow import operators as op, sinks, streams\n"


def chromium() -> str | None:
    """Return the path of a browser."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str:
    """Say what is missing for the tests in a browser, and how to get it."""
    if any(find_spec(name) is None for name in ("jupyterlab", "playwright")):
        return "needs jupyterlab and playwright: make browser installs both"
    return "" if chromium() else "needs Chromium: apt install chromium"


def need() -> None:
    """Skip the test where something is missing; fail it where nothing may be."""
    if reason := missing():
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(reason)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run JupyterLab over a folder; return its address."""
    port = folder / "port"
    settings = [
        *("--no-browser", "--allow-root", "--expose-app-in-browser", "--ServerApp.port=0"),
        *("--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}"),
        f"--ServerApp.info_file={port}",
        "--LabApp.news_url=",
    ]
    names = ("CONFIG_DIR", "RUNTIME_DIR", "DATA_DIR")
    home = {f"JUPYTER_{name}": str(folder / name.lower()) for name in names}
    home |= {f"JUPYTERLAB_{name}_DIR": str(folder / name) for name in ("SETTINGS", "WORKSPACES")}
    log = (folder / "lab.log").open("w+")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *settings],
        stdout=log,
        stderr=log,
        env={**os.environ, **home},
        cwd=folder,
    )
    try:
        yield _address(server, folder / "lab.log")
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def _address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until it listens, and return where."""
    end = time.monotonic() + START_WITHIN
    while time.monotonic() < end and server.poll() is None:
        if found := re.search(r"http://(?:localhost|127\.0\.0\.1):(\d+)/lab", log.read_text()):
            return f"http://127.0.0.1:{found[1]}"
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab does not start:\n{log.read_text()[-2000:]}")


class Notebook:
    """A notebook that is open in a page."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.path = path

    async def open(self, url: str) -> None:
        """Open it, with nothing else in the page, and wait for its kernel."""
        await self.page.goto(f"{url}/doc/tree/{self.path.name}?reset")
        await self.page.wait_for_function(
            f"{CURRENT}?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=WITHIN,
        )

    async def command(self, name: str) -> None:
        """Run one of JupyterLab's commands, without waiting for its end."""
        await self.page.evaluate("name => { void window.jupyterapp.commands.execute(name) }", name)

    async def run(self) -> None:
        """Run all cells, without waiting for their end."""
        await self.command("notebook:run-all-cells")

    async def cells(self) -> list[dict[str, Any]]:
        """Return the cells as they would be saved."""
        found: list[dict[str, Any]] = await self.page.evaluate(
            f"{CURRENT}.model.sharedModel.toJSON().cells"
        )
        return found

    async def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Return what a cell put out."""
        found: list[dict[str, Any]] = (await self.cells())[cell].get("outputs", [])
        return found

    async def ran(self, cell: int) -> None:
        """Wait until a cell has ended."""
        await self.page.wait_for_function(
            f"n => {{ const cell = {CURRENT}.content.widgets[n].model;"
            " return cell.executionState === 'idle' && cell.executionCount !== null }",
            arg=cell,
            timeout=WITHIN,
        )

    async def shows(self, cell: int, words: str, picture: int = 0) -> str:
        """Wait until a picture of a cell, as the page shows it, says something; return the picture."""
        await self.page.wait_for_function(
            """([cell, picture, words]) => decodeURIComponent(
                 document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell]
                   ?.querySelectorAll('.jp-RenderedSVG img')[picture]?.src ?? '').includes(words)""",
            arg=[cell, picture, words],
            timeout=WITHIN,
        )
        source = await self._pictures(cell).nth(picture).get_attribute("src")
        return unquote(source)

    def _pictures(self, cell: int) -> Any:
        return (
            self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-RenderedSVG img")
        )

    async def pictures(self, cell: int) -> int:
        """Return how many pictures the page shows of a cell."""
        count: int = await self._pictures(cell).count()
        return count

    async def restart(self) -> None:
        """Restart the kernel, as if somebody had confirmed it."""
        await self.page.evaluate(f"{CURRENT}.sessionContext.session.kernel.restart()")

    async def run_one(self, cell: int, source: str) -> None:
        """Write a cell anew, run it alone, and wait for its end."""
        await self.page.evaluate(
            f"([n, source]) => {{ const notebook = {CURRENT}.content; notebook.activeCellIndex = n;"
            " notebook.widgets[n].model.sharedModel.setSource(source) }",
            [cell, source],
        )
        await self.command("notebook:run-cell")
        await self.ran(cell)

    async def save(self) -> dict[str, Any]:
        """Save it, and return what is in the file."""
        await self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        saved: dict[str, Any] = json.loads(self.path.read_text())
        return saved


def text(outputs: list[dict[str, Any]]) -> str:
    """Return what a cell put out as text."""
    found = []
    for output in outputs:
        words = (
            output.get("text")
            or output.get("data", {}).get("text/plain")
            or output.get("traceback")
        )
        found.append("".join(words or ()))
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(found))


def write(path: Path, *cells: str) -> Path:
    """Write a notebook of cells of code."""
    made = [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "cells": made,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))
    return path
