"""One bad message among thousands: it ends where the policy says, everything else arrives once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.end_to_end.tools import (
    KINDS,
    WITHIN,
    Worker,
    document,
    fill,
    fresh,
    left,
    ready,
    taken,
)
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

MESSAGES = 5_000
BAD = 1_711

of_each_kind = pytest.mark.parametrize("kind", KINDS)


@of_each_kind
async def test_a_body_that_is_no_json(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch, kind: Any
) -> None:
    queue, index, dead = fresh("no-json"), fresh("no-json"), sinks.to_list()
    bodies = [b"{not json" if n == BAD else document(n) for n in range(MESSAGES)]
    await fill(rabbitmq, queue, bodies, kind)
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
    assert await ready(rabbitmq, queue) == 0


@of_each_kind
async def test_a_document_that_the_mapping_refuses(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch, kind: Any
) -> None:
    queue, index, dead = fresh("mapping"), fresh("mapping"), sinks.to_list()
    elasticsearch.request("PUT", f"/{index}", {"mappings": {"properties": {"n": {"type": "long"}}}})
    refused = orjson.dumps({"word": "bad", "n": "no number"})
    bodies = [refused if n == BAD else document(n) for n in range(MESSAGES)]
    await fill(rabbitmq, queue, bodies, kind)
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
    assert await ready(rabbitmq, queue) == 0


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


@of_each_kind
async def test_a_function_that_always_raises_for_one_message(rabbitmq: RabbitMQ, kind: Any) -> None:
    queue, dead, stored = fresh("function"), sinks.to_list(), Counter[bytes]()
    await fill(rabbitmq, queue, [document(n) for n in range(MESSAGES)], kind)
    calls: Counter[bytes] = Counter()

    def work(body: bytes) -> bytes:
        calls[body] += 1
        if body == document(BAD):
            raise RuntimeError("always")
        return body

    pipeline = (
        streams.amqp.queue(
            queue,
            url=rabbitmq.url,
            prefetch=512,
            wait=lambda _: 0.1,
            dead_letter=dead,
            until_idle=1.0,
        )
        | op.map(work)
        | op.chunk(256, timeout=1.0)
        | sinks.each(stored.update)
    )
    summary = await pipeline
    assert calls.pop(document(BAD)) == 5
    assert calls == stored == Counter(document(n) for n in range(MESSAGES) if n != BAD)
    assert (summary.retried, summary.dead_lettered) == (4, 1)
    (letter,) = dead.values
    assert letter.body == document(BAD)
    assert letter.headers["x-ackflow-error"] == "RuntimeError: always"
    assert letter.headers["x-ackflow-attempts"] == 5
    assert await ready(rabbitmq, queue) == 0


@of_each_kind
async def test_a_function_that_hangs_for_one_message(rabbitmq: RabbitMQ, kind: Any) -> None:
    queue, dead, stored = fresh("hangs"), sinks.to_list(), Counter[bytes]()
    await fill(rabbitmq, queue, [document(n) for n in range(MESSAGES)], kind)
    calls: Counter[bytes] = Counter()

    async def work(body: bytes) -> bytes:
        calls[body] += 1
        if body == document(BAD):
            await asyncio.Event().wait()
        return body

    pipeline = (
        streams.amqp.queue(
            queue,
            url=rabbitmq.url,
            attempts=3,
            wait=lambda _: 0.1,
            dead_letter=dead,
            until_idle=1.0,
        )
        | op.map_async(work, timeout=0.5)
        | sinks.each(lambda body: stored.update([body]))
    )
    summary = await pipeline
    assert calls.pop(document(BAD)) == 3
    assert calls == stored == Counter(document(n) for n in range(MESSAGES) if n != BAD)
    assert (summary.halts, summary.retried, summary.dead_lettered) == (0, 2, 1)
    (letter,) = dead.values
    assert letter.body == document(BAD)
    assert letter.headers["x-ackflow-error-type"] == "CallTimeout"
    assert letter.headers["x-ackflow-attempts"] == 3
    assert await ready(rabbitmq, queue) == 0


PREFETCH = 16


@pytest.mark.parametrize("place", [0, 55])
async def test_a_message_that_ends_its_process(
    rabbitmq: RabbitMQ, tmp_path: Path, place: int
) -> None:
    """A quorum queue counts how often it has handed a message out; a classic one can't tell."""
    queue, graveyard, log = fresh("dies"), fresh("graveyard"), tmp_path / "log"
    bodies = [b"die" if n == place else b"%d" % n for n in range(100)]
    await fill(rabbitmq, graveyard, [])
    await fill(rabbitmq, queue, bodies, "quorum")
    settings = {"prefetch": PREFETCH, "deliveries": 3}
    async with Worker(
        url=rabbitmq.url, queue=queue, dead=graveyard, log=str(log), **settings
    ) as worker:
        letters: dict[bytes, Any] = {}
        async with asyncio.timeout(WITHIN):
            while b"die" not in letters or await ready(rabbitmq, queue):
                await asyncio.sleep(0.05)  # a queue's length has no event
                letters |= {letter.body: letter for letter in await taken(rabbitmq, graveyard)}
    lines = Counter(log.read_bytes().splitlines())
    assert "times before" in str(letters[b"die"].headers["x-ackflow-error"])
    # A process that dies takes its last ack with it now and then, and the blame falls on that one first.
    assert len(letters) <= 2
    assert (worker.starts, lines[b"tried die"]) in ((4, 3), (5, 4))
    stored = {body: lines[b"stored " + body] for body in bodies if body != b"die"}
    assert all(stored.values()), "the others are stored"
    assert sum(stored.values()) - len(stored) <= worker.starts * PREFETCH


