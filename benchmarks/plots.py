"""Plots as SVG, by hand: bars with their spread, and lines over logarithmic axes."""

import math
from collections.abc import Iterable, Sequence
from html import escape

WIDTH = 720
LEFT, RIGHT, TOP, BOTTOM = 250, 110, 34, 12
ROW = 26
OURS, OTHERS, INK, GRID = "#1f6f8b", "#b8c4c9", "#24292f", "#dfe3e6"

Bar = tuple[str, float, float, float]
"""Label, median, lowest and highest."""


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Draw horizontal bars from nought, the first in another colour, each with its spread."""
    height = TOP + ROW * len(rows) + BOTTOM
    scale = (WIDTH - LEFT - RIGHT) / max(high for _, _, _, high in rows)
    parts = [_text(12, 20, title, weight="bold")]
    for number, (label, value, low, high) in enumerate(rows):
        y = TOP + ROW * number
        middle = y + ROW / 2
        parts += [
            _text(LEFT - 8, middle + 4, label, anchor="end"),
            _rect(LEFT, y + 4, value * scale, ROW - 8, OTHERS if number else OURS),
            _line(LEFT + low * scale, middle, LEFT + high * scale, middle),
            _text(LEFT + high * scale + 8, middle + 4, short(value)),
        ]
    return _picture(height, parts)


def log_log(
    title: str,
    x_title: str,
    y_title: str,
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
) -> str:
    """Draw lines through points, both axes logarithmic; points at or below nought are left out."""
    height, left, right, top, bottom = 320, 90, 40, 40, 52
    drawn = [(name, [(x, y) for x, y in points if x > 0 and y > 0]) for name, points in series]
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points]
    (x_low, x_high), (y_low, y_high) = _decades(xs), _decades(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return left + across * (WIDTH - left - right), height - bottom - up * (
            height - top - bottom
        )

    parts = [_text(12, 20, title, weight="bold"), _text(left, 36, y_title)]
    parts.append(_text(WIDTH / 2, height - 8, x_title, anchor="middle"))
    for power in range(x_low, x_high + 1):
        x, bottom_y = place(10.0**power, 10.0**y_low)
        parts += [
            _line(x, bottom_y, x, top, GRID, 1),
            _text(x, bottom_y + 18, short(10.0**power), anchor="middle"),
        ]
    for power in range(y_low, y_high + 1):
        start, y = place(10.0**x_low, 10.0**power)
        parts += [
            _line(start, y, WIDTH - right, y, GRID, 1),
            _text(start - 8, y + 4, short(10.0**power), anchor="end"),
        ]
    for number, (name, points) in enumerate(drawn):
        label = name if len(drawn) > 1 else ""
        parts += _curve([place(x, y) for x, y in points], label, "#c8553d" if number else OURS)
    return _picture(height, parts)


def _curve(places: Sequence[tuple[float, float]], name: str, colour: str) -> Iterable[str]:
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    x, y = places[-1]
    yield _text(x, y - 9, name, anchor="end", colour=colour)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def short(value: float) -> str:
    """Write a number with three digits: 1,230,000 as 1.23 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _picture(height: float, parts: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
        'font-family="sans-serif" font-size="13">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:g}" fill="white"/>'
    return "\n".join([head, paper, *parts, "</svg>"]) + "\n"


def _text(
    x: float, y: float, text: str, anchor: str = "start", weight: str = "normal", colour: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _line(x: float, y: float, to_x: float, to_y: float, colour: str = INK, width: float = 2) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{colour}" stroke-width="{width:g}"/>'
    )
