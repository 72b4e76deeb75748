"""SVG: a graph as a picture that needs nothing else, for light and for dark pages.

Colours are attributes, so that the picture holds where styles are taken out; the style, which only knows
the picture itself, changes them on dark pages. There are no ids: several pictures may share a page.
"""

from collections.abc import Iterator
from html import escape
from typing import Literal

from ackflow.streams.graphs.cards import LINE, PADDING, Card, Row
from ackflow.streams.graphs.graph import DOTS, Chain, Figure
from ackflow.streams.graphs.layout import PILL, Box, Line, Place, label_width, layout
from ackflow.streams.graphs.text import text

MARGIN = 8.0
WIDEST = 1000.0
"""Pixels that a notebook or a page has, about; what is wider goes down."""
MONOSPACE = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"

LIGHT = {
    "source": ("#eef6ff", "#b6d4f5", "#0969da"),
    "operator": ("#ffffff", "#d4d9e0", "#8c959f"),
    "sink": ("#eefbf1", "#b0dfbc", "#1a7f37"),
    "more": ("#f6f8fa", "#c4cad2", "#c4cad2"),
    "open": ("#ffffff", "#8b949e", "#8b949e"),
    "join": ("#8b949e", "#8b949e", "#8b949e"),
}
"""Fill, border and mark of each kind of card."""
DARK = {
    "source": ("#10233c", "#28507f", "#58a6ff"),
    "operator": ("#1b2129", "#3d444d", "#7d8590"),
    "sink": ("#12291a", "#2a5a38", "#3fb950"),
    "more": ("#161b22", "#444c56", "#444c56"),
    "open": ("#0d1117", "#8b949e", "#8b949e"),
    "join": ("#8b949e", "#8b949e", "#8b949e"),
}
INKS = {
    "t": ("#1f2328", "#e6edf3"),
    "k": ("#656d76", "#9198a1"),
    "f": ("#8250df", "#d2a8ff"),
    "e": ("#cf222e", "#ff7b72"),
}
"""Titles and values, names of settings, users' functions, errors: light and dark."""


def _style() -> str:
    rules = [
        f".ackflow-graph .{kind} .c{{fill:{fill};stroke:{border}}}"
        f".ackflow-graph .{kind} .m{{fill:{mark}}}"
        for kind, (fill, border, mark) in DARK.items()
    ]
    rules += [f".ackflow-graph .{name}{{fill:{dark}}}" for name, (_, dark) in INKS.items()]
    rules.append(".ackflow-graph .p{fill:#21262d;stroke:#3d444d}")
    return f"@media(prefers-color-scheme:dark){{{''.join(rules)}}}"


STYLE = _style()
"""What changes its colours on dark pages."""


def svg(chain: Chain, direction: Literal["right", "down"] | None, *, alone: bool = True) -> str:
    """Return a graph as an SVG that needs nothing else, or as one for a page that has `STYLE`."""
    box = layout(chain, direction == "down")
    down = direction == "down"
    if direction is None and box.length > WIDEST:
        other = layout(chain, down=True)
        if other.breadth < box.length:
            box, down = other, True
    return "".join(_Drawing(down, alone).svg(box, chain))


