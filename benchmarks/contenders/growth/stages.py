"""A queue in memory through so many `map`s, one after the other."""

import asyncio
from collections.abc import Awaitable

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders.operators import increased
from benchmarks.contenders.operators.queue import PREFETCH
from benchmarks.contenders.task import given, repeated


def work(items: int) -> Awaitable[int]:
    """Fill a queue; return the run that empties it."""
    queue = streams.memory.queue(range(items), prefetch=PREFETCH, history=False)
    queue.close()
    maps = op.pipe(*(op.map(increased) for _ in range(given().stages)))
    return run(queue | maps | sinks.count())


async def run(pipeline: Awaitable[int]) -> int:
    """Run."""
    return await pipeline


if __name__ == "__main__":
    asyncio.run(repeated(work, 100_000))
