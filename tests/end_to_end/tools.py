"""What the end-to-end tests share: a producer, and questions to the servers."""

import asyncio
import itertools
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal, Self

import aio_pika
import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from tests.servers.rabbitmq import RabbitMQ

_numbers = itertools.count(1)

KINDS = ["classic", "quorum"]
"""The types of queue; a quorum queue counts how often it hands a message out."""

WITHIN = 60.0
"""Seconds that anything may take here before the test gives up."""


def fresh(name: str) -> str:
    """Return a name that no other test uses."""
    return f"{name}-{next(_numbers)}"


def document(number: int) -> bytes:
    """Return the body of a message."""
    return orjson.dumps({"word": f"word{number}", "n": number})


async def fill(
    server: RabbitMQ,
    queue: str,
    bodies: Iterable[bytes],
    declare: Literal["classic", "quorum"] | streams.amqp.Declare = "classic",
) -> None:
    """Declare a durable queue and publish to it, with confirms."""
    await streams.amqp.declare(queue, url=server.url, declare=declare)
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


async def until_ready(server: RabbitMQ, expected: dict[str, int]) -> None:
    """Wait until each of some queues, of which some may not be there yet, has so many messages."""
    found: dict[str, int] = {}
    async with asyncio.timeout(WITHIN):
        while found != expected:
            await asyncio.sleep(0.05)  # a queue's length has no event
            for queue in expected:
                with suppress(aio_pika.exceptions.ChannelNotFoundEntity):
                    found[queue] = await ready(server, queue)


async def taken(server: RabbitMQ, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """Take out, with another client, what is in a queue."""
    found = []
    async with await aio_pika.connect(server.url) as connection:
        own = await (await connection.channel()).get_queue(queue)
        while (message := await own.get(no_ack=True, fail=False)) is not None:
            found.append(message)
    return found


async def until(condition: Callable[[], Any], what: str, within: float = WITHIN) -> Any:
    """Wait until a condition holds, for a bounded time."""
    async with asyncio.timeout(within):
        while not (found := condition()):
            await asyncio.sleep(0.02)  # a server's state has no event
    assert found, what
    return found


class Worker:
    """A pipeline in a process of its own (`worker.py`) that is started again whenever it ends.

    Example:
        async with Worker(url=rabbitmq.url, queue="words", log=str(path)) as worker:
            await until(lambda: worker.starts > 1, "it has died")

    """

    def __init__(self, **settings: Any) -> None:
        self.starts = 0
        self.process: asyncio.subprocess.Process | None = None
        self._command = [sys.executable, "-m", "tests.end_to_end.worker", json.dumps(settings)]
        self._restarting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._restarting = asyncio.create_task(self._restart())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._restarting is not None
        self._restarting.cancel()
        with suppress(asyncio.CancelledError):
            await self._restarting
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def _restart(self) -> None:
        while True:
            self.process = await asyncio.create_subprocess_exec(*self._command)
            self.starts += 1
            await self.process.wait()

    def kill(self) -> None:
        """End the process as a crash would; it is started again."""
        assert self.process is not None
        self.process.kill()
