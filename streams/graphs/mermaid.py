"""Mermaid: a graph as a flowchart that GitHub and documentation tools draw."""

from collections.abc import Iterator
from itertools import count
from typing import Literal

from ackflow.streams.graphs.graph import Chain, Fork, Node
from ackflow.streams.graphs.labels import short

SHAPES = {
    "source": ('(["', '"])'),
    "operator": ('["', '"]'),
    "sink": ('[["', '"]]'),
    "more": ('["', '"]'),
    "open": ('(("', '"))'),
    "join": ('(("', '"))'),
}
"""What stands around a label."""
PLAIN = frozenset(" .,:_=+*/()[]{}'-→×…")


def mermaid(chain: Chain, direction: Literal["right", "down"]) -> str:
    """Return a graph as the text of a mermaid flowchart."""
    lines = ["flowchart LR" if direction == "right" else "flowchart TB"]
    drawing = _Drawing(lines)
    drawing.chain(chain, [])
    return "\n".join(lines) + "\n"


End = tuple[str, str]
"""A node that something follows, and what is to be said of what flows there."""


class _Drawing:
    """A flowchart in the making."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._names = (f"n{number}" for number in count())

    def chain(self, chain: Chain, ends: list[End]) -> list[End]:
        """Draw stages behind `ends`; return the ends of what was drawn."""
        for part in chain:
            ends = self._fork(part, ends) if isinstance(part, Fork) else self._node(part, ends)
        return ends

    def _fork(self, fork: Fork, ends: list[End]) -> list[End]:
        return [
            end
            for branch in fork.branches
            for end in self.chain(branch.chain, [(n, branch.label or said) for n, said in ends])
        ]

    def _node(self, node: Node, ends: list[End]) -> list[End]:
        name = next(self._names)
        before, after = SHAPES[node.kind]
        label = "<br/>".join(escaped(text) for text in _texts(node))
        self._lines.append(f"    {name}{before}{label or ' '}{after}")
        for end, said in ends:
            arrow = f'-->|"{escaped(said)}"|' if said else "-->"
            self._lines.append(f"    {end} {arrow} {name}")
        return [(name, node.carries)]


def _texts(node: Node) -> Iterator[str]:
    yield node.name
    for detail in node.details:
        yield short(str(detail), 60)


def escaped(text: str) -> str:
    """Write everything that mermaid or HTML might read as its own by its number."""
    return "".join(c if c.isalnum() or c in PLAIN else f"#{ord(c)};" for c in text)
