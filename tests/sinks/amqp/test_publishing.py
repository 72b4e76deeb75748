"""A message is accepted when the broker has it, and never before, on a real broker."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiormq
import pytest

from ackflow import streams
from ackflow.sinks import amqp
from ackflow.streams.core import Delivery
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
    take,
    unique,
)

pytestmark = pytest.mark.usefixtures("way")


def memory(values: Any, **settings: Any) -> Any:
    """Return a tracked source that ends when all its values are settled."""
    queue = streams.memory.queue(values, prefetch=1000, **settings)
    queue.close()
    return queue


async def test_bytes_texts_and_chunks_are_published_in_order(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("publish"), rabbitmq.url
    await declare(url, queue)
    source = memory([b"1", "olá", [b"3", "4"], bytearray(b"5")])

    summary = await (source | amqp.publish(url, routing_key=queue))

    assert len(source.acked) == summary.accepted == 4
    messages = await take(url, queue)
    assert [message.body for message in messages] == [b"1", "olá".encode(), b"3", b"4", b"5"]
    assert {message.header.properties.delivery_mode for message in messages} == {2}


async def test_thousands_keep_their_order_and_the_window(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("many"), rabbitmq.url
    await declare(url, queue)
    bodies = [b"%d" % number for number in range(5000)]
    source = memory(bodies)

    await (source | amqp.publish(url, routing_key=queue, window=100))

    assert Counter(source.acked) == Counter(bodies)
    assert [message.body for message in await take(url, queue)] == bodies


async def test_a_delivery_keeps_its_properties_and_headers(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("whole"), rabbitmq.url
    await declare(url, queue)
    moment = datetime(2026, 8, 1, 12, tzinfo=UTC)
    headers = {
        "third": 1 / 3,
        "large": 2**60,
        "negative": -5,
        "raw": b"\x00\xff",
        "deep": {"list": [True, None, "ã", {"when": moment}]},
        "price": Decimal("1.25"),
    }
    properties = {
        "content_type": "text/plain",
        "delivery_mode": 1,
        "priority": 4,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": 60.0,
        "message_id": "m",
        "timestamp": moment,
        "type": "t",
        "user_id": "guest",
        "app_id": "a",
    }
    dropped = {"CC": [queue], "x-delivery-count": 7}
    source = memory([Delivery(b"body", properties, {**headers, **dropped}, source="elsewhere")])
    await (source | amqp.publish(url, routing_key=queue))
    assert await ready(url, queue) == 1

    sink = Collect()
    await (streams.amqp.deliveries(queue, url=url, prefetch=1, until_idle=0.2) | sink)

    [delivery] = sink.items
    assert delivery.headers == headers
    assert delivery.properties == properties


async def test_a_delivery_of_another_user_is_not_refused(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("user"), rabbitmq.url
    await declare(url, queue)
    source = memory([Delivery(b"x", {"user_id": "somebody"})])
    await (source | amqp.publish(url, routing_key=queue))
    [message] = await take(url, queue)
    assert message.header.properties.user_id is None


async def test_settings_may_be_functions_of_the_value(rabbitmq: RabbitMQ) -> None:
    url, queues = rabbitmq.url, [unique("even"), unique("odd")]
    for queue in queues:
        await declare(url, queue)
    sink = amqp.publish(
        url,
        routing_key=lambda body: queues[int(body) % 2],
        headers=lambda body: {"n": int(body)},
        properties={"content-type": "text/plain", "expiration": 90.5},
        persistent=False,
    )
    await (memory([b"%d" % number for number in range(10)]) | sink)
    odd = await take(url, queues[1])
    assert [message.header.properties.headers for message in odd] == [
        {"n": n} for n in (1, 3, 5, 7, 9)
    ]
    properties = odd[0].header.properties
    assert (properties.content_type, properties.expiration) == ("text/plain", "90500")
    assert properties.delivery_mode == 1


async def test_a_message_that_no_queue_takes_fails_alone(rabbitmq: RabbitMQ) -> None:
    queue, url, dead = unique("some"), rabbitmq.url, Collect()
    await declare(url, queue)
    bodies = [b"%d" % number for number in range(500)]
    source = memory(bodies, attempts=1, dead_letter=dead)

    def route(body: bytes) -> str:
        return "nowhere" if body == b"250" else queue

    summary = await (source | amqp.publish(url, routing_key=route))

    assert (summary.accepted, summary.rejected) == (499, 1)
    [letter] = dead.items
    assert letter.body == b"250"
    text = letter.headers["x-ackflow-error"]
    assert "PublishRefused" in text
    assert "NO_ROUTE" in text
    assert "exchange '', routing key 'nowhere'" in text
    assert await ready(url, queue) == 499


async def test_unroutable_messages_are_let_go_where_mandatory_is_off(rabbitmq: RabbitMQ) -> None:
    source = memory([b"x"])
    await (source | amqp.publish(rabbitmq.url, routing_key="nowhere", mandatory=False))
    assert source.acked == [b"x"]


async def test_a_return_is_blamed_on_the_right_one_of_two_with_the_same_id(
    rabbitmq: RabbitMQ,
) -> None:
    queue, url, dead = unique("twins"), rabbitmq.url, Collect()
    await declare(url, queue)
    twins = [Delivery(body, {"message_id": "twin"}) for body in (b"bad", b"good") * 20]
    source = memory(twins, attempts=1, dead_letter=dead)

    await (
        source | amqp.publish(url, routing_key=lambda d: "nowhere" if d.body == b"bad" else queue)
    )

    assert Counter(letter.body.body for letter in dead.items) == {b"bad": 20}
    assert Counter(message.body for message in await take(url, queue)) == {b"good": 20}


async def test_a_full_queue_refuses_and_the_message_is_tried_again(rabbitmq: RabbitMQ) -> None:
    queue, url = unique("full"), rabbitmq.url
    await declare(url, queue, **{"x-max-length": 5, "x-overflow": "reject-publish"})
    bodies = [b"%d" % number for number in range(8)]
    source = memory(bodies, wait=lambda state: 0.2, attempts=1000)
    run = (source | amqp.publish(url, routing_key=queue)).start()

    failures = await eventually(lambda: run.stats().failures)
    assert "basic.nack" in failures["PublishRefused"].example
    got = [message.body for message in await take(url, queue)]
    summary = await asyncio.wait_for(run, 20)
    got += [message.body for message in await take(url, queue)]

    assert Counter(got) == Counter(bodies)
    assert summary.accepted == 8


async def test_what_can_not_be_encoded_fails_alone_and_at_once(rabbitmq: RabbitMQ) -> None:
    queue, url, dead = unique("encode"), rabbitmq.url, Collect()
    await declare(url, queue)
    values = [
        b"good",
        17,
        Delivery(b"x", headers={"odd": object()}),
        Delivery(b"x", headers={"long": "x" * 200_000}),
        Delivery(b"x", {"expiration": -1.0}),
        Delivery(b"x", {"priority": 300}),
        "good",
    ]
    source = memory(values, dead_letter=dead)
    summary = await (source | amqp.publish(url, routing_key=queue))
    assert (summary.accepted, summary.dead_lettered) == (2, 5)
    errors = [letter.headers["x-ackflow-error"] for letter in dead.items]
    assert "a body is bytes or str, got int" in errors[0]
    assert "headers: 'odd': AMQP has no type for object" in errors[1]
    assert "don't fit into a frame" in errors[2]
    assert summary.retried == 0
    assert await ready(url, queue) == 2


async def test_an_exchange_that_is_missing_is_an_error_at_start_that_names_it(
    rabbitmq: RabbitMQ,
) -> None:
    source = memory([b"x"])
    with pytest.raises(amqp.PublishRefused, match="no exchange 'missing' in vhost '/'"):
        await (source | amqp.publish(rabbitmq.url, exchange="missing", routing_key="x"))
    assert source.unsettled == []


async def test_a_wrong_password_is_an_error_at_start(rabbitmq: RabbitMQ) -> None:
    url = rabbitmq.url_for("/", "guest", "s3cret")
    with pytest.raises(amqp.PublishRefused, match="refuses user 'guest'") as caught:
        await (memory([b"x"]) | amqp.publish(url, routing_key="x"))
    assert "s3cret" not in str(caught.value)


async def test_an_exchange_that_vanishes_is_named_in_each_failure(rabbitmq: RabbitMQ) -> None:
    exchange, url, dead = unique("gone"), rabbitmq.url, Collect()
    async with channel(url) as own:
        await own.exchange_declare(exchange)
        source = streams.memory.queue(prefetch=100, attempts=1, dead_letter=dead)
        run = (source | amqp.publish(url, exchange=exchange, routing_key="x")).start()
        await eventually(lambda: run.state == "running")
        await asyncio.to_thread(rabbitmq.ctl, "version")
        await own.exchange_delete(exchange)
    source.put(*[b"%d" % number for number in range(20)])
    source.close()
    summary = await asyncio.wait_for(run, 20)

    assert summary.dead_lettered == 20
    for letter in dead.items:
        assert f"no exchange {exchange!r}" in letter.headers["x-ackflow-error"]


async def test_the_one_message_that_costs_the_channel_fails_and_no_other(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    """RabbitMQ ends the channel (406) for a message larger than max_message_size."""
    node, dead = make_rabbitmq(settings={"max_message_size": "1000"}), Collect()
    await declare(node.url, "words")
    bodies = [b"x" * (2000 if number in (30, 31, 77) else number) for number in range(100)]
    source = memory(bodies, attempts=1, dead_letter=dead)

    summary = await (source | amqp.publish(node.url, routing_key="words"))

    assert (summary.accepted, summary.dead_lettered) == (97, 3)
    assert {len(letter.body) for letter in dead.items} == {2000}
    assert "message size 2000" in dead.items[0].headers["x-ackflow-error"]
    got = Counter(len(message.body) for message in await take(node.url, "words"))
    assert set(got) == set(range(100)) - {30, 31, 77}


async def test_headers_must_fit_into_the_brokers_frames_and_bodies_need_not(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    node, dead = make_rabbitmq(settings={"frame_max": "8192"}), Collect()
    await declare(node.url, "words")
    large = Delivery(b"x" * 50_000, headers={"note": "y" * 7_000})
    headed = Delivery(b"x", headers={"note": "y" * 9_000})
    source = memory([large, headed], dead_letter=dead)

    summary = await (source | amqp.publish(node.url, routing_key="words"))

    assert (summary.accepted, summary.dead_lettered) == (1, 1)
    assert "don't fit into a frame" in dead.items[0].headers["x-ackflow-error"]
    assert [len(message.body) for message in await take(node.url, "words")] == [50_000]


async def test_a_cut_connection_loses_nothing(rabbitmq: RabbitMQ) -> None:
    queue, url, count = unique("cut"), rabbitmq.url, 20_000
    await declare(url, queue)
    bodies = [b"%d" % number for number in range(count)]
    source = memory(bodies)
    async with Proxy(url) as proxy:
        run = (source | amqp.publish(proxy.url, routing_key=queue, window=500)).start()
        for number in range(1, 4):
            await eventually(lambda n=number: run.stats().accepted > n * 4000)
            proxy.cut()
        summary = await asyncio.wait_for(run, 60)

    assert summary.accepted == count
    assert sorted(source.acked) == sorted(bodies)
    got = Counter(message.body for message in await take(url, queue))
    assert set(got) == set(bodies)
    assert got.total() - count <= 3 * 500
    assert summary.rejected == summary.requeued == 0


async def test_what_the_broker_has_and_has_not_confirmed_is_published_again(
    rabbitmq: RabbitMQ,
) -> None:
    """A cut between publish and confirm: nobody knows, so it is not done."""
    queue, url, count = unique("unconfirmed"), rabbitmq.url, 300
    await declare(url, queue)
    bodies = [b"%d" % number for number in range(count)]
    source = streams.memory.queue(prefetch=1000)
    async with Proxy(url) as proxy:
        run = (source | amqp.publish(proxy.url, routing_key=queue, window=100)).start()
        await eventually(lambda: run.state == "running" and proxy.connections)
        proxy.latency = 0.5
        source.put(*bodies)
        arrived = await eventually(lambda: ready(url, queue))
        assert source.acked == []
        proxy.latency = 0.0
        proxy.cut()
        await eventually(lambda: len(source.acked) == count)
        summary = await run.drain()

    got = Counter(message.body for message in await take(url, queue))
    assert set(got) == set(bodies)
    assert arrived <= got.total() - count <= 100
    assert (summary.accepted, summary.rejected, summary.requeued) == (count, 0, 0)
    assert (summary.retried, summary.failures) == (0, {})


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_killed_broker_has_all_that_was_accepted_and_gets_the_rest_again(
    own_rabbitmq: RabbitMQ, kind: str
) -> None:
    url, count, window = own_rabbitmq.url, 20_000, 256
    await declare(url, "words", **{"x-queue-type": kind})
    await asyncio.to_thread(own_rabbitmq.remember)
    bodies = [b"%d" % number for number in range(count)]
    source = memory(bodies)
    run = (source | amqp.publish(url, routing_key="words", window=window)).start()
    await eventually(lambda: run.stats().accepted > 2000)
    await asyncio.to_thread(own_rabbitmq.kill)
    accepted = set(source.acked)
    await eventually(lambda: run.state.startswith("halted: amqp.publish"))
    assert len(accepted) < count

    await asyncio.to_thread(own_rabbitmq.start)
    summary = await asyncio.wait_for(run, 60)

    got = Counter(message.body for message in await take(url, "words"))
    assert accepted <= set(got)
    assert set(got) == set(bodies)
    assert got.total() - count <= window
    assert (summary.accepted, summary.rejected, summary.requeued) == (count, 0, 0)
    assert (summary.retried, summary.failures) == (0, {})


async def test_a_drain_while_the_broker_is_away_gives_back_what_is_unconfirmed(
    rabbitmq: RabbitMQ,
) -> None:
    queue, url, bodies = unique("away"), rabbitmq.url, [b"%d" % number for number in range(50)]
    await declare(url, queue)
    source = streams.memory.queue(prefetch=100)
    async with Proxy(url) as proxy:
        run = (source | amqp.publish(proxy.url, routing_key=queue)).start()
        await eventually(lambda: run.state == "running" and proxy.connections)
        proxy.latency = 0.5
        source.put(*bodies)
        await eventually(lambda: ready(url, queue))
        proxy.refusing = True
        proxy.cut()
        await eventually(lambda: run.state.startswith("halted: amqp.publish"))
        summary = await run.drain(2.0)
    assert (source.acked, source.rejected, source.unsettled) == ([], [], [])
    assert Counter(source.requeued) == Counter(bodies)
    assert (summary.accepted, summary.failures) == (0, {})


async def test_a_queue_that_goes_away_returns_messages_until_it_is_back(
    rabbitmq: RabbitMQ,
) -> None:
    queue, url = unique("gone"), rabbitmq.url
    await declare(url, queue)
    source = streams.memory.queue(prefetch=100, wait=lambda state: 0.2, attempts=1000)
    run = (source | amqp.publish(url, routing_key=queue)).start()
    source.put(b"before")
    await eventually(lambda: run.stats().accepted == 1)
    async with channel(url) as own:
        await own.queue_delete(queue)
    bodies = [b"%d" % number for number in range(20)]
    source.put(*bodies)
    failures = await eventually(lambda: run.stats().failures)
    assert "NO_ROUTE" in failures["PublishRefused"].example
    assert run.stats().accepted == 1
    await declare(url, queue)
    await eventually(lambda: run.stats().accepted == 21)
    await run.drain()
    assert Counter(message.body for message in await take(url, queue)) == Counter(bodies)


async def test_a_broker_that_is_away_at_start_halts_until_it_is_there(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    port = free_port()
    source = memory([b"x"])
    run = (source | amqp.publish(f"amqp://127.0.0.1:{port}/", routing_key="words")).start()
    await eventually(lambda: "nothing listens" in run.state)
    node = await asyncio.to_thread(make_rabbitmq, port=port)
    await declare(node.url, "words")
    summary = await asyncio.wait_for(run, 30)
    assert summary.accepted == 1


async def test_a_memory_alarm_halts_publishing_but_no_ack(own_rabbitmq: RabbitMQ) -> None:
    """Consuming has a connection of its own: acks on one that publishes would not be read."""
    url = own_rabbitmq.url
    for queue in ("from", "to"):
        await declare(url, queue)
    bodies = [b"%d" % number for number in range(300)]
    await fill(url, "from", bodies)
    await asyncio.to_thread(own_rabbitmq.set_memory_watermark, 0)

    copying = streams.amqp.queue("from", url=url, prefetch=100)
    run = (copying | amqp.publish(url, routing_key="to")).start()
    await eventually(lambda: "blocks publishers" in run.state)
    assert await ready(url, "from") == 200
    sink = Collect()
    await (streams.amqp.queue("from", url=url, prefetch=10, until_idle=0.5) | sink)
    assert len(sink.items) == 200

    await asyncio.to_thread(own_rabbitmq.set_memory_watermark, 0.4)
    await eventually(lambda: run.stats().accepted == 100)
    await run.drain()
    got = [message.body for message in await take(url, "to")]
    assert Counter(got) == Counter(bodies[:100])
    assert run.stats().requeued == 0


async def test_a_memory_alarm_in_the_middle_halts_and_costs_and_repeats_nothing(
    own_rabbitmq: RabbitMQ,
) -> None:
    url, count = own_rabbitmq.url, 20_000
    await declare(url, "words")
    bodies = [b"%d" % number for number in range(count)]
    source = streams.memory.queue(bodies[: count // 2], prefetch=1000)
    run = (source | amqp.publish(url, routing_key="words", window=64)).start()
    await eventually(lambda: run.stats().accepted > 500)
    await asyncio.to_thread(own_rabbitmq.set_memory_watermark, 0)
    # Setting it takes longer than publishing any fixed number may.
    source.put(*bodies[count // 2 :])
    source.close()
    await eventually(
        lambda: (
            run.state.startswith("halted: amqp.publish: ")
            and "the broker blocks publishers" in run.state
        )
    )
    stopped = await eventually(lambda: ready(url, "words"))
    assert stopped < count
    await asyncio.sleep(1.0)  # twice as long as a publisher waits before it looks again
    assert await ready(url, "words") == stopped
    assert run.state.startswith("halted: amqp.publish: ")

    await asyncio.to_thread(own_rabbitmq.set_memory_watermark, 0.4)
    summary = await asyncio.wait_for(run, 60)
    assert Counter(message.body for message in await take(url, "words")) == Counter(bodies)
    assert (summary.accepted, summary.retried, summary.failures) == (count, 0, {})


async def test_what_is_unacked_for_long_behind_a_blocked_publisher_goes_back(
    own_rabbitmq: RabbitMQ,
) -> None:
    """Past half of consumer_timeout the messages are returned, and come again."""
    url = own_rabbitmq.url
    for queue in ("from", "to"):
        await declare(url, queue)
    bodies = [b"%d" % number for number in range(100)]
    await fill(url, "from", bodies)
    await asyncio.to_thread(own_rabbitmq.set_memory_watermark, 0)

    copying = streams.amqp.queue("from", url=url, prefetch=10, consumer_timeout=4.0)
    run = (copying | amqp.publish(url, routing_key="to")).start()
    await eventually(lambda: "blocks publishers" in run.state)
    await eventually(lambda: "was given back until the outage is over" in run.state)
    assert await eventually(lambda: _holds(url, "from", 100))
    assert await ready(url, "to") == 0

    await asyncio.to_thread(own_rabbitmq.set_memory_watermark, 0.4)
    await eventually(lambda: run.stats().accepted == 100)
    summary = await run.drain()
    got = Counter(message.body for message in await take(url, "to"))
    assert set(got) == set(bodies)
    # What was in the broker's socket when it stopped to read is published then, and comes again too.
    assert got.total() - 100 <= 10
    assert await ready(url, "from") == 0
    assert (summary.rejected, summary.retried, summary.failures) == (0, 0, {})


async def _holds(url: str, queue: str, count: int) -> bool:
    return await ready(url, queue) == count


async def test_a_sink_that_publishes_takes_dead_letters(rabbitmq: RabbitMQ) -> None:
    queue, dead, url = unique("letters"), unique("dead"), rabbitmq.url
    await declare(url, queue)
    await declare(url, dead)
    async with channel(url) as own:
        properties = aiormq.spec.Basic.Properties(headers={"lang": "pt"}, content_type="text/x")
        await own.basic_publish(b"bad", routing_key=queue, properties=properties)

    def refuse(_: bytes) -> None:
        raise ValueError("not JSON")

    source = streams.amqp.queue(
        queue,
        url=url,
        prefetch=10,
        until_idle=0.3,
        dead_letter=amqp.publish(url, routing_key=dead),
    )
    summary = await (source | Collect(refuse))

    assert summary.dead_lettered == 1
    [letter] = await take(url, dead)
    headers: Any = letter.header.properties.headers
    assert letter.body == b"bad"
    assert letter.header.properties.content_type == "text/x"
    assert headers["lang"] == "pt"
    assert headers["x-ackflow-error"] == "ValueError: not JSON"
    assert headers["x-ackflow-source"] == queue
    assert await ready(url, queue) == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"window": 0}, "window must be a whole number from 1"),
        ({"routing_key": "x" * 256}, "at most 255 bytes"),
        ({"properties": {"colour": "red"}}, "no property 'colour'"),
        ({"headers": {"x": 2**70}}, "does not fit"),
        ({"url": "http://x/"}, "must begin with amqp://"),
    ],
)
def test_settings_that_can_not_be_meant_raise_where_they_are_written(
    settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        amqp.publish(**{"routing_key": "words", **settings})


def test_a_routing_key_of_another_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a text or a function of the value, got 5"):
        amqp.publish(routing_key=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="routing_ky"):
        amqp.publish(routing_ky="words")  # type: ignore[call-arg]


def test_the_password_does_not_show() -> None:
    sink = amqp.publish("amqp://ana:s3cret@broker/", routing_key="words")
    assert "s3cret" not in repr(sink)
    assert "ana@broker" in repr(sink)