def outliving(
    node: RabbitMQ, dead: Any, stored: Counter[bytes], calls: Counter[bytes], **settings: Any
) -> Any:
    """Store what is in a queue, where the seventh document takes longer than consumer_timeout."""

    async def work(body: bytes) -> bytes:
        calls[body] += 1
        if body == document(7):
            await asyncio.sleep(4)
        return body

    return (
        streams.amqp.queue(
            "slow", url=node.url, prefetch=PREFETCH, deliveries=3, dead_letter=dead,
            consumer_timeout=1.0, **settings,
        )
        | op.map_async(work, ordered=False)
        | sinks.each(lambda body: stored.update([body]))
    )  # fmt: skip


async def test_a_message_that_outlives_consumer_timeout(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    """The broker cuts the channel each time, until the count of a quorum queue ends it."""
    node = make_rabbitmq(consumer_timeout=1, channel_tick_interval=1)
    dead, stored, calls = sinks.to_list(), Counter[bytes](), Counter[bytes]()
    bodies = [document(n) for n in range(500)]
    await fill(node, "slow", bodies, "quorum")

    pipeline = outliving(node, dead, stored, calls, until_idle=5.0)
    async with asyncio.timeout(WITHIN):
        summary = await pipeline
    assert calls[document(7)] == 3
    assert summary.reconnects == 3
    (letter,) = dead.values
    assert letter.body == document(7)
    assert "handed out 3 times before" in letter.headers["x-ackflow-error"]
    assert stored == Counter(body for body in bodies if body != document(7))
    assert await ready(node, "slow") == 0


async def test_a_message_that_ends_its_process_is_never_blamed_on_a_classic_queue(
    rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    """A classic queue counts no deliveries: it comes again each time, and nothing is lost for it."""
    queue, graveyard, log = fresh("dies-classic"), fresh("graveyard"), tmp_path / "log"
    bodies = [b"die" if n == 20 else b"%d" % n for n in range(40)]
    await fill(rabbitmq, graveyard, [])
    await fill(rabbitmq, queue, bodies, "classic")
    log.touch()
    settings = {"prefetch": PREFETCH, "deliveries": 3}
    async with Worker(url=rabbitmq.url, queue=queue, dead=graveyard, log=str(log), **settings):
        async with asyncio.timeout(WITHIN):
            while log.read_bytes().count(b"tried die\n") < 5:
                await asyncio.sleep(0.05)  # what another process does has no event
    stored = {body for body in bodies if b"stored " + body + b"\n" in log.read_bytes()}
    async with asyncio.timeout(WITHIN):
        while (await left(rabbitmq, queue))[1]:
            await asyncio.sleep(0.05)  # what a killed process had comes back in its time
    kept = [message.body for message in await taken(rabbitmq, queue)]
    assert kept.count(b"die") == 1
    assert stored | set(kept) == set(bodies)
    assert await ready(rabbitmq, graveyard) == 0


async def test_a_message_that_outlives_consumer_timeout_is_never_blamed_on_a_classic_queue(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    """The broker cuts the channel each time; the others are stored, and it is tried for ever."""
    node = make_rabbitmq(consumer_timeout=1, channel_tick_interval=1)
    dead, stored, calls = sinks.to_list(), Counter[bytes](), Counter[bytes]()
    bodies = [document(n) for n in range(100)]
    await fill(node, "slow", bodies, "classic")

    pipeline = outliving(node, dead, stored, calls)
    handle = pipeline.start()
    async with asyncio.timeout(WITHIN):
        while calls[document(7)] < 5 or len(stored) < len(bodies) - 1:
            await asyncio.sleep(0.05)  # what the broker cuts has no event
    await handle.abort()
    assert (dead.values, pipeline.summary.dead_lettered) == ([], 0)
    assert set(stored) == set(bodies) - {document(7)}
    assert await ready(node, "slow") == 1
