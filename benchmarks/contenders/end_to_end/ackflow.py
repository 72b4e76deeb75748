"""ackflow: the pipeline of the README."""

import asyncio

import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders import drivers  # noqa: F401
from benchmarks.contenders.task import Task, measured


async def work(task: Task) -> None:
    """Index and ack every message."""
    pipeline = (
        streams.amqp.queue(task.queue, url=task.amqp, prefetch=task.prefetch)
        | op.map(orjson.loads)
        | op.chunk(task.chunk, timeout=1.0)
        | sinks.elasticsearch.bulk(task.elasticsearch, index=task.index, id="word")
    )
    await pipeline.start(limit=task.messages)


if __name__ == "__main__":
    asyncio.run(measured(work))
