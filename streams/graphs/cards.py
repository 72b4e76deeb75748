"""Cards: what of a stage is shown in a picture, and how large that is."""

from dataclasses import dataclass

from ackflow.streams.graphs.graph import Node
from ackflow.streams.graphs.labels import cells, short

TITLE = 7.9
"""Pixels that a column of the title takes: bold, 13 px; of a row: 11 px."""
ROW = 6.7
WIDEST = 34
"""Columns of a row that are shown."""
ROWS = 4
"""Settings that are shown; the others are in the card's tooltip."""
LINE = 16.0
PADDING = 16.0


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
    if node.kind == "open":
        return Card(node, "", (), 10.0, 10.0)
    title = short(node.name, WIDEST - 6)
    rows = [Row(d.key, short(d.text, WIDEST - 1 - cells(d.key)), d.function) for d in node.details]
    if len(rows) > ROWS:
        rows = [*rows[: ROWS - 1], Row("", f"… {len(rows) - ROWS + 1} more")]
    columns = [cells(row.key) + 1 + cells(row.text) for row in rows]
    width = max([TITLE * cells(title), *(ROW * count for count in columns)]) + 2 * PADDING
    return Card(node, title, tuple(rows), max(width, 72.0), 20.0 + LINE * (1 + len(rows)))
