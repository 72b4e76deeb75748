"""ackflow, tracked: every integer is a delivery of a queue, and has to be acked."""

import asyncio
import operator
from collections.abc import Awaitable

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders.map_async import LIMIT, call
from benchmarks.contenders.task import repeated


def work(items: int) -> Awaitable[int]:
    """Fill a queue; return the run that empties it."""
    queue = streams.memory.queue(range(items), history=False)
    queue.close()
    return run(queue, items)


async def run(queue: streams.memory.MemoryQueue[int], items: int) -> int:
    """Run, and see that every integer was acked once."""
    add = sinks.fold(operator.add, 0)
    pipeline = queue | op.map_async(call, concurrency=LIMIT) | add
    result: int = await pipeline
    assert pipeline.summary.acked == pipeline.summary.delivered == items, pipeline.summary
    assert not queue.unsettled
    assert not queue.ready
    return result


if __name__ == "__main__":
    asyncio.run(repeated(work))
