"""What a source declares, and what it leaves alone."""

from collections import Counter
from typing import Any

import pytest

from ackflow.streams import amqp
from ackflow.streams.amqp.topology import retry_queue
from ackflow.streams.core import SourceError
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import Collect, channel, declare, fill, ready, take, unique

IDLE = 0.2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"queue": "stream"}, "type stream are refused"),
        ({"arguments": {"x-queue-type": "stream"}}, "type stream are refused"),
        ({"queue": "lazy"}, '"quorum" or "classic"'),
        ({"queue": "quorum", "durable": False}, "quorum queues are durable"),
        ({"routing_keys": ["a"]}, "need the exchange"),
        ({"delivery_limit": 0}, "from 1 up"),
    ],
)
def test_what_can_not_be_declared_raises_where_it_is_written(
    settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        amqp.Declare(**settings)


def test_declare_takes_a_type_or_the_whole() -> None:
    assert amqp.Declare.of("classic") == amqp.Declare(queue="classic")
    with pytest.raises(ValueError, match="type stream"):
        amqp.queue("words", declare="stream")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"streams\.amqp\.Declare or None, got True"):
        amqp.queue("words", declare=True)  # type: ignore[arg-type]


def test_a_delivery_limit_below_the_guard_is_an_error() -> None:
    with pytest.raises(ValueError, match="delivery_limit=20 is below deliveries=30"):
        amqp.queue("words", declare=amqp.Declare(delivery_limit=20), deliveries=30)


async def _run(queue: str, **settings: Any) -> Collect:
    sink = Collect()
    settings = {"prefetch": 10, "until_idle": IDLE, "start_timeout": 0.1, **settings}
    await (amqp.queue(queue, **settings) | sink)
    return sink


@pytest.mark.parametrize("kind", ["quorum", "classic"])
async def test_a_declared_queue_is_made_and_may_be_declared_again(
    rabbitmq: RabbitMQ, kind: str
) -> None:
    url, queue = rabbitmq.url, unique(kind)
    for _ in range(2):
        await _run(queue, url=url, declare=kind)
    listed = rabbitmq.ctl("list_queues", "name", "type", "durable", "arguments")
    [line] = [line for line in listed.splitlines() if queue in line]
    assert kind in line.split("\t")[1]
    assert line.split("\t")[2] == "true"
    assert ("x-delivery-limit" in line) == (kind == "quorum")


async def test_exchange_bindings_and_dead_letter_queue_are_declared(rabbitmq: RabbitMQ) -> None:
    url, queue, exchange, dead = rabbitmq.url, unique("q"), unique("x"), unique("dead")
    declared = amqp.Declare(
        exchange=exchange,
        exchange_type="topic",
        routing_keys=["word.*", "verb.#"],
        dead_letter_queue=dead,
    )
    await _run(queue, url=url, declare=declared)
    async with channel(url) as own:
        for key in ("word.new", "verb.a.b", "noun.x"):
            await own.basic_publish(key.encode(), exchange=exchange, routing_key=key)
    sink = await _run(queue, url=url, declare=declared)
    assert sink.items == [b"word.new", b"verb.a.b"]
    # The dead-letter queue is as a source would declare it.
    assert (await _run(dead, url=url, declare="quorum")).items == []


async def test_without_declare_nothing_is_made(rabbitmq: RabbitMQ) -> None:
    queue = unique("absent")
    with pytest.raises(SourceError, match="does not exist"):
        await _run(queue, url=rabbitmq.url)
    assert queue not in rabbitmq.list_queues()


async def test_a_queue_that_exists_otherwise_is_an_error_that_says_how(
    rabbitmq: RabbitMQ,
) -> None:
    queue = unique("other")
    await declare(rabbitmq.url, queue, **{"x-queue-type": "classic"})
    with pytest.raises(SourceError, match=f"declaring queue '{queue}'.*inequivalent arg"):
        await _run(queue, url=rabbitmq.url, declare="quorum")


async def test_failed_messages_wait_in_the_retry_queue_and_come_again(rabbitmq: RabbitMQ) -> None:
    """A quarter of prefetch is held here; what fails beyond it goes through the retry queue."""
    url, queue = rabbitmq.url, unique("retry")
    bodies = {b"%d" % number for number in range(40)}
    await declare(url, queue)
    await fill(url, queue, bodies)
    failed: set[bytes] = set()

    def once(delivery: Any) -> None:
        if delivery.body not in failed:
            failed.add(delivery.body)
            raise RuntimeError("the first time")

    sink = Collect(once)
    source = amqp.deliveries(
        queue,
        url=url,
        prefetch=8,
        until_idle=1.5,
        retry_queue=True,
        attempts=3,
        wait=lambda state: 0.3,
    )
    summary = await (source | sink)

    assert failed == bodies
    assert {delivery.body for delivery in sink.items} == bodies
    assert len(sink.items) == summary.accepted == 40
    went = [d for d in sink.items if "x-death" in d.headers]
    assert went, "none went through the retry queue"
    assert {delivery.headers["x-ackflow-attempts"] for delivery in went} == {1}
    assert summary.requeued == len(went)
    assert await ready(url, queue) == await ready(url, retry_queue(queue)) == 0


async def test_attempts_are_counted_through_the_retry_queue(rabbitmq: RabbitMQ) -> None:
    url, queue, dead = rabbitmq.url, unique("attempts"), Collect()
    await declare(url, queue)
    await fill(url, queue, [b"%d" % number for number in range(8)])
    calls: list[bytes] = []

    def never(body: bytes) -> None:
        calls.append(body)
        raise RuntimeError("never")

    source = amqp.queue(
        queue,
        url=url,
        prefetch=4,
        until_idle=1.5,
        retry_queue=True,
        attempts=3,
        wait=lambda state: 0.2,
        dead_letter=dead,
    )
    summary = await (source | Collect(never))

    assert Counter(calls) == {b"%d" % number: 3 for number in range(8)}
    assert {letter.headers["x-ackflow-attempts"] for letter in dead.items} == {3}
    assert summary.dead_lettered == 8
    assert [message.body for message in await take(url, queue)] == []


async def test_declare_makes_a_queue_for_a_producer_and_says_what_it_can_not(
    rabbitmq: RabbitMQ,
) -> None:
    name = unique("declared")
    await amqp.declare(name, url=rabbitmq.url, declare="classic")
    await amqp.declare(name, url=rabbitmq.url, declare="classic")
    assert await ready(rabbitmq.url, name) == 0
    with pytest.raises(SourceError, match=name):
        await amqp.declare(name, url=rabbitmq.url, declare="quorum")
    with pytest.raises(ValueError, match='must be "quorum", "classic" or a Declare'):
        await amqp.declare(name, declare=None)  # type: ignore[arg-type]
