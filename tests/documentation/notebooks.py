"""The pages of the site, the notebooks with what they put out among them.

`python -m tests.documentation.notebooks` copies docs/ to build/docs, runs each notebook on what is
embedded, and makes a page of it there; `make docs` builds the site from that.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
PAGES = ROOT / "build" / "docs"
WITHIN = 120
"""Seconds that a cell may take."""
SERVERS = ("AMQP_URL", "ELASTICSEARCH_URL")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")
WARNING = re.compile(r"^\S+:\d+: \w+Warning: ", re.MULTILINE)
DARK = re.compile(r"<style>@media\(prefers-color-scheme:dark\).*?</style>")
"""What changes a picture in a dark browser: on the site pictures stand on a light ground."""
NAME = re.compile(r'aria-label="([^"]*)"|<title>([^<]*)</title>')
FROM = "*Run when this page was made; [the notebook]({name}) is there to be run and changed.*"


class Page:
    """A notebook that was run, as a page of Markdown and the pictures in it."""

    def __init__(self, name: str, cells: list[dict[str, Any]]) -> None:
        self.name = name
        self.pictures: dict[str, str] = {}
        """SVGs by their paths beside the page."""
        title, *parts = [part for cell in cells for part in self._cell(cell)]
        first, _, rest = title.partition("\n")
        parts = [first, FROM.format(name=f"{name}.ipynb"), rest.strip(), *parts]
        self.text = "\n\n".join(part for part in parts if part) + "\n"

    def write(self, folder: Path) -> None:
        """Write it, the pictures and the notebook itself."""
        for path, svg in self.pictures.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(svg, encoding="utf-8")
        (folder / f"{self.name}.md").write_text(self.text, encoding="utf-8")
        shutil.copy(NOTEBOOKS / f"{self.name}.ipynb", folder)

    def _cell(self, cell: dict[str, Any]) -> Iterator[str]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield linked_from_notebook(source)
            return
        yield f"```python\n{source}\n```"
        for output in joined(cell["outputs"]):
            yield self._output(output)

    def _output(self, output: dict[str, Any]) -> str:
        """Show an output, lines of a log among them; anything but text and pictures is an error."""
        data = output.get("data", {})
        if svg := "".join(data.get("image/svg+xml", ())):
            path = f"{self.name}/{len(self.pictures) + 1}.svg"
            self.pictures[path] = DARK.sub("", svg)
            if (named := NAME.search(svg)) is None:
                raise ValueError(f"{self.name}: a picture without a name: {svg[:200]}")
            return f'<img class="output" src="{path}" alt="{named[1] or named[2]}">'
        words = "".join(output.get("text") or data.get("text/plain", ())).rstrip()
        if not words or WARNING.search(words):
            raise ValueError(f"{self.name}: is no output for a page: {json.dumps(output)[:500]}")
        return f'<div class="output" markdown>\n\n````text\n{words}\n````\n\n</div>'


def joined(outputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Join the pieces in which a stream came."""
    for name, group in groupby(outputs, key=lambda output: output.get("name")):
        pieces = list(group)
        if name is None:
            yield from pieces
        else:
            yield {"name": name, "text": "".join("".join(piece["text"]) for piece in pieces)}


def linked_from_notebook(text: str) -> str:
    """Turn links of a notebook into those of its page; what is not in the site is a name alone.

    Example:
        >>> linked_from_notebook("[a](02_b.ipynb), [c](../docs/d.md#e), [f](../examples/f.py)")
        '[a](02_b.md), [c](../d.md#e), f'

    """

    def turned(match: re.Match[str]) -> str:
        words, path, place = match[1], match[2], match[3] or ""
        if path.startswith("../docs/"):
            return f"[{words}](../{path.removeprefix('../docs/')}{place})"
        if path.endswith(".ipynb"):
            return f"[{words}]({path.removesuffix('.ipynb')}.md{place})"
        return words if path.startswith("../") else match[0]

    return LINK.sub(turned, text)


def linked_to_notebook(text: str) -> str:
    """Turn links of a page in docs/ to a notebook into those to its page.

    Example:
        >>> linked_to_notebook("[a](../notebooks/01_a.ipynb), [b](../../notebooks/02_b.ipynb#c)")
        '[a](notebooks/01_a.md), [b](../notebooks/02_b.md#c)'

    """
    return re.sub(r"\]\(\.\./((?:\.\./)*notebooks/\w+)\.ipynb", r"](\1.md", text)


async def run(path: Path) -> Page:
    """Run a notebook from top to bottom in a kernel of its own."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=WITHIN, kernel_name="python3", resources=place)
    client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]  # who may listen is no matter here
    client.on_notebook_start = lambda **_: follow(client)
    await client.async_execute()
    return Page(path.stem, notebook.cells)


def follow(client: Any) -> None:
    """Have pictures of cells that are over updated: by itself a client drops what comes for them."""
    channel = client.kc.iopub_channel
    get = channel.get_msg

    async def got(*wait: Any, **named: Any) -> Any:
        message = await get(*wait, **named)
        if message["msg_type"] == "update_display_data":
            client.process_message(message, None, -1)
        return message

    channel.get_msg = got


async def main() -> None:
    """Make the pages anew."""
    for name in SERVERS:
        os.environ.pop(name, None)
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES)
    for path in PAGES.rglob("*.md"):
        path.write_text(linked_to_notebook(path.read_text(encoding="utf-8")), encoding="utf-8")
    (PAGES / "notebooks").mkdir()
    async with asyncio.TaskGroup() as group:
        made = [group.create_task(run(path)) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    for page in made:
        page.result().write(PAGES / "notebooks")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
