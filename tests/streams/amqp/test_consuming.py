"""What a queue's messages become on their way through a pipeline, on a real broker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp.commands import Basic

from ackflow.streams import amqp
from ackflow.streams.amqp import connections
from ackflow.streams.amqp.line import Line
from ackflow.streams.amqp.server import Server
from ackflow.streams.core import Delivery, Frame, Reject, Verb
from ackflow.streams.core.ledger import Ledger
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import (
    Collect,
    channel,
    declare,
    eventually,
    fill,
    ready,
    take,
    unique,
)

pytestmark = pytest.mark.usefixtures("way")

IDLE = 0.3


async def test_bodies_come_in_order_and_are_acked(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("bodies"), rabbitmq.url
    bodies = [b"%d" % number for number in range(1000)]
    await declare(url, queue)
    await fill(url, queue, bodies)

    sink = Collect()
    summary = await (amqp.queue(queue, url=url, prefetch=100, until_idle=IDLE) | sink)

    assert sink.items == bodies
    assert (summary.delivered, summary.accepted) == (1000, 1000)
    assert await ready(url, queue) == 0


async def test_deliveries_keep_all_that_amqp_knows_of_a_message(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("deliveries"), rabbitmq.url
    await declare(url, queue)
    moment = datetime(2026, 8, 1, 12, tzinfo=UTC)
    headers = {"n": 1, "half": 0.5, "deep": {"list": [True, None, "ã"]}, "when": moment}
    properties = Basic.Properties(
        content_type="application/json",
        headers=headers,
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        expiration="60000",
        message_id="m",
        timestamp=moment,
        message_type="word",
        app_id="test",
    )
    await fill(url, queue, ["olá".encode()], properties)

    sink = Collect()
    await (amqp.deliveries(queue, url=url, prefetch=10, until_idle=IDLE) | sink)

    [delivery] = sink.items
    assert delivery == Delivery(
        body="olá".encode(),
        properties={
            "content_type": "application/json",
            "delivery_mode": 2,
            "priority": 3,
            "correlation_id": "c",
            "expiration": 60.0,
            "message_id": "m",
            "timestamp": moment,
            "type": "word",
            "app_id": "test",
        },
        headers=headers,
        routing_key=queue,
        source=queue,
    )


async def test_several_queues_flow_into_one_stream(rabbitmq: RabbitMQ) -> None:
    url, queues = rabbitmq.url, [unique("one"), unique("two"), unique("three")]
    for number, queue in enumerate(queues, 1):
        await declare(url, queue, **{"x-queue-type": "quorum" if number == 2 else "classic"})
        await fill(url, queue, [b"x"] * number * 100)

    sink = Collect()
    summary = await (amqp.deliveries(queues, url=url, prefetch=16, until_idle=IDLE) | sink)

    expected = {queue: number * 100 for number, queue in enumerate(queues, 1)}
    assert Counter(delivery.source for delivery in sink.items) == expected
    assert summary.accepted == 600
    assert [await ready(url, queue) for queue in queues] == [0, 0, 0]


async def test_vhost_wins_over_the_url_and_names_may_hold_any_character(
    rabbitmq: RabbitMQ,
) -> None:
    vhost, queue = unique("my/shop %"), unique("vhost")
    rabbitmq.add_vhost(vhost)
    user = unique("ana@")
    theirs = rabbitmq.add_user(user, "p@ss/w:rd%?#", vhost)
    await declare(rabbitmq.url_for(vhost), queue)
    await fill(rabbitmq.url_for(vhost), queue, [b"x"])
    elsewhere = theirs.rpartition("/")[0] + "/nowhere"

    sink = Collect()
    await (amqp.queue(queue, url=elsewhere, vhost=vhost, prefetch=1, until_idle=IDLE) | sink)

    assert sink.items == [b"x"]


async def test_sources_of_one_url_share_a_connection_under_its_name(rabbitmq: RabbitMQ) -> None:
    url, queues = rabbitmq.url, [unique("shared"), unique("shared")]
    name = unique("name")
    for queue in queues:
        await declare(url, queue)
    runs = [
        (
            amqp.queue(queue, url=url, prefetch=7, connection_name=name, heartbeat=9, priority=2)
            | Collect()
        ).start()
        for queue in queues
    ]
    consumers = await eventually(lambda: _listing(rabbitmq, CONSUMERS, *queues))
    for line in consumers:
        assert line.split("\t")[1:] == ["7", '[{"x-priority",2}]']
    [connection] = await eventually(lambda: _listing(rabbitmq, CONNECTIONS, name))
    assert f"{name}: consuming" in connection
    assert connection.split("\t")[1:] == ["9", "2"]
    for run in runs:
        await run.drain()
    assert not await _listing(rabbitmq, CONNECTIONS, name)


CONSUMERS = ("list_consumers", "queue_name", "prefetch_count", "arguments")
CONNECTIONS = ("list_connections", "client_properties", "timeout", "channels")


async def _listing(rabbitmq: RabbitMQ, command: tuple[str, ...], *words: str) -> list[str]:
    """Return the lines that hold one of the words, once there is one for each."""
    listed = await asyncio.to_thread(rabbitmq.ctl, *command)
    lines = [line for line in listed.splitlines() if any(word in line for word in words)]
    return lines if len(lines) == len(words) else []


async def test_what_is_there_comes_in_runs_not_one_by_one(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("runs"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"x"] * 2000)
    sizes: list[int] = []

    class Sizes(Collect):
        async def write(self, items):  # type: ignore[no-untyped-def]
            sizes.append(len(items))

    await (amqp.queue(queue, url=url, prefetch=500, until_idle=IDLE) | Sizes())

    assert sum(sizes) == 2000
    assert len(sizes) < 200


async def test_looking_leaves_everything_where_it_was(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("looking"), rabbitmq.url
    await declare(url, queue)
    bodies = [b"%d" % number for number in range(10)]
    await fill(url, queue, bodies)

    assert await amqp.queue(queue, url=url).peek(3) == bodies[:3]
    async with amqp.queue(queue, url=url, prefetch=10).open() as values:
        async for value in values:
            assert value == b"0"
            break

    assert await ready(url, queue) == 10
    assert not connections._all


async def test_a_body_that_is_too_large_fails_alone(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("large"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"small", b"x" * 300_000, b"small"])

    sink, dead = Collect(), Collect()
    source = amqp.queue(
        queue, url=url, prefetch=10, until_idle=IDLE, max_body_bytes=200_000, dead_letter=dead
    )
    summary = await (source | sink)

    assert sink.items == [b"small", b"small"]
    assert (summary.accepted, summary.rejected, summary.dead_lettered) == (2, 1, 1)
    [letter] = dead.items
    assert letter.body == b"x" * 300_000
    assert "300,000 bytes" in letter.headers["x-ackflow-error"]
    assert await ready(url, queue) == 0


async def test_a_body_that_is_too_large_stays_whole_at_the_exchange_and_where_nobody_takes_it(
    rabbitmq: RabbitMQ,
) -> None:
    queue, dead, url = unique("large"), unique("dead"), rabbitmq.url
    declared = amqp.Declare("classic", dead_letter_queue=dead)
    await declare(url, dead, **{"x-queue-type": "classic"})
    await declare(url, queue, **declared.queue_arguments())
    await fill(url, queue, [b"x" * 300_000])
    settings = {"url": url, "prefetch": 10, "max_body_bytes": 1000}

    run = (amqp.queue(queue, wait=lambda _: 0.01, **settings) | (sink := Collect())).start()
    await eventually(lambda: run.stats().held)
    await asyncio.sleep(0.1)
    summary = await run.drain()
    assert (sink.items, summary.requeued, summary.accepted) == ([], 1, 0)

    await (amqp.queue(queue, dead_letter="exchange", until_idle=IDLE, **settings) | Collect())
    [letter] = await take(url, dead)
    assert letter.body == b"x" * 300_000


async def test_a_message_that_was_handed_out_too_often_fails_for_good(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("often"), rabbitmq.url
    await declare(url, queue, **{"x-queue-type": "quorum"})
    await fill(url, queue, [b"x"])
    for _ in range(3):
        async with channel(url) as own:
            await eventually(lambda own=own: _get(own, queue))

    sink, dead = Collect(), Collect()
    settings = {"url": url, "prefetch": 10, "until_idle": IDLE, "dead_letter": dead}
    await (amqp.queue(queue, deliveries=3, **settings) | sink)

    assert sink.items == []
    assert "handed out 3 times" in dead.items[0].headers["x-ackflow-error"]


async def _get(own, queue):  # type: ignore[no-untyped-def]
    return isinstance((await own.basic_get(queue)).delivery, Basic.GetOk)


async def test_fewer_deliveries_than_the_guard_are_worked_on(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("seldom"), rabbitmq.url
    await declare(url, queue, **{"x-queue-type": "quorum"})
    await fill(url, queue, [b"x"])
    async with channel(url) as own:
        await eventually(lambda: _get(own, queue))

    sink = Collect()
    await (amqp.deliveries(queue, url=url, deliveries=2, prefetch=10, until_idle=IDLE) | sink)

    [delivery] = sink.items
    assert (delivery.redelivered, delivery.delivery_count) == (True, 1)


async def test_rejected_messages_go_to_the_queues_own_dead_letter_queue(
    rabbitmq: RabbitMQ,
) -> None:
    queue, dead, url = unique("reject"), unique("dead"), rabbitmq.url
    declared = amqp.Declare("classic", dead_letter_queue=dead)

    def refuse(body: bytes) -> None:
        if body == b"bad":
            raise Reject("bad")

    source = amqp.queue(
        queue, url=url, declare=declared, prefetch=10, until_idle=IDLE, dead_letter="exchange"
    )
    await declare(url, dead, **{"x-queue-type": "classic"})
    await declare(url, queue, **declared.queue_arguments())
    await fill(url, queue, [b"good", b"bad", b"good"])
    summary = await (source | Collect(refuse))

    assert (summary.accepted, summary.rejected) == (2, 1)
    assert [message.body for message in await take(url, dead)] == [b"bad"]
    assert await ready(url, queue) == 0


async def test_what_was_acked_does_not_come_again_after_a_close_with_many_returns(
    rabbitmq: RabbitMQ,
) -> None:
    """RabbitMQ forgets acks to a quorum queue that it has no time to pass on before a close."""
    url, queue = rabbitmq.url, unique("close")
    await declare(url, queue, **{"x-queue-type": "quorum"})
    for _ in range(5):
        await fill(url, queue, [b"acked"] + [b"left"] * 200)
        await _ack_the_first_of(url, queue, 201)
        bodies = Counter(message.body for message in await take(url, queue))
        assert bodies == {b"left": 200}


@asynccontextmanager
async def consuming(url: str, queue: str, count: int) -> AsyncIterator[Line]:
    """Consume so many messages of a queue, and then no more."""
    link = await connections.join(Server.of(url), "consuming")
    own = await link.channel()
    await own.basic_qos(prefetch_count=count)
    arrived: list[Any] = []
    line = Line("a line", link, own, arrived.extend, kept_bytes=9)
    try:
        await line.consume(queue, "tag", {})
        line.begin()
        await eventually(lambda: len(arrived) == count)
        await line.cancel()
        yield line
    finally:
        await line.close()


async def _ack_the_first_of(url: str, queue: str, count: int) -> None:
    """Return all messages but the first one by one, ack that one, and close at once."""
    async with consuming(url, queue, count) as line:
        returns = [Frame(Verb.RETURN_UNTOUCHED, tag) for tag in range(2, count + 1)]
        await line.send([*returns, Frame(Verb.ACK, 1)])


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_acks_do_not_cover_what_went_back_before_in_one_frame(
    rabbitmq: RabbitMQ, kind: str
) -> None:
    url, queue, ledger = rabbitmq.url, unique("back"), Ledger[int]()
    await declare(url, queue, **{"x-queue-type": kind})
    await fill(url, queue, [b"%d" % number for number in range(8)])
    ledger.deliver(range(8))
    async with consuming(url, queue, 8) as line:
        ledger.settle([1, 2], Verb.ACK)
        ledger.settle([3, 4, 5, 6], Verb.RETURN_UNTOUCHED)
        await line.send(ledger.frames())
        ledger.settle([7, 8], Verb.ACK)
        await line.send(ledger.frames())
    assert sorted(message.body for message in await take(url, queue)) == [b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_drain_acks_what_is_done_and_gives_back_the_rest(
    rabbitmq: RabbitMQ, kind: str
) -> None:
    queue, url = unique("drain"), rabbitmq.url
    await declare(url, queue, **{"x-queue-type": kind})
    bodies = [b"%d" % number for number in range(200)]
    await fill(url, queue, bodies[:50])
    going, on = asyncio.Event(), asyncio.Event()

    async def work(body: bytes) -> None:
        if body == b"0":
            going.set()
            await on.wait()

    sink = Collect(work)
    run = (amqp.queue(queue, url=url, prefetch=100) | sink).start()
    await asyncio.wait_for(going.wait(), 10)
    await eventually(lambda: run.stats().delivered == 50)
    await fill(url, queue, bodies[50:])
    await eventually(lambda: run.stats().delivered == 100)
    draining = asyncio.create_task(run.drain())
    on.set()
    summary = await asyncio.wait_for(draining, 20)

    assert 1 <= summary.accepted <= 50
    assert sink.items == bodies[: summary.accepted]
    assert summary.accepted + summary.requeued == summary.delivered
    left = await eventually(lambda: take(url, queue))
    assert Counter(message.body for message in left) == Counter(bodies[summary.accepted :])


async def test_bodies_of_all_sizes_come_whole_over_frames_of_4_kb(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    node = make_rabbitmq(settings={"frame_max": "4096"})
    sizes = [0, 1, 4087, 4088, 4089, 8176, 100_000, 1_000_000]
    bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
    await declare(node.url, "sizes")
    await fill(node.url, "sizes", bodies)

    sink = Collect()
    await (amqp.queue("sizes", url=node.url, prefetch=3, until_idle=IDLE) | sink)

    assert sink.items == bodies


async def test_sources_that_share_a_connection_get_their_own_messages_alone(
    rabbitmq: RabbitMQ,
) -> None:
    url, queues = rabbitmq.url, [unique(f"own-{number}") for number in range(5)]
    for queue in queues:
        await declare(url, queue)
        await fill(url, queue, (b"%s %d" % (queue.encode(), n) * 1000 for n in range(200)))

    sinks = [Collect() for _ in queues]
    pipelines = [
        amqp.deliveries(queue, url=url, prefetch=50, until_idle=IDLE) | sink
        for queue, sink in zip(queues, sinks, strict=True)
    ]
    await asyncio.gather(*(pipeline.start() for pipeline in pipelines))

    for queue, sink in zip(queues, sinks, strict=True):
        expected = [b"%s %d" % (queue.encode(), n) * 1000 for n in range(200)]
        assert [delivery.body for delivery in sink.items] == expected
        assert {delivery.source for delivery in sink.items} == {queue}


async def test_a_connection_that_only_delivers_is_not_taken_for_dead(rabbitmq: RabbitMQ) -> None:
    """While it delivers, RabbitMQ sends no heartbeats; with one a second aiormq waits for 6 s."""
    queue, url = unique("steady"), rabbitmq.url
    await declare(url, queue)
    sink = Collect()
    run = (amqp.queue(queue, url=url, prefetch=100, heartbeat=1) | sink).start()
    await eventually(lambda: run.state == "running")
    async with channel(url) as own:
        for _ in range(80):
            await own.basic_publish(b"x", routing_key=queue)
            await asyncio.sleep(0.1)
    summary = await run.drain()
    assert (summary.reconnects, summary.accepted) == (0, 80)
