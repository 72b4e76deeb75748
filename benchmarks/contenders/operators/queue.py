"""ackflow from a queue in memory, which is a broker too: it hands out, keeps, and takes acks.

The integers are in the queue before the clock starts; its history is off, since a broker keeps none.
"""

import asyncio
from collections.abc import Awaitable

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.task import repeated

PREFETCH = 4096


def work(items: int) -> Awaitable[tuple[int, int]]:
    """Fill a queue; return the run that empties it."""
    queue = streams.memory.queue(range(items), prefetch=PREFETCH, history=False)
    queue.close()
    return run(queue, items)


async def run(queue: streams.memory.MemoryQueue[int], items: int) -> tuple[int, int]:
    """Run, and see that every integer was acked once."""
    pipeline = (
        queue
        | op.map(increased)
        | op.filter(even)
        | op.chunk(CHUNK)
        | sinks.fold(lambda total, chunk: (total[0] + 1, total[1] + sum(chunk)), (0, 0))
    )
    result: tuple[int, int] = await pipeline
    assert pipeline.summary.acked == pipeline.summary.delivered == items, pipeline.summary
    assert not queue.unsettled
    assert not queue.ready
    return result


if __name__ == "__main__":
    asyncio.run(repeated(work))
