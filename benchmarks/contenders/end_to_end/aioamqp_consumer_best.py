"""aioamqp-consumer-best 2.4.0: ToBulks and ProcessBulk, and helpers.async_bulk in it.

As the "Usage" of its own description says.
Its clock stops with the last bulk; the acks of that one come after.
"""

import asyncio
from urllib.parse import urlsplit

from aioamqp_consumer_best import (
    ConnectionParams,
    Consumer,
    Message,
    ProcessBulk,
    Queue,
    ToBulks,
)
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from benchmarks.contenders.actions import actions
from benchmarks.contenders.task import Stopwatch, given


async def main() -> None:
    """Index every message; the library acks each."""
    task, watch, done = given(), Stopwatch(), asyncio.Event()
    client = AsyncElasticsearch(task.elasticsearch)
    left = task.messages

    async def index(messages: list[Message[bytes]]) -> None:
        nonlocal left
        await async_bulk(client, actions((m.body for m in messages), task.index))
        left -= len(messages)
        if not left:
            watch.stop()
            done.set()

    parts = urlsplit(task.amqp)
    assert parts.hostname
    assert parts.port
    # Not from_string, which takes the path "/" for a vhost without a name.
    address = ConnectionParams(parts.hostname, parts.port)
    consumer = Consumer(
        middleware=ToBulks(max_bulk_size=task.chunk, bulk_timeout=1.0) | ProcessBulk(index),
        prefetch_count=task.prefetch,
        queue=Queue(name=task.queue),
        connection_params=[address],
    )
    with watch:
        running = asyncio.create_task(consumer.start())
        await done.wait()
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.wait([running])
    await client.close()
    watch.report()


if __name__ == "__main__":
    asyncio.run(main())
