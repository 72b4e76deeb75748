"""Text: a graph as lines, with rails where ways part and meet."""

import shutil
from collections.abc import Iterator

from ackflow.streams.graphs.graph import DOTS, Branch, Chain, Fork, Node
from ackflow.streams.graphs.labels import cells, short

MARKS = {"source": "●", "operator": "○", "sink": "■"}
OPEN = Node("open", "")
NARROWEST = 16
"""Columns that a stage has at least, however deep it lies."""


def text(chain: Chain, width: int | None = None) -> str:
    """Return a graph as lines of at most `width` columns: by default, the terminal's."""
    width = shutil.get_terminal_size().columns if width is None else width
    return "\n".join(_chain(chain, max(width, NARROWEST)))


def _chain(chain: Chain, width: int) -> Iterator[str]:
    for at, part in enumerate(chain):
        if isinstance(part, Fork):
            yield from _fork(part, width, last=at == len(chain) - 1)
        elif part.kind not in DOTS:
            yield from _node(part, width)


def _fork(fork: Fork, width: int, last: bool) -> Iterator[str]:
    """Draw branches beside a rail that comes from above, or goes on below."""
    branches = [branch for branch in fork.branches if branch.chain != (OPEN,)]
    count = len(branches)
    for at, branch in enumerate(branches):
        begins, ends = fork.flow == "in" and at == 0, last and at == count - 1
        corner = "┌" if begins else "└" if ends else "├"
        rail = " " if ends else "│"
        for number, line in enumerate(_branch(branch, width - 3)):
            yield f"{rail}  {line}" if number else f"{corner}─ {line}"


def _branch(branch: Branch, width: int) -> Iterator[str]:
    if branch.label:
        yield short(f"{branch.label}:", max(width, NARROWEST))
    yield from _chain(branch.chain, width)


def _node(node: Node, width: int) -> Iterator[str]:
    """Draw a stage in as many lines as it needs."""
    if node.kind == "more":
        yield node.name
        return
    width = max(width, NARROWEST) - 2
    carries = f"→ {node.carries}" if node.carries else ""
    figures = ", ".join(f"{figure.key} {figure.text}" for figure in node.figures)
    whole = "  ".join(filter(None, (str(node), carries, figures)))
    mark = MARKS[node.kind]
    if cells(whole) <= width:
        yield f"{mark} {whole}"
        return
    yield f"{mark} {short(node.name, width)}"
    for line in [*map(str, node.details), carries, figures]:
        if line:
            yield f"    {short(line, width - 2)}"
