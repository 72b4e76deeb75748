"""What tests against a broker share: a second client to look with, a proxy to cut with, sinks."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from ackflow.streams.core import Sink, Summary

WITHIN = 30.0
"""Seconds that anything may take before the test fails."""


def unique(name: str) -> str:
    """Name a queue that no other test uses."""
    return f"{name}-{secrets.token_hex(4)}"


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    """Open a channel of the test's own."""
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def declare(url: str, queue: str, **arguments: Any) -> None:
    """Declare a durable queue."""
    async with channel(url) as own:
        await own.queue_declare(queue, durable=True, arguments=arguments)


async def fill(
    url: str, queue: str, bodies: Iterable[bytes], properties: Basic.Properties | None = None
) -> None:
    """Publish persistent messages to a queue; return when the broker has confirmed them."""
    connection = await aiormq.connect(url)
    try:
        own = await connection.channel(publisher_confirms=False)
        for body in bodies:
            await own.basic_publish(
                body,
                routing_key=queue,
                properties=properties or Basic.Properties(delivery_mode=2),
                wait=False,
            )
        # The broker works through a channel in order: this answer comes after all of them.
        await own.queue_declare(queue, passive=True)
    finally:
        await connection.close()


async def ready(url: str, queue: str) -> int:
    """Return how many messages wait in a queue."""
    async with channel(url) as own:
        answer = await own.queue_declare(queue, passive=True)
        return answer.message_count or 0


async def take(url: str, queue: str) -> list[DeliveredMessage]:
    """Take all messages out of a queue."""
    taken: list[DeliveredMessage] = []

    async def keep(message: DeliveredMessage) -> None:
        taken.append(message)

    async with channel(url) as own:
        count = (await own.queue_declare(queue, passive=True)).message_count or 0
        if count:
            await own.basic_consume(queue, keep, no_ack=True)
            await eventually(lambda: len(taken) >= count)
    return taken


async def eventually(check: Callable[[], Any], within: float = WITHIN) -> Any:
    """Return what a check, sync or async, returns once it is true; fail after a while."""
    async with asyncio.timeout(within):
        while True:
            answer = check()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(0.02)


class Collect(Sink[Any, Summary]):
    """Keeps what it is given; `on` is called with each element before, and may raise or wait."""

    name = "collect"

    def __init__(
        self, on: Callable[[Any], Awaitable[None] | None] | None = None, *, max_items: int = 1000
    ) -> None:
        self.items: list[Any] = []
        self.max_items = max_items if on is None else 1
        self._on = on

    async def write(self, items: Sequence[Any]) -> None:
        for item in items:
            if self._on is not None and (waiting := self._on(item)) is not None:
                await waiting
        self.items.extend(items)
