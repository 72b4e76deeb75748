"""Panel: the figures of a run, as a picture and as text: a line a stage, and its rate over time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ackflow.streams.core import StageCount, printable
from ackflow.streams.graphs.labels import cells, short
from ackflow.streams.graphs.svg import DARK, INKS, LIGHT, MONOSPACE, SANS

WIDE = 760
NAME = 46
"""Columns of a stage's name."""
ROWS = 30
"""Stages that are shown; of more, the first and the last."""
NOTES = 8
ROW = 20.0
HEADS = ("in", "out", "/ s", "in flight", "oldest", "errors")
RIGHTS = (396.0, 466.0, 536.0, 610.0, 680.0, 744.0)
"""Where the columns of figures end."""
PLOT = 56.0
STATES = {"running": "#1a7f37", "done": "#0969da", "halted": "#cf222e"}
OTHER = "#9a6700"


@dataclass(frozen=True, slots=True)
class Line:
    """What a stage did, and how many elements left it in a second."""

    stage: StageCount
    rate: float


@dataclass(frozen=True, slots=True)
class Panel:
    """A run at one time."""

    state: str
    seconds: float
    counts: str
    """What became of its deliveries, in a line."""
    lines: tuple[Line, ...]
    rates: tuple[tuple[float, float], ...]
    """Seconds since the start, and deliveries settled in a second, up to there."""
    notes: tuple[str, ...] = ()
    """Why chunks were let go, what is halted, what failed."""

    def bundle(self) -> dict[str, Any]:
        """Return it as Jupyter shows it, by MIME type."""
        return {"image/svg+xml": self.svg(), "text/plain": self.text()}

    def text(self) -> str:
        """Return it as lines of text."""
        return "\n".join(_text(self))

    def svg(self, *, alone: bool = True) -> str:
        """Return it as an SVG that needs nothing else, or as one for a page that has `STYLE`."""
        return "".join(_svg(self, alone))


def figures(line: Line) -> tuple[str, ...]:
    """Write what stands in the columns of a stage."""
    stage = line.stage
    return (
        "" if stage.kind == "source" else number(stage.taken),
        number(stage.given),
        number(line.rate),
        "" if stage.held is None else number(stage.held),
        f"{stage.oldest:,.1f} s" if stage.oldest else "",
        number(stage.failed) if stage.failed else "",
    )


def number(value: float) -> str:
    """Write a number in at most seven columns.

    Example:
        >>> number(999), number(1234567), number(0.25)
        ('999', '1.23 M', '0.2')

    """
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:,.1f}" if 0 < value < 10 and value != int(value) else f"{value:,.0f}"


def _shown(lines: Sequence[Line]) -> list[Line | str]:
    """Return the lines there is room for, with a word for those left out."""
    if len(lines) <= ROWS:
        return list(lines)
    half = ROWS // 2
    return [*lines[:half], f"… {len(lines) - 2 * half:,} more stages", *lines[-half:]]


def _name(line: Line | str) -> str:
    return line if isinstance(line, str) else short(printable(line.stage.name, 200), NAME)


def _head(panel: Panel) -> str:
    minutes, seconds = divmod(panel.seconds, 60)
    time = f"{minutes:,.0f} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"
    return f"{time} · {printable(panel.counts, 200)}"


def _notes(panel: Panel) -> list[str]:
    notes = [short(printable(note, 300), 108) for note in panel.notes]
    return (
        notes if len(notes) <= NOTES else [*notes[: NOTES - 1], f"… {len(notes) - NOTES + 1} more"]
    )


# -- text -----------------------------------------------------------------------------------------


def _text(panel: Panel) -> Iterator[str]:
    yield f"{printable(panel.state, 100)} · {_head(panel)}"
    rows = [
        (_name(line), () if isinstance(line, str) else figures(line))
        for line in _shown(panel.lines)
    ]
    if rows:
        wide = max(cells(name) for name, _ in rows)
        yield f"{'':{wide}}" + "".join(f"{head:>10}" for head in HEADS)
        for name, row in rows:
            yield (
                f"{name}{' ' * (wide - cells(name))}" + "".join(f"{each:>10}" for each in row)
            ).rstrip()
    yield from _notes(panel)


# -- SVG ------------------------------------------------------------------------------------------


def _style() -> str:
    rules = [f".ackflow-panel .{name}{{fill:{dark}}}" for name, (_, dark) in INKS.items()]
    rules.append(".ackflow-panel .b{fill:#0d1117;stroke:#3d444d}.ackflow-panel .r{stroke:#30363d}")
    rules += [f".ackflow-panel .{kind}{{fill:{mark}}}" for kind, (_, _, mark) in DARK.items()]
    size = ".ackflow-panel{max-width:100%;height:auto}"
    return f"{size}@media(prefers-color-scheme:dark){{{''.join(rules)}}}"


