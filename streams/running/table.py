"""Table: runs as lines on a terminal, one for each stage; needs the extra `progress`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ackflow.streams.core import Handle, StageCount, printable
from ackflow.streams.graphs.pace import Pace
from ackflow.streams.running.naming import Names

WIDE = 80
"""Columns from which on numbers are written out."""
LONGEST = 200
"""Characters of a name or of a reason at most."""
COLUMNS = ("in", "out", "/s", "inside", "failed")
SHORT = ("in", "out", "/s", "has", "err")


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a terminal there is."""

    columns: int
    lines: int


class Tables:
    """Draws runs, and remembers how fast they were."""

    def __init__(self) -> None:
        self._paces: dict[tuple[str, int], Pace] = {}
        self._names: dict[Handle[Any], Sequence[str]] = {}

    def draw(self, runs: Mapping[str, Handle[Any]], size: Size) -> RenderableType:
        """Return what to show of runs, each under its name."""
        room = max(2, size.lines // max(1, len(runs)) - 5)
        return Group(*(self._run(name, run, size, room) for name, run in runs.items()))

    def _run(self, name: str, run: Handle[Any], size: Size, room: int) -> RenderableType:
        parts: list[RenderableType] = [Text(head(name, run, self._pace(name, run)))]
        if run.total:
            done = run.stats().acked + run.stats().rejected
            bar = Table.grid()
            bar.add_row(ProgressBar(run.total, min(done, run.total), width=min(60, size.columns)))
            parts.append(bar)
        if run.stages:
            parts.append(self._table(name, run, size.columns, room))
        return Group(*parts)

    def _pace(self, name: str, run: Handle[Any]) -> float:
        stats = run.stats()
        pace = self._paces.setdefault((name, -1), Pace())
        return pace.at(run.loop.time(), stats.acked + stats.rejected)

    def _table(self, name: str, run: Handle[Any], columns: int, room: int) -> Table:
        wide = columns >= WIDE
        table = Table(box=None, padding=(0, 1, 0, 0), expand=not wide, pad_edge=False)
        table.add_column("stage", no_wrap=True, overflow="ellipsis", ratio=1, style="bold")
        for title in COLUMNS if wide else SHORT:
            table.add_column(title, justify="right", no_wrap=True)
        now = run.loop.time()
        if run not in self._names:
            self._names[run] = Names(run.pipeline).stages
        rows = [
            self._row(own, stage, self._paces.setdefault((name, at), Pace()), now, wide)
            for at, (own, stage) in enumerate(zip(self._names[run], run.stages, strict=True))
        ]
        for row in cut(rows, room):
            table.add_row(*row)
        return table

    def _row(self, name: str, stage: StageCount, pace: Pace, now: float, wide: bool) -> list[Text]:
        number = full if wide else short
        held = "" if stage.held is None else number(stage.held)
        failed = Text(number(stage.failed), style="red" if stage.failed else "")
        label = printable(name, LONGEST)
        rate = number(round(pace.at(now, stage.given)))
        numbers = [number(stage.taken), number(stage.given), rate, held]
        return [Text(label), *map(Text, numbers), failed]


def cut(rows: Sequence[list[Text]], room: int) -> Sequence[list[Text]]:
    """Return the first and the last rows where there is no room for all."""
    if len(rows) <= room:
        return rows
    back = room // 2
    front = room - back - 1
    middle = [Text(f"... {len(rows) - front - back:,} more")]
    return [*rows[:front], middle, *rows[len(rows) - back :]]


def head(name: str, run: Handle[Any], pace: float) -> str:
    """Say in one line how far a run is.

    Deliveries are settled when they are acked or rejected.
    """
    stats = run.stats()
    done = stats.acked + stats.rejected
    of = f" of {run.total:,} ({done / run.total:.0%})" if run.total else ""
    failed = sum(failure.count for failure in stats.failures.values())
    parts = [
        f"{name + ': ' if name else ''}{run.state}",
        f"{stats.seconds:.0f} s",
        f"{done:,}{of} settled",
        f"{pace:,.0f}/s",
        f"{run.in_flight:,} in flight",
        f"{failed:,} failed",
    ]
    return printable(", ".join(parts), LONGEST)


def full(number: int) -> str:
    """Write a number out."""
    return f"{number:,}"


def short(number: int) -> str:
    """Write a number in at most four characters.

    Example:
        >>> [short(n) for n in (999, 1_234, 12_345, 999_999, 1_234_567, 5_000_000_000)]
        ['999', '1.2k', '12k', '999k', '1.2M', '5.0G']

    """
    for unit in ("", "k", "M", "G"):
        if number < 1000 or unit == "G":
            break
        number, rest = divmod(number, 1000)
    if not unit:
        return str(number)
    return f"{number}.{rest // 100}{unit}" if number < 10 else f"{number}{unit}"
