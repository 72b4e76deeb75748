"""Live: a run that shows itself in a notebook, in place, until it is over."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from ackflow.streams.core import Handle, Summary
from ackflow.streams.graphs.panel import Line, Panel

OFTEN = 0.5
"""Seconds between two pictures at least."""
SELDOM = 5.0
"""Seconds between two pictures of a run that is old, or in which nothing happens."""
AGE = 120.0
"""The part of a run's age that lies between two pictures: a server keeps those that no browser takes."""
POINTS = 120
"""Points of the rate over time: of a longer run they lie further apart."""
WINDOW = 2.0
"""Seconds over which a stage's rate is taken."""

logger = logging.getLogger("ackflow.live")

Show = Callable[[dict[str, Any], str, bool], None]
"""Shows a picture under an id: for the first time, or in the place of the last one."""


class History:
    """How many deliveries were settled when; bounded, however long a run is."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = [(0.0, 0)]
        self._apart = OFTEN

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

    def __init__(self, handle: Handle[Any]) -> None:
        self._handle = handle
        self._history = History()
        self._recent: deque[tuple[float, list[int]]] = deque()

    def panel(self) -> Panel:
        """Return the run as it is now."""
        handle = self._handle
        summary = handle.stats()
        self._history.add(summary.seconds, summary.acked + summary.rejected)
        stages, over = handle.stages, handle.done
        self._note(summary.seconds, [stage.given for stage in stages])
        rates = self._rates(summary.seconds, over)
        return Panel(
            state=handle.state,
            seconds=summary.seconds,
            counts=counts(summary),
            lines=tuple(Line(stage, rate) for stage, rate in zip(stages, rates, strict=True)),
            rates=self._history.rates(),
            notes=notes(handle.state, summary),
        )

    def _note(self, now: float, given: list[int]) -> None:
        self._recent.append((now, given))
        while len(self._recent) > 2 and now - self._recent[1][0] >= WINDOW:
            self._recent.popleft()

    def _rates(self, now: float, over: bool) -> list[float]:
        """Return what left each stage in a second: lately, and of a run that is over, on average."""
        given = self._recent[-1][1]
        begin, before = (0.0, [0] * len(given)) if over else self._recent[0]
        if begin == now:
            begin, before = 0.0, [0] * len(given)
        passed = now - begin
        return [
            (after - old) / passed if passed else 0.0
            for after, old in zip(given, before, strict=True)
        ]


def counts(summary: Summary) -> str:
    """Say what became of deliveries, in a line."""
    return str(Summary.__str__(summary)).partition("\n")[0].rpartition(" in ")[0]


def notes(state: str, summary: Summary) -> tuple[str, ...]:
    """Say what is halted, why chunks were let go, and what failed where: no text of an error."""
    halted = [state] if state.startswith("halted") else []
    flushes = ", ".join(f"{reason} {count:,}" for reason, count in summary.flushes.items())
    failures = [
        f"{count:,} × {kind} in {stage}"
        for kind, failure in summary.failures.items()
        for stage, count in failure.stages.items()
    ]
    return (*halted, *([f"flushed by {flushes}"] if flushes else []), *failures)


class Live:
    """Shows a run in place for as long as it goes on, and leaves its last picture."""

    def __init__(self, handle: Handle[Any], show: Show) -> None:
        self.id = uuid4().hex
        self._handle = handle
        self._watch = Watch(handle)
        self._show = show
        self._timer: asyncio.TimerHandle | None = None
        self._key: object = None
        self._shown_at = 0.0
        self._follows = False

    def show(self) -> None:
        """Show it here, and go on from now on; where it is shown already, it goes on there as well."""
        self._show(self._watch.panel().bundle(), self.id, False)
        if not self._follows and not self._handle.done:
            self._follows = True
            self._handle.when_done(self._end)
            self._again()

    def _again(self) -> None:
        age = self._handle.stats().seconds
        pause = min(SELDOM, max(OFTEN, age / AGE))
        self._timer = self._handle.loop.call_later(pause, self._tick)

    def _tick(self) -> None:
        if not self._handle.done and self._update():
            self._again()

    def _update(self) -> bool:
        """Show it anew where something changed; say whether that can be done."""
        try:
            panel = self._watch.panel()
            key = (
                panel.state,
                panel.counts,
                panel.notes,
                [line.stage.held for line in panel.lines],
            )
            if key != self._key or panel.seconds - self._shown_at >= SELDOM or self._handle.done:
                self._show(panel.bundle(), self.id, True)
                self._key, self._shown_at = key, panel.seconds
        except Exception:  # whoever looks is no reason to end a run
            logger.warning(
                "a run can't be shown any more", exc_info=True, extra={"event": "not_shown"}
            )
            return False
        return True

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._update()


_shown: "WeakKeyDictionary[Handle[Any], Live]" = WeakKeyDictionary()
"""What shows each run: one, however often a cell runs."""


def show(handle: Handle[Any]) -> None:
    """Show a run where the cell stands: live in a notebook, once in a terminal."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    def put(bundle: dict[str, Any], name: str, again: bool) -> None:
        place: Any = display  # has no types
        place(bundle, raw=True, display_id=name, update=again)

    if getattr(get_ipython(), "kernel", None) is None:  # a terminal: what is printed stays
        print(Watch(handle).panel().text())
        return
    if handle not in _shown:
        _shown[handle] = Live(handle, put)
    _shown[handle].show()
