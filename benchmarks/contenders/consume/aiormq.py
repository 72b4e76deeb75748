"""aiormq's callback, one ack for every 256 messages.

https://github.com/mosquito/aiormq, "Simple consumer"
"""

import asyncio

import aiormq
from aiormq.abc import DeliveredMessage

from benchmarks.contenders.task import Task, measured


async def work(task: Task) -> None:
    """Take every message, and ack 256 at a time."""
    connection = await aiormq.connect(task.amqp)
    channel = await connection.channel()
    await channel.basic_qos(prefetch_count=task.prefetch)
    done = asyncio.get_running_loop().create_future()
    taken = 0

    async def on_message(message: DeliveredMessage) -> None:
        nonlocal taken
        taken += 1
        if taken % task.chunk == 0 or taken == task.messages:
            assert message.delivery_tag is not None
            await channel.basic_ack(message.delivery_tag, multiple=True, wait=False)
        if taken == task.messages:
            done.set_result(None)

    await channel.basic_consume(task.queue, on_message)
    await done
    await connection.close()


if __name__ == "__main__":
    asyncio.run(measured(work))
