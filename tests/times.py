"""Values that come at given times, and when what is made of them comes out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any

from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message
from ackflow.streams.testing import run

Timed = list[tuple[float, int]]
Arrivals = list[tuple[float, list[int]]]


def now() -> float:
    return asyncio.get_running_loop().time()


def stamp(value: Any) -> tuple[float, Any]:
    return now(), value


def arrive(arrivals: Sequence[tuple[float, Sequence[Any]]]) -> Any:
    """A stream of these runs, each at its time."""

    async def lists() -> AsyncIterator[list[Any]]:
        for time, values in arrivals:
            if time > now():
                await asyncio.sleep(time - now())
            yield list(values)

    return streams.from_lists(lists, name="arrive")


def numbered(gaps: Sequence[tuple[float, int]]) -> Arrivals:
    """Runs of so many numbers, each so long after the one before."""
    numbers, time, arrivals = count(), 0.0, []
    for gap, size in gaps:
        time += gap
        arrivals.append((time, [next(numbers) for _ in range(size)]))
    return arrivals


def singly(arrivals: Arrivals) -> Timed:
    return [(time, value) for time, values in arrivals for value in values]


# Fractions of a power of two: floats are exact, so that times can be compared by ==.
GAPS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.5)
schedules = st.lists(st.tuples(st.sampled_from(GAPS), st.integers(1, 3)), max_size=12).map(numbered)


def came_out(arrivals: Arrivals, operator: Any) -> Timed:
    """Run values through an operator; return what came out and when."""

    async def main() -> Timed:
        result: Timed = await (arrive(arrivals) | operator | op.map(stamp) | sinks.to_list())
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    found: Timed = run(main())
    return found


@op.operator(holds=1)
async def held(messages: AsyncIterator[Message[Any]]) -> AsyncIterator[Message[Any]]:
    """Put every message off by 10 s, whatever becomes of its connection."""
    async for message in messages:
        await asyncio.sleep(10)
        yield message
