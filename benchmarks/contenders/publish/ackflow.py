"""ackflow: bodies into `sinks.amqp.publish`."""

import asyncio

from ackflow import sinks, streams
from benchmarks.contenders import drivers  # noqa: F401
from benchmarks.contenders.task import Task, measured


async def work(task: Task) -> None:
    """Publish every body; accepted is what the broker has confirmed."""
    bodies = (b"%0*d" % (task.size, number) for number in range(task.messages))
    publish = sinks.amqp.publish(task.amqp, routing_key=task.queue)
    pipeline = streams.from_iterable(bodies) | publish
    await pipeline
    assert pipeline.summary.accepted == task.messages


if __name__ == "__main__":
    asyncio.run(measured(work))
