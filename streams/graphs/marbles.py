"""Marbles: what went into operators and what came out, on lines of time, as text and as SVG."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from math import floor
from typing import Any, Literal, TypeAlias

from ackflow.streams.graphs.labels import cells, short
from ackflow.streams.graphs.svg import MONOSPACE, SANS

Kind: TypeAlias = Literal["value", "acked", "rejected", "requeued"]

SIGNS: dict[Kind, str] = {"value": "", "acked": "✓", "rejected": "✗", "requeued": "↺"}
FILLS: dict[Kind, tuple[str, str]] = {
    "value": ("#eef6ff", "#0969da"),
    "acked": ("#eefbf1", "#1a7f37"),
    "rejected": ("#ffebe9", "#cf222e"),
    "requeued": ("#fff8e6", "#9a6700"),
}
"""Fill and border of a marble, with dark ink on it: they hold on light and on dark pages."""

LONGEST = 24
"""Columns of a marble's label."""
LEAST = 34.0
"""Pixels that a second takes at least."""
LABELS = 74.0
"""Pixels for the names of the lines."""
HIGH = 26.0
"""Pixels that a marble is high."""
APART = 14.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on a line of time, or what became of it."""

    at: float
    label: str
    kind: Kind = "value"

    def __str__(self) -> str:
        return f"{SIGNS[self.kind]}{self.label}"


@dataclass(frozen=True, slots=True)
class Track:
    """One line of time; `end`: when its stream ended, if it did."""

    name: str
    marks: tuple[Mark, ...]
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Marbles:
    """Lines of time: the streams that went in, what operators made of them, and their acks.

    Example:
        print(diagram)                                 # text, a column a second
        Path("chunk.svg").write_text(diagram.svg())    # needs nothing else

    """

    operator: str
    inputs: tuple[Track, ...]
    output: Track
    acks: tuple[Track, ...] = ()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All lines, from top to bottom."""
        return (*self.inputs, self.output, *self.acks)

    def text(self) -> str:
        """Return it as lines of text, with a column for each second."""
        return "\n".join(_lines(self))

    def svg(self) -> str:
        """Return it as an SVG that needs nothing else."""
        return "".join(_drawn(self))

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"image/svg+xml": self.svg(), "text/plain": self.text()}


def _last(marbles: Marbles) -> float:
    ends = [track.end or 0.0 for track in marbles.tracks]
    return max([*ends, *(mark.at for track in marbles.tracks for mark in track.marks)])


def _slots(track: Track) -> dict[int, list[Mark]]:
    """Return marks by the second that they lie in."""
    found: dict[int, list[Mark]] = {}
    for mark in track.marks:
        found.setdefault(floor(mark.at), []).append(mark)
    return found


# -- text -----------------------------------------------------------------------------------------


def _lines(marbles: Marbles) -> Iterator[str]:
    seconds = floor(_last(marbles)) + 1
    cut = {track: _texts(track) for track in marbles.tracks}
    wide = [max(1, *(cells(texts.get(at, "")) for texts in cut.values())) for at in range(seconds)]
    names = max(cells(track.name) for track in marbles.tracks)
    for track, texts in cut.items():
        if track == marbles.output:
            yield f"{' ' * names}  {marbles.operator}"
        ends = seconds - 1 if track.end is None else floor(track.end)
        line = "─".join(
            (text := texts.get(at, "")) + "─" * (wide[at] - cells(text)) for at in range(ends + 1)
        )
        line = line if track.end is None else line.rstrip("─")
        yield f"{track.name}{' ' * (names - cells(track.name))}  {line}"


def _texts(track: Track) -> dict[int, str]:
    """Return what stands on a line, by seconds; the end is a bar, behind what came with it."""
    texts = {at: " ".join(map(str, marks)) for at, marks in _slots(track).items()}
    if track.end is not None:
        at = floor(track.end)
        texts[at] = f"{texts[at]}|" if at in texts else "|"
    return texts


# -- SVG ------------------------------------------------------------------------------------------


def _drawn(marbles: Marbles) -> Iterator[str]:
    scale = max([LEAST, *(_needed(track) for track in marbles.tracks)])
    width = LABELS + scale * (_last(marbles) + 1) + 10
    heights = [_height(track) for track in marbles.tracks]
    height = sum(heights) + APART * (len(heights) + 1) + 34 + APART
    width = max(width, 8.0 * cells(marbles.operator) + 40)
    yield (
        '<svg xmlns="http://www.w3.org/2000/svg" class="ackflow-marbles" role="img"'
        f' width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' style="max-width:100%;height:auto" font-family="{escape(MONOSPACE)}">'
        f"<title>{escape(marbles.operator)}</title><desc>{escape(marbles.text())}</desc>"
    )
    top = APART
    for track, high in zip(marbles.tracks, heights, strict=True):
        if track is marbles.output:
            yield _box(marbles.operator, top, width)
            top += 34 + APART
        yield from _track(track, top, high, scale, width)
        top += high + APART
    yield "</svg>"


def _wide(mark: Mark) -> float:
    return max(HIGH, 7.2 * cells(str(mark)) + 14)


def _needed(track: Track) -> float:
    """Return the pixels a second needs, so that marbles of different times do not cover each other."""
    times = [(at, max(map(_wide, marks))) for at, marks in groupby(track.marks, _at)]
    steps = pairwise(times)
    return (
        max(((a + b) / 2 + 4) / (end - start) for (start, a), (end, b) in steps) if times[1:] else 0
    )


def _at(mark: Mark) -> float:
    return mark.at


def _height(track: Track) -> float:
    piles = [len(list(marks)) for _, marks in groupby(track.marks, _at)]
    return HIGH * max([1, *piles])


def _box(operator: str, top: float, width: float) -> str:
    return (
        f'<rect x="4" y="{top:.0f}" width="{width - 8:.0f}" height="34" rx="9" fill="#f6f8fa"'
        f' stroke="#8c959f"/><text x="{width / 2:.0f}" y="{top + 22:.0f}" text-anchor="middle"'
        f' font-size="13" font-weight="600" fill="#1f2328">{escape(operator)}</text>'
    )


def _track(track: Track, top: float, high: float, scale: float, width: float) -> Iterator[str]:
    """Draw a line of time, what lies on it, and its end; what came at one time is piled up."""
    middle = top + HIGH / 2
    end = width - 14 if track.end is None else _x(track.end, scale) + HIGH / 2 + 6
    yield (
        f'<text x="8" y="{middle + 4:.1f}" font-size="12" fill="#6e7781"'
        f' font-family="{escape(SANS)}">{escape(short(track.name, 9))}</text>'
        f'<path d="M{LABELS:.0f} {middle:.1f}H{end:.1f}" stroke="#8b949e" stroke-width="1.5"/>'
    )
    if track.end is not None:
        yield f'<path d="M{end:.1f} {middle - 9:.1f}v18" stroke="#8b949e" stroke-width="2.5"/>'
    for at, marks in groupby(track.marks, _at):
        for number, mark in enumerate(marks):
            yield _marble(mark, _x(at, scale), middle + number * HIGH)


def _x(at: float, scale: float) -> float:
    return LABELS + scale * (at + 0.5)


def _marble(mark: Mark, x: float, y: float) -> str:
    fill, border = FILLS[mark.kind]
    wide = _wide(mark)
    return (
        f'<rect x="{x - wide / 2:.1f}" y="{y - 11:.1f}" width="{wide:.1f}" height="22" rx="11"'
        f' fill="{fill}" stroke="{border}" stroke-width="1.5"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="12" fill="#1f2328">'
        f"{escape(str(mark))}</text>"
    )
