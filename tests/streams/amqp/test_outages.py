"""Cut connections, brokers that go away, queues that vanish: nothing is lost, little is repeated."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ackflow import operators as op
from ackflow.streams import amqp
from ackflow.streams.amqp import connections
from ackflow.streams.core import Unavailable
from tests.servers.processes import free_port
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import (
    Collect,
    channel,
    declare,
    eventually,
    fill,
    ready,
    unique,
)

pytestmark = pytest.mark.usefixtures("way")

PREFETCH = 512


def at(number: int, act: Callable[[], Any]) -> Callable[[Any], Awaitable[None]]:
    """Return what acts once, when so many elements have come."""
    count = 0

    async def on(_: Any) -> None:
        nonlocal count
        count += 1
        if count == number:
            await asyncio.sleep(0)
            if isinstance(waiting := act(), Awaitable):
                await waiting

    return on


def no_illegal_acks(caplog: pytest.LogCaptureFixture) -> None:
    """Assert that the broker never refused an ack."""
    assert not [text for text in caplog.messages if "PRECONDITION_FAILED" in text]


async def test_a_cut_in_the_middle_of_100_000_loses_nothing_and_repeats_at_most_prefetch(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    queue, url, count = unique("cut"), rabbitmq.url, 100_000
    await declare(url, queue)
    await fill(url, queue, (b"%d" % number for number in range(count)))
    async with Proxy(url) as proxy:

        class Cutting(Collect):
            async def write(self, items: Any) -> None:
                await super().write(items)
                if proxy.connections == 1 and len(self.items) > count // 2:
                    proxy.cut()

        sink = Cutting()
        source = amqp.queue(queue, url=proxy.url, prefetch=PREFETCH, until_idle=2.0)
        summary = await (source | sink)

    seen = Counter(sink.items)
    assert len(seen) == count
    assert seen.total() - count <= PREFETCH
    assert summary.reconnects == 1
    assert summary.accepted + summary.stale == summary.delivered
    assert await ready(url, queue) == 0
    no_illegal_acks(caplog)


async def test_a_cut_in_the_middle_of_a_body_loses_nothing(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    queue, url = unique("halved"), rabbitmq.url
    await declare(url, queue)
    bodies = [bytes([number]) * 300_000 for number in range(60)]
    await fill(url, queue, bodies)
    async with Proxy(url) as proxy:
        sink = Collect(at(20, proxy.halve))
        source = amqp.queue(queue, url=proxy.url, prefetch=10, until_idle=1.0)
        summary = await (source | sink)
    assert set(sink.items) == set(bodies)
    assert summary.reconnects == 1
    assert await ready(url, queue) == 0
    no_illegal_acks(caplog)


async def test_bytes_that_are_no_frames_cost_the_connection_and_no_message(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    queue, url = unique("garbage"), rabbitmq.url
    await declare(url, queue)
    bodies = [b"%d" % number for number in range(20_000)]
    await fill(url, queue, bodies)
    async with Proxy(url) as proxy:
        sink = Collect(at(5_000, proxy.corrupt))
        source = amqp.queue(queue, url=proxy.url, prefetch=PREFETCH, until_idle=1.0)
        summary = await (source | sink)
    assert set(sink.items) == set(bodies)
    assert summary.reconnects == 1
    assert await ready(url, queue) == 0
    no_illegal_acks(caplog)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_broker_that_restarts_is_come_back_to(
    own_rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    url, bodies = own_rabbitmq.url, [b"%d" % number for number in range(3000)]
    await declare(url, "words", **{"x-queue-type": kind})
    await fill(url, "words", bodies)
    sink = Collect(at(1000, lambda: asyncio.to_thread(own_rabbitmq.restart)))

    run = (amqp.queue("words", url=url, prefetch=100) | sink).start()
    await eventually(lambda: set(sink.items) == set(bodies))
    summary = await run.drain()

    assert len(sink.items) - len(bodies) <= 100
    assert summary.reconnects == 1
    assert await ready(url, "words") == 0
    no_illegal_acks(caplog)


async def test_a_connection_closed_by_the_broker_is_opened_again(
    own_rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    url, bodies = own_rabbitmq.url, [b"%d" % number for number in range(3000)]
    await declare(url, "words")
    await fill(url, "words", bodies)
    sink = Collect(at(1000, lambda: asyncio.to_thread(own_rabbitmq.close_connections)))

    await (amqp.queue("words", url=url, prefetch=100, until_idle=1.0) | sink)

    assert set(sink.items) == set(bodies)
    assert any("CONNECTION_FORCED" in text for text in caplog.messages)
    no_illegal_acks(caplog)


async def test_a_silent_broker_is_noticed_by_its_heartbeats(own_rabbitmq: RabbitMQ) -> None:
    url = own_rabbitmq.url
    await declare(url, "words")
    sink = Collect()
    run = (amqp.queue("words", url=url, prefetch=10, heartbeat=1) | sink).start()
    await eventually(lambda: _consumed(url, "words"))

    own_rabbitmq.pause()
    try:
        await eventually(lambda: run.state.startswith("halted"))
    finally:
        own_rabbitmq.resume()
    await fill(url, "words", [b"x"])
    await eventually(lambda: sink.items == [b"x"])
    assert run.state == "running"
    await run.drain()


async def test_a_drain_in_an_outage_ends_at_once_and_leaves_nothing_behind(
    rabbitmq: RabbitMQ,
) -> None:
    queue, url = unique("leaving"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"%d" % number for number in range(50)])
    before = asyncio.all_tasks()
    async with Proxy(url) as proxy:
        on = asyncio.Event()

        async def work(_: bytes) -> None:
            await on.wait()

        run = (amqp.queue(queue, url=proxy.url, prefetch=10) | Collect(work)).start()
        await eventually(lambda: run.stats().delivered == 10)
        proxy.refusing = True
        proxy.cut()
        await eventually(lambda: run.state.startswith("halted"))
        on.set()
        summary = await run.drain(5)
    assert summary.delivered == 10
    assert summary.stale >= 1
    assert await eventually(lambda: _all_back(url, queue, 50))
    await eventually(lambda: asyncio.all_tasks() <= before)
    assert not connections._all


async def _consumed(url: str, queue: str) -> bool:
    async with channel(url) as own:
        return bool((await own.queue_declare(queue, passive=True)).consumer_count)


async def test_a_deleted_queue_is_waited_for(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("deleted"), rabbitmq.url
    await declare(url, queue)
    sink = Collect()
    run = (amqp.queue(queue, url=url, prefetch=10) | sink).start()
    await eventually(lambda: _consumed(url, queue))

    async with channel(url) as own:
        await own.queue_delete(queue)
    await eventually(lambda: f"queue {queue!r} does not exist" in run.state)
    await declare(url, queue)
    await fill(url, queue, [b"x"])

    await eventually(lambda: sink.items == [b"x"])
    assert run.state == "running"
    await run.drain()


async def test_a_declared_queue_that_was_deleted_is_made_again(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("remade"), rabbitmq.url
    sink = Collect()
    run = (amqp.queue(queue, url=url, prefetch=10, declare="classic") | sink).start()
    await eventually(lambda: queue in rabbitmq.list_queues())
    await eventually(lambda: _consumed(url, queue))
    async with channel(url) as own:
        await own.queue_delete(queue)
    await eventually(lambda: run.stats().reconnects == 1 and run.state == "running")
    await fill(url, queue, [b"x"])
    await eventually(lambda: sink.items == [b"x"])
    await run.drain()


async def test_one_queue_of_several_that_goes_away_stops_no_other(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    url, stays, goes = rabbitmq.url, unique("stays"), unique("goes")
    await declare(url, stays)
    await declare(url, goes)
    sink = Collect()
    run = (amqp.queue([goes, stays], url=url, prefetch=10) | sink).start()
    await eventually(lambda: _consumed(url, stays))

    async with channel(url) as own:
        await own.queue_delete(goes)
    await eventually(lambda: f"goes on without queue {goes!r}" in caplog.text)
    await fill(url, stays, [b"stays"])
    await eventually(lambda: sink.items == [b"stays"])
    await declare(url, goes)
    await fill(url, goes, [b"back"])
    await eventually(lambda: sink.items == [b"stays", b"back"])

    assert run.stats().reconnects == 0
    await run.drain()


async def test_addresses_are_tried_in_turn(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("addresses"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"first"])
    async with Proxy(url) as one, Proxy(url) as two:
        nobody = f"amqp://127.0.0.1:{free_port()}/"
        sink = Collect()
        run = (amqp.queue(queue, url=[nobody, one.url, two.url], prefetch=10) | sink).start()
        await eventually(lambda: sink.items == [b"first"])
        assert (one.connections, two.connections) == (1, 0)

        one.cut()
        await eventually(lambda: run.stats().reconnects == 1 and run.state == "running")
        await fill(url, queue, [b"second"])
        await eventually(lambda: set(sink.items) == {b"first", b"second"})
        assert (one.connections, two.connections) == (1, 1)
        await run.drain()


async def test_what_is_unacked_for_long_in_an_outage_goes_back_until_it_is_over(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    """Contract 5: past half of consumer_timeout the messages are returned."""
    queue, url = unique("outage"), rabbitmq.url
    await declare(url, queue)
    bodies = [b"%d" % number for number in range(10)]
    await fill(url, queue, bodies)
    away = True

    def work(body: bytes) -> None:
        if away:
            raise Unavailable("the other service is away")

    sink = Collect(work)
    run = (amqp.queue(queue, url=url, prefetch=10, consumer_timeout=2.0) | sink).start()
    await eventually(lambda: run.state.startswith("halted"))
    assert await ready(url, queue) == 0

    await eventually(lambda: _all_back(url, queue, 10))
    await eventually(lambda: "was given back until the outage is over" in run.state)
    away = False
    await eventually(lambda: set(sink.items) == set(bodies) and run.state == "running")
    await run.drain()
    assert await ready(url, queue) == 0
    no_illegal_acks(caplog)


async def _all_back(url: str, queue: str, count: int) -> bool:
    return await ready(url, queue) == count


async def test_slow_work_is_warned_about_before_the_broker_cuts(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    queue, url, on = unique("slow"), rabbitmq.url, asyncio.Event()
    await declare(url, queue)
    await fill(url, queue, [b"x"])

    async def work(_: bytes) -> None:
        await on.wait()

    sink = Collect(work)
    run = (amqp.queue(queue, url=url, prefetch=10, consumer_timeout=1.0) | sink).start()
    await eventually(lambda: "consumer_timeout" in caplog.text)
    on.set()
    summary = await run.drain()
    assert (summary.accepted, summary.reconnects) == (1, 0)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_channel_closed_by_consumer_timeout_is_an_ordinary_reconnect(
    make_rabbitmq: Callable[..., RabbitMQ], caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Some messages outlive consumer_timeout: the broker cuts, and all that is unacked comes again."""
    node, dead = make_rabbitmq(consumer_timeout=2, channel_tick_interval=1), Collect()
    await declare(node.url, "words", **{"x-queue-type": kind})
    bodies = [b"%d" % number for number in range(300)]
    await fill(node.url, "words", bodies)
    hanging = {b"7", b"150", b"299"}
    calls: Counter[bytes] = Counter()
    on = asyncio.Event()

    async def work(body: bytes) -> bytes:
        calls[body] += 1
        if body in hanging and calls[body] == 1:
            await on.wait()
        return body

    source = amqp.queue("words", url=node.url, prefetch=32, consumer_timeout=2.0, dead_letter=dead)
    sink = Collect()
    run = (source | op.map_async(work, concurrency=16, ordered=False) | sink).start()
    warning = "a message is unacked for 1 s; after 2 s (consumer_timeout)"
    await eventually(lambda: warning in caplog.text)
    assert run.oldest_unacked > 1.0
    await eventually(lambda: run.stats().reconnects >= 1 and all(calls[b] == 2 for b in hanging))
    on.set()
    await eventually(lambda: set(sink.items) == set(bodies) and run.oldest_unacked == 0.0)
    summary = await run.drain()

    # What hung is finished too late: that settles nothing, and the message was worked on again.
    assert all(calls[body] == 2 for body in hanging)
    assert len(hanging) <= summary.delivered - len(bodies) <= 32 * summary.reconnects
    assert (summary.rejected, summary.retried, summary.failures) == (0, 0, {})
    assert dead.items == []
    assert await eventually(lambda: _all_back(node.url, "words", 0))
    log = node.process.log.read_text()
    assert "timed out" in log  # so the cut was what it is taken for
    assert "unknown delivery tag" not in log
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR and "ackflow" in r.name]
    assert not errors


