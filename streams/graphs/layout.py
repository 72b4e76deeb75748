"""Layout: where the cards of a graph lie, layer behind layer, and what leads from which to which.

Along is the way that the elements go; across is what lies beside it. A chain is a line of boxes, a fork
a pile of them; so nothing ever crosses, and no search is needed.
"""

from dataclasses import dataclass, replace

from ackflow.streams.graphs.cards import Card, card
from ackflow.streams.graphs.graph import Chain, Fork, Node
from ackflow.streams.graphs.labels import cells

BEND = 28.0
"""Pixels along in which a line gets from one place across to another, at least."""
STEEP = 26.0
"""Pixels along by which that grows, at most, with the way across."""
APART = 16.0
"""Pixels between branches."""
PILL = 18.0
"""The height of a label on a line."""


@dataclass(frozen=True, slots=True)
class Place:
    """A card and where it begins along, and its middle across."""

    card: Card
    along: float
    across: float
    length: float
    breadth: float


@dataclass(frozen=True, slots=True)
class Line:
    """What leads from one card to another, and what flows there."""

    tail: Place
    head: Place
    begins: float
    """Where it bends, along, and where it is straight again."""
    ends: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """Cards and lines in a rectangle; its axis is where lines come in and go out across."""

    length: float
    breadth: float
    axis: float
    places: tuple[Place, ...]
    lines: tuple[Line, ...]
    entries: tuple[tuple[Place, str], ...]
    exits: tuple[Place, ...]

    def moved(self, along: float, across: float) -> "Box":
        """Return it elsewhere."""

        def place(it: Place) -> Place:
            return replace(it, along=it.along + along, across=it.across + across)

        return replace(
            self,
            axis=self.axis + across,
            places=tuple(map(place, self.places)),
            lines=tuple(
                Line(place(x.tail), place(x.head), x.begins + along, x.ends + along, x.label)
                for x in self.lines
            ),
            entries=tuple((place(it), label) for it, label in self.entries),
            exits=tuple(map(place, self.exits)),
        )


def label_width(label: str) -> float:
    """Return the pixels that a label on a line takes."""
    return 6.2 * cells(label) + 16


def layout(chain: Chain, down: bool) -> Box:
    """Return a graph's cards and lines in their places."""
    return _Layout(down).chain(chain)


class _Layout:
    """How boxes are put together, to the right or down."""

    def __init__(self, down: bool) -> None:
        self._down = down

    def chain(self, chain: Chain) -> Box:
        boxes = [self._fork(part) if isinstance(part, Fork) else self._node(part) for part in chain]
        axis = max(box.axis for box in boxes)
        whole = boxes[0].moved(0, axis - boxes[0].axis)
        for box in boxes[1:]:
            whole = self._behind(whole, box.moved(0, axis - box.axis))
        breadth = axis + max(box.breadth - box.axis for box in boxes)
        return replace(whole, breadth=breadth, axis=axis)

    def _behind(self, whole: Box, box: Box) -> Box:
        pairs = [
            (tail, head, label or tail.card.node.carries)
            for tail in whole.exits
            for head, label in box.entries
        ]
        spread = max(abs(tail.across - head.across) for tail, head, _ in pairs)
        bend = BEND + min(STEEP, spread / 8)
        gap = bend + max(self._room(label) for _, _, label in pairs)
        begins = whole.length
        lines = [
            Line(tail, replace(head, along=head.along + begins + gap), begins, begins + bend, label)
            for tail, head, label in pairs
        ]
        box = box.moved(begins + gap, 0)
        return replace(
            whole,
            length=whole.length + gap + box.length,
            places=whole.places + box.places,
            lines=(*whole.lines, *box.lines, *lines),
            exits=box.exits,
        )

    def _room(self, label: str) -> float:
        if not label:
            return 0.0
        return PILL - 4 if self._down else label_width(label) + 4

    def _node(self, node: Node) -> Box:
        it = card(node)
        length, breadth = (it.height, it.width) if self._down else (it.width, it.height)
        place = Place(it, 0.0, breadth / 2, length, breadth)
        return Box(length, breadth, breadth / 2, (place,), (), ((place, ""),), (place,))

    def _fork(self, fork: Fork) -> Box:
        boxes = [self.chain(branch.chain) for branch in fork.branches]
        length = max(box.length for box in boxes)
        moved: list[Box] = []
        across = 0.0
        for box in boxes:
            late = length - box.length if fork.flow == "in" else 0.0
            moved.append(box.moved(late, across))
            across += self._breadth(box, fork) + APART
        labelled = zip(fork.branches, moved, strict=True)
        return Box(
            length,
            across - APART,
            (moved[0].axis + moved[-1].axis) / 2,
            tuple(place for box in moved for place in box.places),
            tuple(line for box in moved for line in box.lines),
            tuple((it, b.label or said) for b, box in labelled for it, said in box.entries),
            tuple(place for box in moved for place in box.exits),
        )

    def _breadth(self, box: Box, fork: Fork) -> float:
        """Leave room for the labels of branches beside each other."""
        labels = [branch.label for branch in fork.branches]
        widest = max(map(label_width, labels)) if self._down and any(labels) else 0.0
        return max(box.breadth, widest)
