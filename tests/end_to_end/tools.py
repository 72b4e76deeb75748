"""What the end-to-end tests share: a producer, and questions to the servers."""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import aio_pika
import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from tests.servers.rabbitmq import RabbitMQ

_numbers = itertools.count(1)

WITHIN = 60.0
"""Seconds that anything may take here before the test gives up."""


def fresh(name: str) -> str:
    """Return a name that no other test uses."""
    return f"{name}-{next(_numbers)}"


def document(number: int) -> bytes:
    """Return the body of a message."""
    return orjson.dumps({"word": f"word{number}", "n": number})


async def fill(server: RabbitMQ, queue: str, bodies: Iterable[bytes]) -> None:
    """Declare a durable classic queue and publish to it, with confirms."""
    await streams.amqp.declare(queue, url=server.url, declare="classic")
    sink = sinks.amqp.publish(server.url, routing_key=queue)
    await (streams.from_iterable(bodies) | op.chunk(500) | sink)


async def left(server: RabbitMQ, queue: str) -> tuple[int, int]:
    """Return how many messages of a queue are ready, and how many unacked."""
    return (await asyncio.to_thread(server.list_queues))[queue]


async def ready(server: RabbitMQ, queue: str) -> int:
    """Return how many messages of a queue are ready; a quorum queue tells `left` only every 5 s."""
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds, for a bounded time."""
    async with asyncio.timeout(WITHIN):
        while not (found := condition()):
            await asyncio.sleep(0.02)  # a server's state has no event
    assert found, what
    return found
