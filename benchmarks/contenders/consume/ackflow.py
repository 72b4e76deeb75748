"""ackflow: a queue into a sink that counts."""

import asyncio

from ackflow import sinks, streams
from benchmarks.contenders import drivers  # noqa: F401
from benchmarks.contenders.task import Task, measured


async def work(task: Task) -> None:
    """Take and ack every message."""
    queue = streams.amqp.queue(task.queue, url=task.amqp, prefetch=task.prefetch)
    assert await (queue | sinks.count()).start(limit=task.messages) == task.messages


if __name__ == "__main__":
    asyncio.run(measured(work))
