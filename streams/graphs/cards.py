"""Cards: what of a stage is shown in a picture, and how large that is."""

from dataclasses import dataclass

from ackflow.streams.graphs.graph import DOTS, Detail, Figure, Node
from ackflow.streams.graphs.labels import cells, short

TITLE = 8.6
"""Pixels that a column of the title takes: bold, 13 px; of a row: 11 px."""
ROW = 6.7
WIDEST = 34
"""Columns of a row that are shown."""
ROWS = 4
"""Settings that are shown; the others are in the card's tooltip."""
FIGURE = 7
"""Columns of a figure at least, so that a card does not grow with what it counts."""
LINE = 16.0
PADDING = 16.0
DOT = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line under the title: a setting's name and value, or a function's name."""

    key: str
    text: str
    function: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """A stage as it is drawn."""

    node: Node
    title: str
    rows: tuple[Row, ...]
    width: float
    height: float


def card(node: Node) -> Card:
    """Lay out one stage."""
    if node.kind in DOTS:
        return Card(node, "", (), DOT, DOT)
    title = short(node.name, WIDEST - 6)
    rows = [_row(detail) for detail in node.details]
    if len(rows) > ROWS:
        rows = [*rows[: ROWS - 1], Row("", f"… {len(rows) - ROWS + 1} more")]
    columns = [cells(row.key) + 1 + cells(row.text) for row in rows]
    columns.append(_columns(node.figures))
    width = max([TITLE * cells(title), *(ROW * count for count in columns)]) + 2 * PADDING
    lines = 1 + len(rows) + len(node.figures)
    return Card(node, title, tuple(rows), max(width, 72.0), 20.0 + LINE * lines)


def _columns(figures: tuple[Figure, ...]) -> int:
    """Return how many columns figures take, all keys in front of all values."""
    keys = max((cells(figure.key) for figure in figures), default=0)
    return keys + 2 + max((max(cells(figure.text), FIGURE) for figure in figures), default=0)


def _row(detail: Detail) -> Row:
    key = "" if detail.function and detail.key == "f" else short(detail.key, WIDEST // 2)
    return Row(key, short(detail.text, WIDEST - 1 - cells(key)), detail.function)
