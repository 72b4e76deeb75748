"""aio-pika's queue iterator and elasticsearch-py's helpers.async_bulk, as their documentation says.

https://docs.aio-pika.com/quick-start.html, "Simple consumer"
https://elasticsearch-py.readthedocs.io/en/stable/async.html#bulk-and-streaming-bulk
"""

import asyncio

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
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
            await consume(await channel.get_queue(task.queue), client, task)
    finally:
        await client.close()


async def consume(queue: AbstractQueue, client: AsyncElasticsearch, task: Task) -> None:
    """Collect 256 messages, index them in one bulk, ack each, and so on."""
    buffer: list[AbstractIncomingMessage] = []
    done = 0
    async with queue.iterator() as messages:
        async for message in messages:
            buffer.append(message)
            if len(buffer) >= task.chunk or done + len(buffer) == task.messages:
                await async_bulk(client, actions((m.body for m in buffer), task.index))
                for indexed in buffer:
                    await indexed.ack()
                done += len(buffer)
                buffer.clear()
            if done == task.messages:
                return


if __name__ == "__main__":
    asyncio.run(measured(work))
