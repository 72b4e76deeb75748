"""A queue in memory that is filled while it is emptied: time has to be linear, memory flat."""

import asyncio

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.operators.queue import PREFETCH
from benchmarks.contenders.task import Task, measured

RUN = 1000


async def work(task: Task) -> None:
    """Put messages into the queue, and run what takes them out."""
    queue = streams.memory.queue(list[int](), prefetch=PREFETCH, history=False)
    steps = op.map(increased) | op.filter(even) | op.chunk(CHUNK)
    pipeline = queue | steps | sinks.count()
    running = pipeline.start()
    for start in range(0, task.messages, RUN):
        await queue.room()
        queue.put(*range(start, min(start + RUN, task.messages)))
    queue.close()
    await running
    assert pipeline.summary.acked == task.messages, pipeline.summary


if __name__ == "__main__":
    asyncio.run(measured(work))