STYLE = _style()
"""What fits it to where it is shown, and changes its colours on dark pages."""


def _svg(panel: Panel, alone: bool) -> Iterator[str]:
    rows, notes = _shown(panel.lines), _notes(panel)
    table = 44.0 + (ROW * (len(rows) + 1) if rows else 0)
    plot = table + 16
    height = plot + PLOT + 30 + 16 * len(notes) + (4 if notes else 0)
    words = printable(f"{panel.state}, {panel.counts}", 300)
    yield (
        '<svg xmlns="http://www.w3.org/2000/svg" class="ackflow-panel" role="img"'
        f' width="{WIDE}" height="{height:.0f}" viewBox="0 0 {WIDE} {height:.0f}"'
        f' aria-label="{escape(words)}" font-family="{escape(MONOSPACE)}">'
        f"<title>{escape(words)}</title>{f'<style>{STYLE}</style>' if alone else ''}"
        f'<rect class="b" x=".5" y=".5" width="{WIDE - 1}" height="{height - 1:.0f}" rx="9"'
        ' fill="#ffffff" stroke="#d4d9e0"/>'
    )
    yield from _header(panel)
    if rows:
        yield from (
            _word(x, 50, head, "k", "end", SANS) for x, head in zip(RIGHTS, HEADS, strict=True)
        )
        for place, line in enumerate(rows, 1):
            yield from _row(line, 50 + ROW * place)
    yield from _plot(panel, plot)
    for place, note in enumerate(notes, 1):
        yield _word(16, plot + PLOT + 22 + 16 * place, note, "t", "start", MONOSPACE)
    yield "</svg>"


def _header(panel: Panel) -> Iterator[str]:
    state = short(printable(panel.state.partition(":")[0], 30), 30)
    wide = 7.4 * cells(state) + 20
    yield (
        f'<rect x="12" y="10" width="{wide:.0f}" height="20" rx="10"'
        f' fill="{STATES.get(state, OTHER)}"/><text x="{12 + wide / 2:.1f}" y="24" font-size="12"'
        f' text-anchor="middle" font-weight="600" fill="#ffffff">{escape(state)}</text>'
    )
    yield _word(24 + wide, 24, short(_head(panel), 90), "t", "start", SANS, 12)


def _row(line: Line | str, y: float) -> Iterator[str]:
    yield f'<path class="r" d="M12 {y - 14:.0f}H{WIDE - 12}" stroke="#e7eaee"/>'
    if isinstance(line, str):
        yield _word(28, y, line, "k", "start", MONOSPACE)
        return
    kind = line.stage.kind if line.stage.kind in LIGHT else "operator"
    yield f'<rect class="{kind}" x="16" y="{y - 10:.0f}" width="3" height="12" fill="{LIGHT[kind][2]}"/>'
    yield f"<g><title>{escape(printable(line.stage.name, 300))}</title>"
    yield f"{_word(28, y, _name(line), 't', 'start', MONOSPACE)}</g>"
    for x, words in zip(RIGHTS, figures(line), strict=True):
        yield _word(x, y, words, "e" if x == RIGHTS[-1] else "t", "end", MONOSPACE) if words else ""


def _plot(panel: Panel, top: float) -> Iterator[str]:
    """Draw deliveries a second over time, as an area; the largest rate is its height."""
    most = max((rate for _, rate in panel.rates), default=0.0)
    left, right, bottom = 16.0, WIDE - 16.0, top + PLOT
    whole = panel.rates[-1][0] if panel.rates else 0.0
    if most and whole:
        begin, points = left, []
        for until, rate in panel.rates:
            end = left + (right - left) * until / whole
            y = bottom - PLOT * rate / most
            points.append(f"L{begin:.1f} {y:.1f}L{end:.1f} {y:.1f}")
            begin = end
        yield (
            f'<path class="plot" d="M{left} {bottom}{"".join(points)}L{right} {bottom}Z"'
            ' fill="#0969da" fill-opacity=".25" stroke="#0969da"/>'
        )
    yield f'<path class="r" d="M{left} {bottom}H{right}" stroke="#d4d9e0"/>'
    yield _word(left, bottom + 14, "settled a second, over time", "k", "start", SANS)
    yield _word(right, bottom + 14, f"most: {number(most)} / s" if most else "", "k", "end", SANS)


def _word(x: float, y: float, words: str, kind: str, anchor: str, font: str, size: int = 11) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
        f' font-family="{escape(font)}" fill="{INKS[kind][0]}">{escape(words)}</text>'
    )
