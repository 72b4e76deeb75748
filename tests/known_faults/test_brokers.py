"""Faults that others have with a real broker after a reconnect. Each comment names whose, and where."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from ackflow import streams
from ackflow.streams.core import Sink, Summary
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, eventually, fill, ready, unique


class Stuck(Sink[Any, Summary]):
    """A sink whose writes never come back."""

    name = "stuck"

    async def write(self, items: Any) -> None:
        await asyncio.Event().wait()


# SmallRye (smallrye#2084): prefetch was not set again on the channel of a reconnect, so that the whole
# queue came in.
async def test_prefetch_holds_on_every_new_connection(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("prefetch"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"x"] * 50)
    run = (streams.amqp.queue(queue, url=url, prefetch=7) | Stuck()).start()
    for _ in range(3):
        await eventually(lambda: _is_left(url, queue, 43))
        await _cut(rabbitmq, run)
    await eventually(lambda: _is_left(url, queue, 43))
    await asyncio.sleep(0.5)  # what should not come has no event
    assert await ready(url, queue) == 43
    await run.abort()


async def _cut(rabbitmq: RabbitMQ, run: Any) -> None:
    """Close all connections; return once the loss was noticed."""
    before = run.stats().reconnects
    await asyncio.to_thread(rabbitmq.close_connections)
    await eventually(lambda: run.stats().reconnects > before)


async def _is_left(url: str, queue: str, count: int) -> bool:
    return await ready(url, queue) == count


# SmallRye RabbitMQ (ClientHolder.java:71), node-amqp-connection-manager#297, rabbitmq-dotnet-client#200:
# tags of an old channel, sent over the new one, settle strangers or close it with 406.
async def test_old_tags_never_reach_a_real_broker(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    queue, url = unique("stale"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"a", b"b"])
    source: Any = streams.amqp.queue(queue, url=url, prefetch=10)
    async with aclosing(source.messages()) as messages:
        old = [await anext(messages) for _ in range(2)]
        await asyncio.to_thread(rabbitmq.close_connections)
        new = [await anext(messages) for _ in range(2)]
        for message in old:
            message.ack()
        await asyncio.sleep(0.5)  # longer than an ack waits for others
        for message in new:
            message.requeue()
    assert await ready(url, queue) == 2
    assert "PRECONDITION_FAILED" not in caplog.text
