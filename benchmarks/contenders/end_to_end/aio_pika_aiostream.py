"""aio-pika's queue iterator, aiostream's chunks and helpers.async_bulk.

https://docs.aio-pika.com/quick-start.html, "Simple consumer"
https://aiostream.readthedocs.io/en/stable/operators.html#aiostream.stream.chunks
"""

import asyncio

import aio_pika
from aiostream import pipe, stream
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from benchmarks.contenders.actions import actions
from benchmarks.contenders.task import Task, measured


async def work(task: Task) -> None:
    """Index and ack every message."""
    client = AsyncElasticsearch(task.elasticsearch)
    connection = await aio_pika.connect_robust(task.amqp)
    try:
        async with connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=task.prefetch)
            queue = await channel.get_queue(task.queue)
            async with queue.iterator() as messages:
                taken = stream.iterate(messages) | pipe.take(task.messages)
                async with (taken | pipe.chunks(task.chunk)).stream() as chunks:
                    async for chunk in chunks:
                        await async_bulk(client, actions((m.body for m in chunk), task.index))
                        for message in chunk:
                            await message.ack()
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(measured(work))
