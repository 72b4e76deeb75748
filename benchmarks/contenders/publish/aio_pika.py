"""aio-pika: `exchange.publish` with confirms, 500 of them waited for at once.

https://docs.aio-pika.com/patterns/helpers.html and rabbitmq-tutorial/7-publisher-confirms.html, whose
"Strategy #2" publishes in batches.
"""

import asyncio

import aio_pika
from aio_pika.abc import AbstractExchange

from benchmarks.contenders.task import Task, measured

IN_FLIGHT = 500


async def work(task: Task) -> None:
    """Publish every body, with at most 500 confirms outstanding."""
    connection = await aio_pika.connect_robust(task.amqp)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = channel.default_exchange
        for start in range(0, task.messages, IN_FLIGHT):
            numbers = range(start, min(start + IN_FLIGHT, task.messages))
            await asyncio.gather(*(publish(exchange, task, number) for number in numbers))


async def publish(exchange: AbstractExchange, task: Task, number: int) -> None:
    """Publish one body and wait for its confirm."""
    message = aio_pika.Message(
        b"%0*d" % (task.size, number), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
    )
    await exchange.publish(message, routing_key=task.queue)


if __name__ == "__main__":
    asyncio.run(measured(work))
