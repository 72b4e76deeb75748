"""No task for each item: a plain pipeline runs in a few tasks, however many messages there are."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import amqp
from ackflow.streams.amqp import choice
from ackflow.streams.testing import FakeElasticsearch
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, fill, ready, unique

MANY = 10_000
SIZE = 250
CHUNKS = MANY // SIZE


@contextmanager
def counted() -> Iterator[list[str]]:
    """Note each task that is made."""
    made: list[str] = []

    def make(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        made.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(make)
    try:
        yield made
    finally:
        loop.set_task_factory(before)


async def test_tasks_are_counted() -> None:
    queue = streams.memory.queue(range(100), history=False)
    queue.close()
    with counted() as made:
        await (queue | op.map_async(lambda _: asyncio.sleep(0)) | sinks.count())
    assert len(made) >= 100


async def test_in_memory() -> None:
    queue = streams.memory.queue(range(MANY), history=False, prefetch=1000)
    queue.close()
    parts = op.map(str) | op.filter(bool) | op.flat_map(lambda text: [text]) | op.chunk(SIZE)
    with counted() as made:
        assert await (queue | parts | op.unchunk() | sinks.count()) == MANY
    assert len(made) < 2 * CHUNKS


@pytest.mark.servers
async def test_from_rabbitmq_into_elasticsearch(
    rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiormq itself makes a task for each delivery, so the plain way has them."""
    monkeypatch.setenv(choice.VARIABLE, "wire")
    name = unique("tasks")
    await declare(rabbitmq.url, name)
    await fill(rabbitmq.url, name, (b'{"word":"w%d"}' % number for number in range(MANY)))
    queue = amqp.queue(name, url=rabbitmq.url, prefetch=1000, until_idle=0.5)
    async with FakeElasticsearch() as server:
        bulk = sinks.elasticsearch.bulk(server.url, index="words", id="word")
        with counted() as made:
            summary = await (queue | op.map(orjson.loads) | op.chunk(SIZE) | bulk)
    assert summary.accepted == MANY
    # The fake's own task for each request is among them.
    assert len(made) < MANY / 10, made[-20:]


@pytest.mark.servers
async def test_into_rabbitmq(rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "wire")
    name = unique("tasks")
    await declare(rabbitmq.url, name)
    with counted() as made:
        sink = sinks.amqp.publish(rabbitmq.url, routing_key=name)
        await (streams.from_iterable(b"%d" % number for number in range(MANY)) | sink)
    assert await ready(rabbitmq.url, name) == MANY
    assert len(made) < MANY / 10, made[-20:]
