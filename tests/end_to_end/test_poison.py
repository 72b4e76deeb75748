"""One bad message among ten thousand: it fails alone, everything else arrives once."""

from collections import Counter
from typing import Any

import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from tests.end_to_end.tools import document, fill, fresh, left
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

MESSAGES = 10_000
BAD = 4_711


async def test_a_body_that_is_no_json(rabbitmq: RabbitMQ, elasticsearch: Elasticsearch) -> None:
    queue, index, dead = fresh("no-json"), fresh("no-json"), sinks.to_list()
    bodies = [b"{not json" if n == BAD else document(n) for n in range(MESSAGES)]
    await fill(rabbitmq, queue, bodies)
    calls: Counter[bytes] = Counter()

    def decode(body: bytes) -> Any:
        calls[body] += 1
        return orjson.loads(body)

    pipeline = (
        streams.amqp.queue(queue, url=rabbitmq.url, prefetch=512, dead_letter=dead, until_idle=1.0)
        | op.map(decode)
        | op.chunk(256, timeout=1.0)
        | sinks.elasticsearch.bulk(elasticsearch.url, index=index, id="word")
    )
    summary = await pipeline
    assert elasticsearch.count(index) == MESSAGES - 1
    assert (summary.accepted, summary.rejected, summary.dead_lettered) == (MESSAGES - 1, 1, 1)
    (letter,) = dead.values
    assert letter.body == b"{not json"
    assert letter.headers["x-ackflow-error-type"] == "JSONDecodeError"
    assert set(calls.values()) == {1}
    assert await left(rabbitmq, queue) == (0, 0)


async def test_a_document_that_the_mapping_refuses(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    queue, index, dead = fresh("mapping"), fresh("mapping"), sinks.to_list()
    elasticsearch.request("PUT", f"/{index}", {"mappings": {"properties": {"n": {"type": "long"}}}})
    refused = orjson.dumps({"word": "bad", "n": "no number"})
    await fill(rabbitmq, queue, [refused if n == BAD else document(n) for n in range(MESSAGES)])
    pipeline = (
        streams.amqp.queue(queue, url=rabbitmq.url, prefetch=512, dead_letter=dead, until_idle=1.0)
        | op.map(orjson.loads)
        | op.chunk(256, timeout=1.0)
        | sinks.elasticsearch.bulk(elasticsearch.url, index=index, id="word")
    )
    summary = await pipeline
    assert elasticsearch.count(index) == MESSAGES - 1
    assert (summary.accepted, summary.dead_lettered) == (MESSAGES - 1, 1)
    (letter,) = dead.values
    assert letter.body == refused
    assert letter.headers["es.status"] == "400"
    assert "document_parsing_exception" in letter.headers["es.error.type"]
    assert await left(rabbitmq, queue) == (0, 0)


async def test_an_idempotent_sink_that_raises_for_one_message(rabbitmq: RabbitMQ) -> None:
    queue, dead = fresh("raises"), sinks.to_list()
    await fill(rabbitmq, queue, [document(n) for n in range(MESSAGES)])
    stored: Counter[bytes] = Counter()

    def store(bodies: list[bytes]) -> None:
        if document(BAD) in bodies:
            raise ValueError("can't store this one")
        stored.update(bodies)

    pipeline = (
        streams.amqp.queue(queue, url=rabbitmq.url, prefetch=512, dead_letter=dead, until_idle=1.0)
        | op.chunk(256, timeout=1.0)
        | sinks.each(store, idempotent=True)
    )
    await pipeline
    assert len(stored) == MESSAGES - 1
    assert set(stored.values()) == {1}
    assert [letter.body for letter in dead.values] == [document(BAD)]
    assert await left(rabbitmq, queue) == (0, 0)


async def test_a_sink_that_is_not_idempotent_fails_the_chunk_as_one(rabbitmq: RabbitMQ) -> None:
    queue, dead = fresh("as-one"), sinks.to_list()
    await fill(rabbitmq, queue, [document(n) for n in range(512)])

    def store(bodies: list[bytes]) -> None:
        if document(3) in bodies:
            raise ValueError("can't store this one")

    pipeline = (
        streams.amqp.queue(queue, url=rabbitmq.url, prefetch=512, dead_letter=dead, until_idle=1.0)
        | op.chunk(256, timeout=1.0)
        | sinks.each(store)
    )
    summary = await pipeline
    assert summary.dead_lettered == len(dead.values)
    assert document(3) in {letter.body for letter in dead.values}
    assert len(dead.values) <= 256
    assert summary.accepted == 512 - len(dead.values)


async def test_a_dead_letter_queue_gets_body_properties_and_cause(rabbitmq: RabbitMQ) -> None:
    queue, graveyard = fresh("words"), fresh("graveyard")
    await fill(rabbitmq, graveyard, [])
    await fill(rabbitmq, queue, [b"{not json", document(1)])
    pipeline = (
        streams.amqp.queue(
            queue,
            url=rabbitmq.url,
            dead_letter=sinks.amqp.publish(rabbitmq.url, routing_key=graveyard),
            until_idle=1.0,
        )
        | op.map(orjson.loads)
        | sinks.to_list()
    )
    assert await pipeline == [{"word": "word1", "n": 1}]
    (letter,) = await streams.amqp.deliveries(graveyard, url=rabbitmq.url, prefetch=1).peek(1)
    assert letter.body == b"{not json"
    assert letter.headers["x-ackflow-error-type"] == "JSONDecodeError"
    assert letter.headers["x-ackflow-source"] == queue
    assert letter.headers["x-ackflow-attempts"] == 1
