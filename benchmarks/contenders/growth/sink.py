"""Chunks of 256 into a sink whose writes take a while, 8 of them at once."""

import asyncio

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders.task import Stopwatch, given

CONCURRENCY = 8


async def main() -> None:
    """Empty a queue in memory."""
    task = given()
    queue = streams.memory.queue(range(task.messages), history=False)
    queue.close()

    async def write(chunk: list[int]) -> None:
        await asyncio.sleep(task.latency)

    pipeline = queue | op.chunk(task.chunk) | sinks.each(write, concurrency=CONCURRENCY)
    with Stopwatch() as watch:
        await pipeline
    assert pipeline.summary.accepted == task.messages, pipeline.summary
    watch.report()


if __name__ == "__main__":
    asyncio.run(main())
