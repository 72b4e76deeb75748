"""Graph: the stages of a stream, operator, sink or pipeline, and how they hang together."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["source", "operator", "sink", "more", "open", "join"]
"""What a node is; "more" stands for those left out, "open" for what is yet to be composed.

"join" is no stage of its own: it is where the branches of the stage before end.
"""


DOTS = ("open", "join")
"""What is no stage, and has no name."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that a stage was told: a setting, or a function of its user's own."""

    key: str
    text: str
    function: bool = False

    def __str__(self) -> str:
        return f"{self.key}={self.text}" if self.key else self.text


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that a stage has done in a run, and whether that is bad news."""

    key: str
    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One stage, in texts of one printable line each."""

    kind: Kind
    name: str
    details: tuple[Detail, ...] = ()
    carries: str = ""
    """What its elements are where that is not what came, such as "up to 256", or a type."""
    figures: tuple[Figure, ...] = ()
    """What it has done, where a run is shown."""

    def __str__(self) -> str:
        if self.kind in ("more", *DOTS):
            return self.name
        return f"{self.name}({', '.join(map(str, self.details))})"


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several ways beside each other, and what it is for."""

    label: str
    chain: "Chain"


@dataclass(frozen=True, slots=True)
class Fork:
    """Ways beside each other: such as flow into the stage behind, or out of the one before."""

    flow: Literal["in", "out"]
    branches: tuple[Branch, ...]


Chain: TypeAlias = "tuple[Node | Fork, ...]"
"""Stages one after another."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The stages of a stream, operator, sink or pipeline; made by `streams.graph`.

    Example:
        Path("pipeline.svg").write_text(streams.graph(pipeline).svg())
        print(streams.graph(pipeline).mermaid())

    """

    chain: Chain

    def text(self, width: int | None = None) -> str:
        """Return it as lines of text, of at most `width` columns: by default, the terminal's."""
        from ackflow.streams.graphs.text import text

        return text(self.chain, width)

    def mermaid(self, direction: Literal["right", "down"] = "right") -> str:
        """Return it as a mermaid flowchart, as GitHub and documentation tools draw it."""
        from ackflow.streams.graphs.mermaid import mermaid

        return mermaid(self.chain, direction)

    def svg(self, direction: Literal["right", "down"] | None = None) -> str:
        """Return it as an SVG that needs nothing else; a long one goes down rather than right."""
        from ackflow.streams.graphs.svg import svg

        return svg(self.chain, direction)

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"image/svg+xml": self.svg(), "text/plain": self.text(80)}
