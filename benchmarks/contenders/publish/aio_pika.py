"""aio-pika: `exchange.publish` with confirms, 500 of them waited for at once.

https://docs.aio-pika.com/rabbitmq-tutorial/7-publisher-confirms.html, "Strategy #3", a task for each
message; the semaphore keeps 500 of them under way at any time.
"""

import asyncio

import aio_pika
from aio_pika.abc import AbstractExchange

from benchmarks.contenders.task import Task, measured

IN_FLIGHT = 500


async def work(task: Task) -> None:
    """Publish every body, with at most 500 confirms outstanding."""
    connection = await aio_pika.connect_robust(task.amqp)
    places = asyncio.Semaphore(IN_FLIGHT)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = channel.default_exchange
        async with asyncio.TaskGroup() as group:
            for number in range(task.messages):
                await places.acquire()
                group.create_task(publish(exchange, task, number, places))


async def publish(
    exchange: AbstractExchange, task: Task, number: int, places: asyncio.Semaphore
) -> None:
    """Publish one body, wait for its confirm, and make room for the next one."""
    message = aio_pika.Message(
        b"%0*d" % (task.size, number), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
    )
    await exchange.publish(message, routing_key=task.queue)
    places.release()


if __name__ == "__main__":
    asyncio.run(measured(work))
