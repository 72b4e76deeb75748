"""window: values joined by what they have in common: a time, a session, their number."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, overload

from ackflow.operators.spans import Grid, Sessions
from ackflow.operators.windows import CountWindows, TimeWindows
from ackflow.streams.core import (
    Context,
    Grouping,
    Run,
    Shape,
    Stage,
    check_count,
    check_duration,
    shown,
)

CALL = "op.window"
SHORTEST = 0.001
"""Seconds that windows are apart at least: timers are no finer."""
OVERLAP = 1000
"""Windows at most that a value may be in by its time."""


class Window(Stage):
    """Joins the values of a window into a list."""

    name = "window"

    def __init__(self, most: int, settings: dict[str, Any]) -> None:
        self.holds = self._most = most
        self._settings = settings

    @property
    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in self._settings.items() if value is not None}

    def shape(self, before: Shape) -> Shape:
        return (*before, self._most)

    def places(self, before: int) -> int:
        return before + 1


class ByTime(Window):
    """Windows by the time at which values come."""

    def __init__(self, max_items: int, keeps: float, **settings: Any) -> None:
        super().__init__(max_items, {**settings, "max_items": max_items})
        self.max_items = max_items
        self.keeps = keeps

    @abstractmethod
    def plan(self) -> Any:
        """Return what says when windows begin and end, for one run."""

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return TimeWindows(self, context, inputs[0]).runs()


class Periodic(ByTime):
    """Windows at equal distances in time."""

    def __init__(self, every: float, span: float | None, max_items: int) -> None:
        self._every = float(every)
        self._span = self._every if span is None else float(span)
        super().__init__(max_items, self._span, every=every, span=span)

    def plan(self) -> Grid:
        return Grid(self._every, self._span)


class BySession(ByTime):
    """Windows between silences."""

    def __init__(self, gap: float, longest: float | None, max_items: int) -> None:
        self._gap = float(gap)
        self._longest = 10 * self._gap if longest is None else float(longest)
        super().__init__(max_items, self._longest, gap=gap, longest=self._longest)

    def plan(self) -> Sessions:
        return Sessions(self._gap, self._longest)


class ByCount(Window):
    """Windows by the number of values."""

    def __init__(self, count: int, step: int | None) -> None:
        super().__init__(count, {"count": count, "step": step})
        self.count = count
        self.fills = count > 1
        self.step = count if step is None else step

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return CountWindows(self, context, inputs[0]).runs()


@overload
def window(*, every: float, span: float | None = None, max_items: int) -> Grouping: ...
@overload
def window(*, gap: float, longest: float | None = None, max_items: int) -> Grouping: ...
@overload
def window(*, count: int, step: int | None = None) -> Grouping: ...
def window(
    *,
    every: float | None = None,
    span: float | None = None,
    gap: float | None = None,
    longest: float | None = None,
    count: int | None = None,
    step: int | None = None,
    max_items: int | None = None,
) -> Grouping:
    """Join the values of each window into a list: by time, by silence between them, or by number.

        in    1-2---3------4-5-|
        out   --------a-------(b|)        window(every=8, max_items=9):  a = [1, 2, 3], b = [4, 5]
        out   ----------a-----(b|)        window(gap=5, max_items=9):  the same
        out   --a---b------c-d-|          window(count=2, step=1):  [1, 2], [2, 3], [3, 4], [4, 5]

    Example:
        await (streams.of(1, 2, 3, 4) | op.window(count=3, step=1) | sinks.to_list())
        # [[1, 2, 3], [2, 3, 4]]

    `every=`: windows of so many seconds; with `span=` they are so long, and one begins every `every`
    seconds. The first begins with the first value, and a value that comes just when a window ends is in
    the next. `gap=`: a window ends once nothing came for so long, or when it is `longest` old.
    `count=`: windows of so many values; with `step=` one begins with every `step`th value. Where
    windows overlap a value is in each that it falls into; what falls between two is dropped. A value
    comes when it reaches this operator, which takes in up to its bound while the consumer works.
    Windows are never empty. They do not end early because their source has no credit left, as chunks
    do; they do when the stream ends, on a drain, and when no source has anything more to give: then
    each window in time hands on what it has, and of windows by number a last, shorter one comes if
    it holds what was in none before (as fs2's `sliding`). A window by number has no time: where values
    may stay away for long, `op.chunk(count, timeout=…)` does not wait for them.
    Acks: joins: every member keeps its own delivery, and a sink may settle them one by one. What is in
    several windows is settled when all of them are, with the worst outcome; what falls between two is
    settled as skipped. What comes again after a failure or a lost connection counts as every other
    value. One that failed before fails here: a `catch` further down doesn't reach it.
    `every`, `span`, `gap`, `longest`: seconds above 0, on a queue within what its consumer timeout
    leaves; `longest` is ten times `gap` where it is None. `count`, `step`: values, 1 and up.
    `max_items`: values that are kept at most, to be given with `every` and `gap`; once there are so many
    each window hands on what it has, and goes on without it.
    Raises TypeError or ValueError, where it is written, for settings that can't be meant, and where it
    is composed, for a window that is larger than the source's prefetch, or takes longer than it waits.
    Source: T. Akidau et al., The Dataflow Model (2015), section 2.2, for fixed, sliding and session
    windows; `sliding` of fs2.
    """
    kind = _kind({"every": every, "gap": gap, "count": count})
    companions = {"span": span, "step": step, "longest": longest, "max_items": max_items}
    for name, value in companions.items():
        if value is not None and name not in KINDS[kind]:
            owners = " or ".join(f"{owner}=" for owner, names in KINDS.items() if name in names)
            raise TypeError(
                f"{CALL}({name}): must come with {owners}, got {name}={shown(value)} beside {kind}=; "
                "leave one of them out"
            )
    if kind == "count":
        return _by_count(count, step)
    _check_bound(kind, max_items)
    return _by_time(every, span, max_items) if kind == "every" else _by_gap(gap, longest, max_items)


KINDS = {
    "every": ("span", "max_items"),
    "gap": ("longest", "max_items"),
    "count": ("step",),
}
"""What windows go by, of which one is to be given, and what belongs to each."""


def _kind(given: dict[str, Any]) -> str:
    """Return what windows go by."""
    kinds = [name for name, value in given.items() if value is not None]
    if len(kinds) != 1:
        got = " and ".join(f"{name}={shown(given[name])}" for name in kinds) or "none of them"
        raise TypeError(
            f"{CALL}(every, gap, count): must be given exactly one of every=, gap= and count=, "
            f"got {got}; op.window(every=10.0, max_items=1000) makes one list of each 10 s"
        )
    return kinds[0]


def _check_bound(kind: str, max_items: Any) -> None:
    if max_items is None:
        raise TypeError(
            f"{CALL}(max_items): must be given with {kind}=, since it bounds what is kept however much "
            f"comes in the time, got none; op.window({kind}=…, max_items=1000) hands a window that "
            "holds more on in parts"
        )
    check_count(f"{CALL}(max_items)", max_items, 1, "1000 is a good beginning")


def _by_time(every: Any, span: Any, max_items: Any) -> Grouping:
    check_duration(f"{CALL}(every)", every, "op.window(count=…) needs no time")
    if every < SHORTEST:
        raise ValueError(
            f"{CALL}(every): must be {SHORTEST} s at least, since timers are no finer, "
            f"got {shown(every)}; op.window(count=…) needs no time"
        )
    if span is not None:
        check_duration(f"{CALL}(span)", span, "leave it out for windows that do not overlap")
        if span > OVERLAP * every:
            raise ValueError(
                f"{CALL}(span): must be {OVERLAP} times every at most, since a value is handed on in "
                f"each window that it is in, got {shown(span)} and every={shown(every)}; "
                "make every larger"
            )
    return Grouping(Periodic(every, span, max_items))


def _by_gap(gap: Any, longest: Any, max_items: Any) -> Grouping:
    check_duration(f"{CALL}(gap)", gap, "op.window(count=…) needs no time")
    if longest is not None:
        check_duration(f"{CALL}(longest)", longest, "leave it out for ten times gap")
        if longest < gap:
            raise ValueError(
                f"{CALL}(longest): must be gap at least, got {shown(longest)} and "
                f"gap={shown(gap)}; op.window(every=…) makes windows that no silence ends"
            )
    return Grouping(BySession(gap, longest, max_items))


def _by_count(count: Any, step: Any) -> Grouping:
    check_count(f"{CALL}(count)", count, 1, "op.window(count=1) makes a list of each value")
    if step is not None:
        check_count(f"{CALL}(step)", step, 1, "leave it out for windows that do not overlap")
    return Grouping(ByCount(count, step))
