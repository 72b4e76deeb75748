"""Diagrams: what operators make of values in time, drawn from a real run in virtual time."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import starmap
from math import floor
from typing import Any

from ackflow.streams.core import printable, shown
from ackflow.streams.core.settings import is_duration
from ackflow.streams.core.stage import label
from ackflow.streams.graphs.marbles import LONGEST, Marbles, Mark, Track
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.memory import queue as memory_queue
from ackflow.streams.testing.clock import run

Timed = tuple[float, Any]
"""A value, and the second at which it comes."""

OFTEN = 0.04
"""Virtual seconds between two looks at what is settled."""
GRAIN = 10
"""Parts of a second that are told apart: acks are gathered for up to 0.05 s."""
MOST_SECONDS = 600.0
"""Virtual seconds after which a run is drained."""
CALL = "testing.marbles"


def marbles(
    operator: Callable[..., Any],
    *inputs: str | Iterable[Timed],
    name: str | None = None,
    show: Callable[[Any], object] | None = None,
    **options: Any,
) -> Marbles:
    """Draw what an operator makes of values in time, and what becomes of their messages.

    Example:
        >>> print(testing.marbles(op.chunk(2, timeout=3.0), "1-23---|"))
        in    1───2──────3─────────|
              chunk(size=2, timeout=3.0)
        out   ────[1, 2]───────[3]─|
        acks  ────✓1 ✓2────────✓3───

    The run is a real one: `streams.memory.queue`, the operator, a sink, in virtual time and at once;
    it is drained after 600 s.
    It may be called where a loop is running, as in Jupyter, which shows the picture. `print` shows it as
    text, `.svg()` returns the picture.
    Acks: every value is a message; the last lines show which were acked (✓), rejected (✗) and given
    back (↺), and when.
    `operator`: an operator, or a function that makes one stream of as many as there are inputs.
    `inputs`: texts with a character for each second: a digit or letter is a value, - is none, | is the
    end; or pairs of a second and a value. `name`: what stands in the box; `show`: makes a label of a
    value; `options`: those of `streams.memory.queue`, here with dead_letter="exchange" and
    1 s before each further attempt.
    Raises ValueError for inputs that can't be read, and what the operator raises when it is composed.
    """
    if not inputs:
        raise ValueError(f'{CALL}(operator, *inputs): must get an input at least; "1-2-|" is one')
    played = [_read(each) for each in inputs]
    diagram = _Diagram(
        operator, played, show, {"dead_letter": "exchange", "wait": _second, **options}
    )
    title = printable(repr(operator) if name is None else name, 100)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run(diagram.draw(title))
    with ThreadPoolExecutor(1) as pool:  # a loop of its own needs a thread of its own
        return pool.submit(lambda: run(diagram.draw(title))).result()


def _plain(value: object) -> str:
    return value if isinstance(value, str) else label(value)


def _second(state: object) -> float:
    return 1.0


class _Diagram:
    """One run, and what was seen of it."""

    def __init__(
        self,
        operator: Callable[..., Any],
        inputs: Sequence[tuple[list[Timed], float]],
        show: Callable[[Any], object] | None,
        options: dict[str, Any],
    ) -> None:
        self._inputs = inputs
        self._show = show or _plain
        self._queues: list[MemoryQueue[Any]] = [memory_queue(**options) for _ in inputs]
        self._pipeline = operator(*self._queues) | _Sink(self._came)
        self._out: list[Mark] = []
        self._acks: list[list[Mark]] = [[] for _ in inputs]

    async def draw(self, title: str) -> Marbles:
        """Run, and return the lines."""
        handle = self._pipeline.start(timeout=MOST_SECONDS)
        feeders = [
            asyncio.create_task(_feed(queue, *played))
            for queue, played in zip(self._queues, self._inputs, strict=True)
        ]
        watcher = asyncio.create_task(self._watch())
        try:
            await handle
        finally:
            for task in (watcher, *feeders):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._look()
        return self._lines(title)

    def _lines(self, title: str) -> Marbles:
        ins = zip(self._names("in"), self._inputs, strict=True)
        acks = zip(self._names("acks"), self._acks, strict=True)
        return Marbles(
            title,
            tuple(Track(name, tuple(starmap(self._mark, vs)), end) for name, (vs, end) in ins),
            Track("out", tuple(self._out), _now()),
            tuple(Track(name, tuple(marks)) for name, marks in acks),
        )

    def _names(self, name: str) -> list[str]:
        count = len(self._inputs)
        return [name] if count == 1 else [f"{name} {number + 1}" for number in range(count)]

    def _mark(self, at: float, value: Any) -> Mark:
        return Mark(at, printable(str(self._show(value)), LONGEST))

    def _came(self, values: Sequence[Any]) -> None:
        self._out += [self._mark(_now(), value) for value in values]

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(OFTEN)

    def _look(self) -> None:
        """Note what was settled since the last look."""
        for queue, marks in zip(self._queues, self._acks, strict=True):
            for verb, value in queue.settlements[len(marks) :]:
                marks.append(Mark(_now(), self._mark(0, value).label, verb))


class _Sink:
    """Accepts everything, and tells of it."""

    def __init__(self, came: Callable[[Sequence[Any]], None]) -> None:
        self._came = came

    async def open(self) -> None:
        pass

    async def write(self, items: Sequence[Any]) -> None:
        self._came(items)

    async def close(self) -> None:
        pass


async def _feed(queue: MemoryQueue[Any], values: list[Timed], end: float) -> None:
    loop = asyncio.get_running_loop()
    for at, value in values:
        await asyncio.sleep(at - loop.time())
        queue.put(value)
    await asyncio.sleep(end - loop.time())
    queue.close()


def _now() -> float:
    """Return the time as it is drawn."""
    return floor(asyncio.get_running_loop().time() * GRAIN + 1e-6) / GRAIN


def _read(played: str | Iterable[Timed]) -> tuple[list[Timed], float]:
    """Return values with their seconds, and when they end."""
    if isinstance(played, str):
        return _spelled(played)
    try:
        values = [(float(at), value) for at, value in played]
    except (TypeError, ValueError):
        values = [(-1.0, None)]
    times = [at for at, _ in values]
    if times != sorted(times) or not all(at == 0 or is_duration(at) for at in times):
        raise ValueError(
            f"{CALL}(*inputs): must be pairs of a second, from 0 up and in order, and a value, "
            f'got {shown(played)}; [(0, "a"), (1.5, "b")] are two, and "a-b|" is a text of two'
        )
    return values, floor(max(times, default=-1.0)) + 1.0


def _spelled(text: str) -> tuple[list[Timed], float]:
    """Read a text with a character for each second."""
    line, _, rest = text.partition("|")
    if rest or not all(each == "-" or (each.isascii() and each.isalnum()) for each in line):
        raise ValueError(
            f"{CALL}(*inputs): a text must be of digits and letters, - where nothing comes, and | at "
            f'its end, got {shown(text)}; pairs such as [(0, "ab"), (1.5, "c")] say other values'
        )
    values = [
        (float(at), int(each) if each.isdecimal() else each)
        for at, each in enumerate(line)
        if each != "-"
    ]
    return values, float(len(line))
