"""What laws expect, said so that a failing one tells what to look at."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from ackflow.streams.core import describe
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.testing.assertions import assert_closed, difference


def expect(holds: bool, otherwise: str) -> None:
    """Raise AssertionError unless something holds."""
    if not holds:
        raise AssertionError(otherwise)


def expect_values(
    name: str, actual: Sequence[Any], expected: Sequence[Any], *, in_order: bool = True
) -> None:
    """Raise AssertionError, with the difference, unless the values are those expected."""
    text = difference(name, actual, expected, in_order)
    expect(not text, text)


def expect_among(name: str, part: Iterable[Any], whole: Iterable[Any]) -> None:
    """Raise AssertionError unless each value of `part` is in `whole`, as often."""
    missing = counted(part) - counted(whole)
    expect(not missing, f"{name}: {', '.join(missing.elements())}")


def counted(values: Iterable[Any]) -> Counter[str]:
    """Count values by how they read: they need be neither hashable nor comparable."""
    return Counter(map(repr, values))


def expect_conserved(queue: MemoryQueue[Any], values: Sequence[Any]) -> None:
    """Each message was acked or is back in the queue; none was rejected, lost or doubled."""
    expect_values("acked and ready", [*queue.acked, *queue.ready], values, in_order=False)
    expect_values("rejected", queue.rejected, [])


async def at_any_turn(attempt: Callable[[int], Awaitable[bool]]) -> None:
    """Have a run cancelled at the first turn of the loop, at the second, and so on.

    `attempt` is given the turn, and says whether the run had ended before.
    """
    for turn in count(1):
        try:
            if await attempt(turn):
                return
        except Exception as error:
            text = str(error) if isinstance(error, AssertionError) else describe(error)
            raise AssertionError(f"cancelled at turn {turn} of the loop: {text}") from error


@asynccontextmanager
async def leaving_nothing(*queues: MemoryQueue[Any]) -> AsyncIterator[None]:
    """Expect that what runs within leaves no task, no channel and no async generator behind.

    A generator that only the garbage collector would close is one that was not closed.
    """
    hooks = sys.get_asyncgen_hooks()
    before = asyncio.all_tasks()
    started: list[Any] = []

    def first(generator: Any) -> None:
        started.append(generator)
        if hooks.firstiter is not None:
            hooks.firstiter(generator)

    sys.set_asyncgen_hooks(firstiter=first, finalizer=hooks.finalizer)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert_closed(*queues, tasks=before)
    left = [generator.__qualname__ for generator in started if generator.ag_frame is not None]
    expect(not left, f"async generators not closed: {', '.join(left)}")
