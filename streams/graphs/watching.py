"""Watching: the panel of a run at each time that somebody looks; nothing is counted between."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ackflow.streams.core import Handle, Summary
from ackflow.streams.graphs.pace import Pace
from ackflow.streams.graphs.panel import Line, Panel

APART = 0.5
"""Seconds between two points of the rate over time at least."""
POINTS = 120
"""Points of the rate over time: of a longer run they lie further apart."""
WINDOW = 2.0
"""Seconds over which a stage's rate is taken."""


class History:
    """How many deliveries were settled when; bounded, however long a run is."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = [(0.0, 0)]
        self._apart = APART

    def add(self, seconds: float, settled: int) -> None:
        """Note how many were settled; one that is too near to the one before takes its place."""
        if len(self._seen) > 1 and seconds - self._seen[-2][0] < self._apart:
            self._seen[-1] = (seconds, settled)
            return
        self._seen.append((seconds, settled))
        if len(self._seen) > POINTS:
            self._seen = [*self._seen[:-1:2], self._seen[-1]]
            self._apart *= 2

    def rates(self) -> tuple[tuple[float, float], ...]:
        """Return the rates of all stretches, each with its end."""
        return tuple(
            (end, (after - before) / (end - begin))
            for (begin, before), (end, after) in pairwise(self._seen)
            if end > begin
        )


class Watch:
    """Takes pictures of a run."""

    def __init__(self, handle: Handle[Any], named: Callable[[str], str] | None = None) -> None:
        """`named`: what to call a stage where others look; no text of an error is shown there."""
        self._handle = handle
        self._history = History()
        self._paces: list[Pace] = []
        self._named = named

    def panel(self) -> Panel:
        """Return the run as it is now."""
        handle, state = self._handle, self._handle.state
        summary = handle.stats()
        self._history.add(summary.seconds, summary.acked + summary.rejected)
        return Panel(
            state=state if self._named is None else state.partition(":")[0],
            seconds=summary.seconds,
            counts=counts(summary),
            lines=tuple(self._lines(summary.seconds)),
            rates=self._history.rates(),
            notes=tuple(self._notes(state, summary)),
        )

    def _lines(self, now: float) -> Iterator[Line]:
        """Tell of each stage, with its rate: of late, and of a run that is over on average."""
        over, named = self._handle.done, self._named
        stages = self._handle.stages
        self._paces += [Pace(0.0, WINDOW) for _ in stages[len(self._paces) :]]
        for stage, pace in zip(stages, self._paces, strict=True):
            rate = pace.at(now, stage.given)
            if over:
                rate = stage.given / now if now else 0.0
            yield Line(stage if named is None else replace(stage, name=named(stage.name)), rate)

    def _notes(self, state: str, summary: Summary) -> Iterator[str]:
        """Say what is halted, why chunks were let go, and what failed where: no text of a failure."""
        named = self._named
        if named is None and state.startswith("halted"):
            yield state
        if summary.flushes:
            flushes = (f"{reason} {count:,}" for reason, count in summary.flushes.items())
            yield f"flushed by {', '.join(flushes)}"
        for kind, failure in summary.failures.items():
            for stage, count in failure.stages.items():
                yield f"{count:,} × {kind} in {stage if named is None else named(stage)}"


def counts(summary: Summary) -> str:
    """Say what became of deliveries, in a line."""
    return str(Summary.__str__(summary)).partition("\n")[0].rpartition(" in ")[0]
