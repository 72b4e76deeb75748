"""Elasticsearch or the broker goes away: nothing is lost, nothing is rejected, it goes on."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from tests.end_to_end.tools import WITHIN, document, fill, fresh, left, until
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ


def words(amqp: RabbitMQ, queue: str, url: str, index: str, **settings: Any) -> Any:
    return (
        streams.amqp.queue(queue, url=amqp.url, prefetch=512, until_idle=2.0)
        | op.map(orjson.loads)
        | op.chunk(256, timeout=1.0)
        | sinks.elasticsearch.bulk(url, index=index, id="word", **settings)
    )


async def test_elasticsearch_down_at_start_and_in_the_middle(
    rabbitmq: RabbitMQ, own_elasticsearch: Elasticsearch
) -> None:
    queue, index, messages = fresh("down"), fresh("down"), 30_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    await asyncio.to_thread(own_elasticsearch.stop)
    pipeline = words(rabbitmq, queue, own_elasticsearch.url, index)
    handle = pipeline.start()
    await until(lambda: handle.state.startswith("halted: elasticsearch.bulk"), "halted at start")
    await asyncio.to_thread(own_elasticsearch.start)
    await until(lambda: handle.stats().accepted > 1_000, "indexing")
    await asyncio.to_thread(own_elasticsearch.kill)
    await until(lambda: handle.state.startswith("halted: elasticsearch.bulk"), "halted again")
    await asyncio.to_thread(own_elasticsearch.start)
    async with asyncio.timeout(2 * WITHIN):
        summary = await handle
    assert own_elasticsearch.count(index) == messages
    assert summary.accepted == messages
    assert summary.rejected == summary.requeued == 0
    assert await left(rabbitmq, queue) == (0, 0)


async def test_401_and_403_halt_and_resume_when_they_are_mended(
    rabbitmq: RabbitMQ, make_elasticsearch: Callable[..., Elasticsearch]
) -> None:
    search = make_elasticsearch(security=True)
    queue, messages = fresh("forbidden"), 1_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    credentials = ("writer", "secret-of-the-writer")
    pipeline = words(rabbitmq, queue, search.url, "words", basic_auth=credentials)
    handle = pipeline.start()
    await until(lambda: "401" in handle.state, "halted by 401")
    search.add_role("nobody", indices={})
    search.add_user(*credentials, roles=["nobody"])
    await until(lambda: "403" in handle.state, "halted by 403")
    assert "secret-of-the-writer" not in handle.state
    search.add_role("nobody", cluster=["all"], indices={"*": ["all"]})
    async with asyncio.timeout(WITHIN):
        summary = await handle
    assert (summary.accepted, summary.rejected, summary.requeued) == (messages, 0, 0)


async def test_a_connection_killed_in_the_middle_loses_nothing_and_repeats_at_most_prefetch(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch, caplog: Any
) -> None:
    queue, index, messages = fresh("killed"), fresh("killed"), 100_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    calls: Counter[int] = Counter()

    def seen(value: dict[str, int]) -> None:
        calls[value["n"]] += 1

    pipeline = (
        streams.amqp.queue(queue, url=rabbitmq.url, prefetch=512, until_idle=3.0)
        | op.map(orjson.loads)
        | op.tap(seen)
        | op.chunk(256, timeout=1.0)
        | sinks.elasticsearch.bulk(elasticsearch.url, index=index, id="word")
    )
    handle = pipeline.start()
    await until(lambda: handle.stats().accepted > messages // 3, "a third")
    await asyncio.to_thread(rabbitmq.close_connections, "test")
    async with asyncio.timeout(2 * WITHIN):
        summary = await handle
    assert elasticsearch.count(index) == messages
    assert summary.reconnects == 1
    assert sum(calls.values()) - messages <= 512
    assert not [record for record in caplog.records if "406" in record.getMessage()]
    assert await left(rabbitmq, queue) == (0, 0)


async def test_drain_in_the_middle_and_a_second_run_index_everything_once(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    queue, index, messages = fresh("drained"), fresh("drained"), 30_000
    await fill(rabbitmq, queue, (document(n) for n in range(messages)))
    pipeline = words(rabbitmq, queue, elasticsearch.url, index)
    handle = pipeline.start()
    await until(lambda: handle.stats().accepted > 5_000, "some")
    first = await handle.drain()
    ready, unacked = await left(rabbitmq, queue)
    assert unacked == 0
    assert ready == messages - first.accepted
    second = await pipeline
    assert second.accepted == ready
    assert elasticsearch.count(index) == messages