class _Drawing:
    """Draws what goes to the right, or down."""

    def __init__(self, down: bool, alone: bool) -> None:
        self._down = down
        self._alone = alone

    def svg(self, box: Box, chain: Chain) -> Iterator[str]:
        length, breadth = (_number(size + 2 * MARGIN) for size in (box.length, box.breadth))
        width, height = (breadth, length) if self._down else (length, breadth)
        names = " → ".join(place.card.title for place in box.places if place.card.title)
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ackflow-graph" role="img"'
            f' width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
            f'{self._fit} aria-label="{escape(names)}" font-family="{escape(MONOSPACE)}">'
            f"<title>{escape(names)}</title><desc>{escape(text(chain, 100))}</desc>"
            f"{f'<style>{STYLE}</style>' if self._alone else ''}"
            f'<g transform="translate({_number(MARGIN)} {_number(MARGIN)})">'
        )
        for line in box.lines:
            yield self._line(line)
        for place in box.places:
            yield self._card(place)
        for line in box.lines:
            if line.label:
                yield self._label(line)
        yield "</g></svg>"

    @property
    def _fit(self) -> str:
        return ' style="max-width:100%"' if self._alone else ""

    def _at(self, along: float, across: float) -> str:
        x, y = (across, along) if self._down else (along, across)
        return f"{_number(x)} {_number(y)}"

    def _line(self, line: Line) -> str:
        """Draw a line: straight beside other stages, a bend, straight through its label, an arrow."""
        start, end = line.tail.along + line.tail.length, line.head.along
        here, there = line.tail.across, line.head.across
        dot = line.head.card.node.kind in DOTS
        tip = end + 5 if dot else end - 1
        if line.tail.card.node.kind in DOTS:
            start -= 1
        bend = line.ends - line.begins - 6
        path = f"M{self._at(start, here)}L{self._at(line.begins, here)}"
        out, into = line.begins + bend * 0.6, line.begins + bend * 0.4
        path += f"C{self._at(out, here)} {self._at(into, there)}"
        path += f" {self._at(line.begins + bend, there)}L{self._at(tip - 4, there)}"
        head = f"M{self._at(tip, there)}L{self._at(tip - 7, there - 4)}L{self._at(tip - 7, there + 4)}Z"
        drawn = f'<path d="{path}" fill="none" stroke="#8b949e" stroke-width="1.5"/>'
        return drawn if dot else f'{drawn}<path d="{head}" fill="#8b949e"/>'

    def _label(self, line: Line) -> str:
        width = label_width(line.label)
        behind = line.head.along - 10
        middle = behind - (PILL if self._down else width) / 2
        x, y = (line.head.across, middle) if self._down else (middle, line.head.across)
        return (
            f'<rect class="p" x="{_number(x - width / 2)}" y="{_number(y - PILL / 2)}"'
            f' width="{_number(width)}" height="{_number(PILL)}" rx="{_number(PILL / 2)}"'
            ' fill="#f6f8fa" stroke="#d4d9e0"/>'
            f'<text class="k" x="{_number(x)}" y="{_number(y + 3.5)}" text-anchor="middle"'
            f' font-family="{escape(SANS)}" font-size="10.5" fill="#656d76">{escape(line.label)}</text>'
        )

    def _card(self, place: Place) -> str:
        card = place.card
        across = place.across - place.breadth / 2
        x, y = (across, place.along) if self._down else (place.along, across)
        move = f'transform="translate({_number(x)} {_number(y)})"'
        return f'<g class="{card.node.kind}" {move}>{"".join(_drawn(card))}</g>'


def _drawn(card: Card) -> Iterator[str]:
    """Draw a card where it is."""
    fill, border, mark = LIGHT[card.node.kind]
    size = f'width="{_number(card.width)}" height="{_number(card.height)}"'
    if card.node.kind in DOTS:
        circle = '<circle class="c" cx="5" cy="5" r="4"'
        yield f'{circle} fill="{fill}" stroke="{border}" stroke-width="1.5"/>'
        return
    yield f"<title>{escape(str(card.node))}</title>"
    if card.node.kind == "more":
        yield f'<rect class="c" {size} rx="9" fill="{fill}" stroke="{border}" stroke-dasharray="4 3"/>'
        yield _words(card.width / 2, 22, "k", 12, card.title, ' text-anchor="middle"')
        return
    yield f'<rect class="c" {size} rx="9" fill="{fill}" stroke="{border}"/>'
    inner = _number(card.height - 16)
    yield f'<rect class="m" x="6" y="8" width="3" height="{inner}" rx="1.5" fill="{mark}"/>'
    yield _words(PADDING, 22, "t", 13, card.title, ' font-weight="600"')
    for number, row in enumerate(card.rows, 1):
        yield _row(row, 22 + LINE * number)
    for number, figure in enumerate(card.node.figures, 1 + len(card.rows)):
        yield from _figure(figure, card.width - PADDING, 22 + LINE * number)


def _row(row: Row, y: float) -> str:
    """Draw a row: its parts follow each other whatever the font is."""
    kind = "f" if row.function else "t" if row.key else "k"
    parts = [("k", row.key, "")] if row.key else []
    parts.append((kind, row.text, ' dx="6"' if row.key else ""))
    spans = (
        f'<tspan class="{kind}" fill="{INKS[kind][0]}"{dx}>{escape(words)}</tspan>'
        for kind, words, dx in parts
    )
    return f'<text x="{_number(PADDING)}" y="{_number(y)}" font-size="11">{"".join(spans)}</text>'


def _figure(figure: Figure, right: float, y: float) -> Iterator[str]:
    """Draw a figure: what it is on the left, and how much on the right."""
    yield _words(PADDING, y, "k", 11, figure.key)
    yield _words(right, y, "e" if figure.bad else "t", 11, figure.text, ' text-anchor="end"')


def _words(x: float, y: float, kind: str, size: int, words: str, more: str = "") -> str:
    place = f'x="{_number(x)}" y="{_number(y)}" font-size="{size}" fill="{INKS[kind][0]}"'
    return f'<text class="{kind}" {place}{more}>{escape(words)}</text>'


def _number(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
