"""aio-pika: as many messages as prefetch lets out, in a list and not settled."""

import asyncio

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.contenders.memory import WARM, resident
from benchmarks.contenders.task import Stopwatch, given


async def buffered(url: str, name: str, count: int) -> int:
    """Take so many messages; return what is resident while all of them are held."""
    held: list[AbstractIncomingMessage] = []
    connection = await aio_pika.connect_robust(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=count)
        queue = await channel.get_queue(name)
        async with queue.iterator() as messages:
            async for message in messages:
                held.append(message)
                if len(held) == count:
                    break
            found = resident()
            for message in held:
                await message.ack()
    return found


async def main() -> None:
    """Look at memory with few messages, and with all of them."""
    task = given()
    with Stopwatch() as watch:
        before = await buffered(task.amqp, f"{task.queue}.warm", WARM)
        after = await buffered(task.amqp, task.queue, task.messages)
    watch.report(bytes=(after - before) / task.messages)


if __name__ == "__main__":
    asyncio.run(main())
