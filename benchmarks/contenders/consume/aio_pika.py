"""aio-pika's queue iterator, an ack each.

https://docs.aio-pika.com/quick-start.html, "Simple consumer"
"""

import asyncio

import aio_pika

from benchmarks.contenders.task import Task, measured


async def work(task: Task) -> None:
    """Take and ack every message."""
    connection = await aio_pika.connect_robust(task.amqp)
    left = task.messages
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=task.prefetch)
        queue = await channel.get_queue(task.queue)
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                left -= 1
                if not left:
                    return


if __name__ == "__main__":
    asyncio.run(measured(work))
