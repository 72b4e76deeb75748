"""aio-pika's queue iterator and elasticsearch-py's helpers.async_bulk, as their documentation says.

https://docs.aio-pika.com/quick-start.html, "Simple consumer"
https://elasticsearch-py.readthedocs.io/en/stable/async.html#bulk-and-streaming-bulk
"""

import asyncio
import json
from typing import Any

import aio_pika
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

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


async def consume(queue: Any, client: AsyncElasticsearch, task: Task) -> None:
    """Collect 256 messages, index them in one bulk, ack each, and so on."""
    buffer: list[Any] = []
    done = 0
    async with queue.iterator() as messages:
        async for message in messages:
            buffer.append(message)
            if len(buffer) >= task.chunk or done + len(buffer) == task.messages:
                await async_bulk(client, actions(buffer, task.index))
                for indexed in buffer:
                    await indexed.ack()
                done += len(buffer)
                buffer.clear()
            if done == task.messages:
                return


def actions(messages: list[Any], index: str) -> list[dict[str, Any]]:
    """Return the bulk actions for messages."""
    documents = [json.loads(message.body) for message in messages]
    return [{"_index": index, "_id": d["word"], "_source": d} for d in documents]


if __name__ == "__main__":
    asyncio.run(measured(work))
