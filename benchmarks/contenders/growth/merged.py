"""So many queues of RabbitMQ merged into one stream."""

import asyncio

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders import drivers  # noqa: F401
from benchmarks.contenders.task import Task, measured


async def work(task: Task) -> None:
    """Take and ack every message."""
    first, *others = (
        streams.amqp.queue(f"{task.queue}.{number}", url=task.amqp, prefetch=task.prefetch)
        for number in range(task.queues)
    )
    merged = first | op.merge(*others) if others else first
    assert await (merged | op.take(task.messages) | sinks.count()) == task.messages


if __name__ == "__main__":
    asyncio.run(measured(work))
