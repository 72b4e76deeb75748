"""Publish a task's messages: 30 bytes each, persistent, to a durable classic queue."""

import asyncio

import aio_pika
import orjson

from benchmarks.contenders.task import given

WINDOW = 500
"""Confirms that are waited for at once."""


async def main() -> None:
    """Publish with confirms, a window at a time."""
    task = given()
    connection = await aio_pika.connect(task.amqp)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(task.queue, durable=True)
        for start in range(0, task.messages, WINDOW):
            numbers = range(start, min(start + WINDOW, task.messages))
            await asyncio.gather(*(publish(channel, task.queue, n) for n in numbers))


async def publish(channel: aio_pika.abc.AbstractChannel, queue: str, number: int) -> None:
    """Publish one message."""
    body = orjson.dumps({"word": f"word{number}", "n": number})
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, routing_key=queue)


if __name__ == "__main__":
    asyncio.run(main())
