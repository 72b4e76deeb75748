"""The failure ladder (contract 6) on a real broker: held, retry queue, pause, dead letter."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Delivery, Requeue
from tests.end_to_end.tools import (
    KINDS,
    Worker,
    fill,
    fresh,
    ready,
    taken,
    until,
    until_ready,
)
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.parametrize("kind", KINDS)


def now() -> float:
    return asyncio.get_running_loop().time()


def broken(_: Any) -> Any:
    raise RuntimeError("broken")


def refused(_: Any) -> Any:
    raise ValueError("no use")


# -- held -------------------------------------------------------------------------------------------


async def test_a_held_message_comes_again_at_a_growing_pace_and_the_broker_hears_nothing_of_it(
    rabbitmq: RabbitMQ, kind: Any
) -> None:
    queue, times = fresh("held"), list[float]()
    await fill(rabbitmq, queue, [b"x"], kind)

    def work(delivery: Delivery) -> Delivery:
        assert (delivery.redelivered, delivery.delivery_count) == (False, 0)
        times.append(now())
        raise RuntimeError("broken")

    waits = [0.1, 0.2, 0.4, 3600.0]
    source = streams.amqp.deliveries(
        queue, url=rabbitmq.url, wait=lambda s: waits[s.attempt_number - 1], consumer_timeout=None
    )
    handle = (source | op.map(work) | sinks.to_list()).start()
    await until(lambda: len(times) == 4 and handle.stats().held == 1, "four attempts")
    assert await ready(rabbitmq, queue) == 0
    summary = await handle.drain()

    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= wait - 0.001 for gap, wait in zip(gaps, waits, strict=False))
    assert (summary.delivered, summary.retried, summary.requeued) == (1, 3, 1)
    # Four attempts, and it went back once: when this ended.
    [message] = await taken(rabbitmq, queue)
    assert message.redelivered
    assert message.headers.get("x-delivery-count", 1) == 1
    assert "x-ackflow-attempts" not in message.headers


async def test_others_overtake_what_is_held(rabbitmq: RabbitMQ, kind: Any) -> None:
    queue, seen, failed = fresh("overtaken"), list[bytes](), list[bytes]()
    await fill(rabbitmq, queue, [b"%d" % n for n in range(500)], kind)

    def once(body: bytes) -> bytes:
        if body == b"3" and not failed:
            failed.append(body)
            raise RuntimeError("the first time")
        return body

    source = streams.amqp.queue(
        queue, url=rabbitmq.url, prefetch=16, wait=lambda _: 1.5, until_idle=0.3
    )
    summary = await (source | op.map(once) | sinks.each(seen.append))
    assert seen == [*(b"%d" % n for n in range(500) if n != 3), b"3"]
    assert (summary.delivered, summary.accepted, summary.retried) == (500, 500, 1)


async def test_without_a_retry_queue_intake_pauses_at_a_quarter_of_prefetch_and_says_so(
    rabbitmq: RabbitMQ, kind: Any, caplog: Any
) -> None:
    queue, seen, mended = fresh("pause"), list[bytes](), False
    await fill(rabbitmq, queue, [b"%d" % n for n in range(40)], kind)

    def work(body: bytes) -> bytes:
        if not mended:
            raise RuntimeError("broken")
        return body

    source = streams.amqp.queue(
        queue, url=rabbitmq.url, prefetch=8, attempts=1000, wait=lambda _: 0.5, until_idle=0.5
    )
    handle = (source | op.map(work) | sinks.each(seen.append)).start()
    await until(lambda: handle.stats().retried >= 16, "some rounds")
    assert handle.stats().delivered == 8
    assert await ready(rabbitmq, queue) == 32
    warnings = [text for text in caplog.messages if "intake pauses" in text]
    assert warnings == [
        f"amqp queue {queue}: intake pauses, since a quarter of prefetch is held after failures; "
        "dead_letter= or retry_queue=True lets it go on"
    ]
    mended = True
    summary = await handle
    assert Counter(seen) == Counter(b"%d" % n for n in range(40))
    assert (summary.delivered, summary.accepted, summary.rejected) == (40, 40, 0)


# -- the retry queue --------------------------------------------------------------------------------


async def test_beyond_a_quarter_of_prefetch_messages_wait_in_the_retry_queue_and_intake_goes_on(
    rabbitmq: RabbitMQ, kind: Any, caplog: Any
) -> None:
    queue, seen = fresh("beyond"), list[bytes]()
    await fill(rabbitmq, queue, [b"fail-%d" % n for n in range(40)] + [b"good"] * 40, kind)

    def work(body: bytes) -> bytes:
        if body.startswith(b"fail"):
            raise RuntimeError("broken")
        return body

    source = streams.amqp.queue(
        queue, url=rabbitmq.url, prefetch=8, wait=lambda _: 3600.0, retry_queue=True,
        consumer_timeout=None,
    )  # fmt: skip
    handle = (source | op.map(work) | sinks.each(seen.append)).start()
    await until_ready(rabbitmq, {queue: 0, f"{queue}.retry": 38})
    await until(lambda: len(seen) == 40, "intake goes on")
    assert handle.stats().held == 2
    assert not any("intake pauses" in text for text in caplog.messages)
    summary = await handle.drain()
    assert (summary.accepted, summary.requeued, summary.rejected) == (40, 40, 0)
    await until_ready(rabbitmq, {queue: 2, f"{queue}.retry": 38})
    letters = await taken(rabbitmq, f"{queue}.retry")
    assert {letter.headers["x-ackflow-attempts"] for letter in letters} == {1}
    assert not any("x-ackflow-error" in letter.headers for letter in letters)


ATTEMPTS = 4
FAILING = [b"fail-%d" % n for n in range(6)]
ACKED = 0.5
"""Seconds after which what went to the retry queue is acked; cut before that it would be there twice."""


async def test_attempts_go_on_counting_through_the_retry_queue_and_a_lost_connection(
    rabbitmq: RabbitMQ, kind: Any
) -> None:
    queue, dead, tries = fresh("reconnect"), sinks.to_list(), Counter[bytes]()
    # The first is held for long, and a quarter of 4 is one: all others go through the retry queue.
    await fill(rabbitmq, queue, [b"wait", *FAILING], kind)

    def work(body: bytes) -> bytes:
        tries[body] += 1
        raise Requeue("held", after=3600) if body == b"wait" else RuntimeError("never")

    async with Proxy(rabbitmq.url) as proxy:
        source = streams.amqp.queue(
            queue, url=proxy.url, prefetch=4, attempts=ATTEMPTS, wait=lambda _: 2.0,
            retry_queue=True, dead_letter=dead, consumer_timeout=None,
        )  # fmt: skip
        handle = (source | op.map(work) | sinks.to_list()).start()
        await until_ready(rabbitmq, {queue: 0, f"{queue}.retry": len(FAILING)})
        await asyncio.sleep(ACKED)
        proxy.cut()
        await until(lambda: handle.stats().dead_lettered == len(FAILING), "all given up")
        await handle.drain()
    assert handle.stats().reconnects == 1
    assert {body: tries[body] for body in FAILING} == dict.fromkeys(FAILING, ATTEMPTS)
    assert {letter.headers["x-ackflow-attempts"] for letter in dead.values} == {ATTEMPTS}
    assert sorted(letter.body for letter in dead.values) == FAILING
    assert [m.body for m in await taken(rabbitmq, queue)] == [b"wait"]


async def test_attempts_go_on_counting_through_the_retry_queue_and_a_killed_process(
    rabbitmq: RabbitMQ, kind: Any, tmp_path: Path
) -> None:
    queue, graveyard, log = fresh("restart"), fresh("graveyard"), tmp_path / "log"
    await fill(rabbitmq, graveyard, [])
    await fill(rabbitmq, queue, [b"wait", *FAILING], kind)
    settings = {"prefetch": 4, "attempts": ATTEMPTS, "wait": 2.0, "retry_queue": True}
    async with Worker(
        url=rabbitmq.url, queue=queue, dead=graveyard, log=str(log), **settings
    ) as worker:
        await until_ready(rabbitmq, {queue: 0, f"{queue}.retry": len(FAILING)})
        await asyncio.sleep(ACKED)
        worker.kill()
        await until_ready(rabbitmq, {graveyard: len(FAILING)})
    assert worker.starts == 2
    tries = Counter(log.read_bytes().split())
    assert {body: tries[body] for body in FAILING} == dict.fromkeys(FAILING, ATTEMPTS)
    letters = await taken(rabbitmq, graveyard)
    assert {letter.headers["x-ackflow-attempts"] for letter in letters} == {ATTEMPTS}
    assert sorted(letter.body for letter in letters) == FAILING


# -- dead letters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "error", "text", "attempts"),
    [(broken, "RuntimeError", "broken", 3), (refused, "ValueError", "no use", 1)],
)
async def test_a_dead_letter_is_the_original_with_what_went_wrong_in_its_headers(
    rabbitmq: RabbitMQ,
    kind: Any,
    work: Callable[[Any], Any],
    error: str,
    text: str,
    attempts: int,
) -> None:
    queue, graveyard = fresh("original"), fresh("graveyard")
    await fill(rabbitmq, queue, [], kind)
    await fill(rabbitmq, graveyard, [], kind)
    moment = datetime(2026, 8, 1, 12, tzinfo=UTC)
    properties = {
        "content_type": "application/x-word",
        "content_encoding": "identity",
        "correlation_id": "c",
        "message_id": "m",
        "type": "word",
        "app_id": "test",
        "reply_to": "answers",
        "priority": 3,
    }
    headers = {"language": "pt", "deep": {"list": [1, None, "ã"]}}
    sink = sinks.amqp.publish(
        rabbitmq.url, routing_key=queue, headers=headers,
        properties={**properties, "timestamp": moment, "expiration": 600},
    )  # fmt: skip
    await (streams.of("olá".encode()) | sink)
    before = datetime.now(UTC).replace(microsecond=0)

    source = streams.amqp.queue(
        queue, url=rabbitmq.url, attempts=3, wait=lambda _: 0.1, until_idle=0.3,
        dead_letter=sinks.amqp.publish(rabbitmq.url, routing_key=graveyard),
    )  # fmt: skip
    summary = await (source | op.map(work) | sinks.count())

    assert summary == 0
    [letter] = await taken(rabbitmq, graveyard)
    assert letter.body == "olá".encode()
    assert {name: getattr(letter, name) for name in properties} == properties
    assert letter.timestamp == moment
    assert letter.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert letter.expiration is None, "it would expire once more"
    own = {name: value for name, value in letter.headers.items() if name != "x-delivery-count"}
    told = datetime.fromisoformat(str(own.pop("x-ackflow-time")))
    assert before <= told <= datetime.now(UTC)
    assert own == {
        **headers,
        "x-ackflow-error-type": error,
        "x-ackflow-error": f"{error}: {text}",
        "x-ackflow-attempts": attempts,
        "x-ackflow-source": queue,
    }
    assert await ready(rabbitmq, queue) == 0


async def test_exchange_rejects_into_the_queues_own_dead_letter_exchange(
    rabbitmq: RabbitMQ, kind: Any
) -> None:
    queue, graveyard = fresh("exchange"), fresh("graveyard")
    declared = streams.amqp.Declare(kind, dead_letter_queue=graveyard)
    await fill(rabbitmq, queue, [b"fail-1", b"good", b"fail-2"], declared)
    tries: Counter[bytes] = Counter()

    def work(body: bytes) -> bytes:
        tries[body] += 1
        return broken(body) if body.startswith(b"fail") else body

    source = streams.amqp.queue(
        queue, url=rabbitmq.url, declare=declared, attempts=2, wait=lambda _: 0.1, until_idle=0.3,
        dead_letter="exchange",
    )  # fmt: skip
    pipeline = source | op.map(work) | sinks.to_list()
    assert await pipeline == [b"good"]
    assert (pipeline.summary.rejected, pipeline.summary.dead_lettered) == (2, 0)
    assert tries == {b"fail-1": 2, b"good": 1, b"fail-2": 2}
    await until_ready(rabbitmq, {queue: 0, graveyard: 2})
    letters = await taken(rabbitmq, graveyard)
    assert [letter.body for letter in letters] == [b"fail-1", b"fail-2"]
    deaths: list[Any] = [letter.headers["x-death"] for letter in letters]
    assert [death["reason"] for (death,) in deaths] == ["rejected", "rejected"]


async def test_discard_drops_what_fails_for_good_and_counts_it(
    rabbitmq: RabbitMQ, kind: Any
) -> None:
    queue = fresh("discard")
    await fill(rabbitmq, queue, [b"1", b"x", b"3"], kind)
    source = streams.amqp.queue(queue, url=rabbitmq.url, until_idle=0.3, dead_letter="discard")
    pipeline = source | op.map(int) | sinks.to_list()
    assert await pipeline == [1, 3]
    summary = pipeline.summary
    assert (summary.accepted, summary.rejected, summary.dead_lettered) == (2, 1, 0)
    assert "1 × ValueError in map" in str(summary)
    assert await ready(rabbitmq, queue) == 0


async def test_without_a_dead_letter_a_message_is_kept_at_the_longest_pace_and_the_summary_says_so(
    rabbitmq: RabbitMQ, kind: Any, caplog: Any
) -> None:
    queue, times = fresh("kept"), list[float]()
    await fill(rabbitmq, queue, [b"1", b"x", b"3"], kind)

    def work(body: bytes) -> int:
        if body == b"x":
            times.append(now())
        return int(body)

    def wait(state: Any) -> float:
        return 0.4 if state.attempt_number >= 64 else 0.0

    source = streams.amqp.queue(queue, url=rabbitmq.url, prefetch=10, wait=wait)
    handle = (source | op.map(work) | sinks.to_list()).start()
    await until(lambda: len(times) == 4 and handle.stats().held == 1, "it comes again and again")
    assert "1 held" in str(handle.stats())
    assert all(later - earlier >= 0.399 for earlier, later in pairwise(times))
    assert len([text for text in caplog.messages if "failed for good" in text]) == 1
    summary = await handle.drain()
    assert (summary.delivered, summary.accepted, summary.rejected) == (3, 2, 0)
    assert "ValueError in map" in str(summary)
    assert [message.body for message in await taken(rabbitmq, queue)] == [b"x"]


async def test_a_dead_letter_that_is_refused_is_offered_again_and_its_message_is_not_acked(
    rabbitmq: RabbitMQ, kind: Any
) -> None:
    """The queue for dead letters is full: the broker refuses the second one with basic.nack."""
    queue, graveyard = fresh("full"), fresh("graveyard")
    room_for_one = {"x-max-length": 1, "x-overflow": "reject-publish"}
    full = streams.amqp.Declare("classic", arguments=room_for_one)
    await fill(rabbitmq, graveyard, [], full)
    await fill(rabbitmq, queue, [b"a", b"b"], kind)

    source = streams.amqp.queue(
        queue, url=rabbitmq.url, wait=lambda _: 0.2, prefetch=10,
        dead_letter=sinks.amqp.publish(rabbitmq.url, routing_key=graveyard),
    )  # fmt: skip
    pipeline = source | op.map(refused) | sinks.to_list()
    handle = pipeline.start()
    await until(lambda: handle.stats().retried >= 3, "it is offered again")
    assert handle.stats().dead_lettered == handle.stats().rejected == 1
    assert handle.stats().failures["PublishRefused"].stage == "amqp.publish"
    await handle.drain()
    await until_ready(rabbitmq, {queue: 1, graveyard: 1})

    handle = pipeline.start()
    await until(lambda: handle.stats().retried >= 2, "and in the next run, too")
    first = await taken(rabbitmq, graveyard)
    await until(lambda: handle.stats().dead_lettered == 1, "there is room again")
    await handle.drain()
    bodies = [message.body for message in [*first, *await taken(rabbitmq, graveyard)]]
    assert sorted(bodies) == [b"a", b"b"]
    assert await ready(rabbitmq, queue) == 0


async def test_dead_letters_wait_where_their_broker_is_away_and_others_pass(
    rabbitmq: RabbitMQ, kind: Any
) -> None:
    queue, graveyard, seen = fresh("away"), fresh("graveyard"), list[int]()
    await fill(rabbitmq, graveyard, [])
    await fill(rabbitmq, queue, [b"x", *(b"%d" % n for n in range(200))], kind)
    gate = asyncio.Event()

    async def work(body: bytes) -> int:
        await gate.wait()
        return int(body)

    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(rabbitmq.url))
        source = streams.amqp.queue(
            queue, url=rabbitmq.url, prefetch=20, wait=lambda _: 0.2,
            dead_letter=sinks.amqp.publish(proxy.url, routing_key=graveyard),
        )  # fmt: skip
        handle = (source | op.map_async(work) | sinks.each(seen.append)).start()
        await until(lambda: handle.stats().delivered, "connected")
        proxy.refusing = True
        proxy.cut()
        gate.set()
        await until(lambda: handle.state.startswith("halted: amqp.publish"), "halted")
        await until(lambda: len(seen) == 200, "others pass")
        assert handle.stats().rejected == handle.stats().retried == 0
        proxy.refusing = False
        await until(lambda: handle.stats().dead_lettered == 1, "delivered after all")
        await until(lambda: handle.state == "running", "goes on")
        await handle.drain()
    [letter] = await taken(rabbitmq, graveyard)
    assert (letter.body, letter.headers["x-ackflow-attempts"]) == (b"x", 1)
    assert await ready(rabbitmq, queue) == 0