async def test_the_age_of_the_oldest_unacked_message_is_known(rabbitmq: RabbitMQ) -> None:
    """Over all queues, from when the message came over this connection, to when it is settled."""
    url, quick, slow = rabbitmq.url, unique("quick"), unique("slow")
    for queue in (quick, slow):
        await declare(url, queue)
    await fill(url, slow, [b"slow"])
    on = asyncio.Event()

    async def work(body: bytes) -> bytes:
        if body == b"slow":
            await on.wait()
        return body

    sink = Collect()
    step = op.map_async(work, concurrency=4, ordered=False)
    async with Proxy(url) as proxy:
        run = (amqp.queue([quick, slow], url=proxy.url, prefetch=10) | step | sink).start()
        await eventually(lambda: run.oldest_unacked > 0.5)
        await fill(url, quick, [b"%d" % number for number in range(50)])
        await eventually(lambda: run.stats().accepted == 50)
        before = run.oldest_unacked
        assert 0.5 < before < 30
        proxy.cut()
        await eventually(lambda: run.stats().reconnects == 1 and run.oldest_unacked > 0)
        assert run.oldest_unacked < before
        on.set()
        await eventually(lambda: run.oldest_unacked == 0.0 and b"slow" in sink.items)
        await run.drain()
    assert run.oldest_unacked == 0.0


async def test_a_cut_by_consumer_timeout_is_no_illegal_ack(
    make_rabbitmq: Callable[..., RabbitMQ], caplog: pytest.LogCaptureFixture
) -> None:
    node = make_rabbitmq(consumer_timeout=1, channel_tick_interval=1)
    await declare(node.url, "words")
    await fill(node.url, "words", [b"x"])
    on = asyncio.Event()

    async def work(_: bytes) -> None:
        await on.wait()

    sink = Collect(work)
    source = amqp.queue("words", url=node.url, prefetch=10, consumer_timeout=None)
    run = (source | sink).start()
    # It has come again: what is settled late could be taken for this one.
    await eventually(lambda: run.stats().delivered >= 2)
    on.set()
    await eventually(lambda: run.stats().accepted == 1)
    await run.drain()
    assert run.stats().stale >= 1
    assert "unknown delivery tag" not in node.process.log.read_text()
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR and "ackflow" in r.name]
    assert not errors
