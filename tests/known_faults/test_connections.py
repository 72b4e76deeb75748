"""Faults that others have when a connection breaks. Each comment names whose, and where."""

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import AckflowError, SourceError
from ackflow.streams.testing import FlakySink, VirtualClock, assert_settled
from tests.queues import closed

pytestmark = pytest.mark.usefixtures("virtual_clock")


# SmallRye RabbitMQ (ClientHolder.java:71): a bare tag is acked over whatever connection there is now,
# where it is another message's. aio-pika 9.6 (message.py:389; taskiq-aio-pika PR#59) raises instead,
# and crashes workers.
async def test_an_old_tag_settles_nothing_on_a_new_connection_and_raises_nothing(
    virtual_clock: VirtualClock,
) -> None:
    queue: Any = streams.memory.queue(["a", "b"], prefetch=10)
    async with aclosing(queue.messages()) as messages:
        old = [await anext(messages), await anext(messages)]
        queue.disconnect()
        new = [await anext(messages), await anext(messages)]
        old[0].ack()
        old[1].reject("no")
        await virtual_clock.advance(1)
        assert queue.unsettled == ["a", "b"]
        assert all(message.stale for message in old)
        for message in new:
            message.ack()
    assert queue.acked == ["a", "b"]
    assert queue.rejected == []


# foo-foo-mq#16: acks that were waiting to go out together went out after a reconnect, for tags that
# the new channel did not know, and killed it.
async def test_acks_that_wait_when_the_connection_breaks_are_never_sent(
    virtual_clock: VirtualClock,
) -> None:
    queue = streams.memory.queue(range(5), prefetch=100)
    sink = FlakySink()
    run = (queue | sink).start()
    await virtual_clock.advance(0.02)
    assert (sink.accepted, queue.acked) == ([0, 1, 2, 3, 4], [])
    queue.disconnect()
    await virtual_clock.advance(60)
    summary = await run.drain()
    assert summary.reconnects == 1
    assert sink.accepted == [0, 1, 2, 3, 4] * 2
    assert_settled(queue, acked=list(range(5)), requeued=list(range(5)))


# Broadway (acknowledger.ex:65): acks of one batch go out channel by channel, and where one of these
# is dead, those of the others are never sent.
@pytest.mark.parametrize("dead", [0, 1])
async def test_a_dead_connection_takes_no_acks_of_a_living_one_along(
    dead: int, virtual_clock: VirtualClock
) -> None:
    queues: list[Any] = [streams.memory.queue([f"{n}{i}" for i in range(3)]) for n in "ab"]
    sink = FlakySink([5.0])
    run = (queues[0] | op.merge(queues[1]) | op.chunk(6) | sink).start()
    await virtual_clock.advance(1)
    queues[dead].disconnect()
    await virtual_clock.advance(4.5)
    alive, lost = queues[1 - dead], queues[dead]
    assert len(alive.acked) == 3
    assert lost.acked == []
    await virtual_clock.advance(10)
    assert len(lost.acked) == 3
    assert Counter(sink.accepted) == Counter([*alive.acked, *lost.acked, *lost.acked])
    await run.drain()


KEEPING: dict[str, Any] = {
    "chunk": op.chunk(100, timeout=5.0) | op.unchunk(),
    "chunk by key": op.chunk(100, timeout=5.0, key=lambda n: n % 3) | op.unchunk(),
    "window": op.window(every=5.0, max_items=100) | op.unchunk(),
    "delay": op.delay(5.0),
    "calls in order": op.map_async(lambda n: asyncio.sleep(5.0, n), concurrency=3)
    | op.chunk(100, timeout=9.0)
    | op.unchunk(),
    "partition": op.partition(lambda n: n % 3, op.delay(5.0)),
    "broadcast": op.broadcast(op.delay(5.0), op.delay(5.0) | op.filter(lambda n: False)),
    "distinct": op.distinct() | op.delay(5.0),
}


# aio-pika's iterator (aio-pika#312, #501) and asyncworker keep what they had buffered when the
# connection breaks: 30 deliveries of 20 messages, and a bulk with both copies of a message.
@pytest.mark.parametrize("keeping", KEEPING)
async def test_what_waits_when_the_connection_breaks_is_worked_on_once(
    keeping: str, virtual_clock: VirtualClock
) -> None:
    queue = streams.memory.queue(range(6), prefetch=100)
    seen: list[int] = []
    sink = FlakySink()
    run = (queue | KEEPING[keeping] | op.tap(seen.append) | sink).start()
    await virtual_clock.advance(1)
    queue.disconnect()
    await virtual_clock.advance(60)
    assert Counter(seen) == Counter(sink.accepted) == Counter(range(6))
    assert sorted(queue.acked) == list(range(6))
    await run.drain()


WAITING: dict[str, tuple[Any, set[int]]] = {
    "in a run": (op.tap(str), {0}),
    "in a buffer": (op.buffer(9), {0}),
    "in chunks": (op.chunk(2), {0, 1}),
    "in chunks in a buffer": (op.chunk(2) | op.buffer(9), {0, 1}),
}


# The same for what waits for a sink: only what was being written may be written twice.
@pytest.mark.parametrize("waiting", WAITING)
async def test_what_waits_for_a_busy_sink_when_the_connection_breaks_is_written_once(
    waiting: str, virtual_clock: VirtualClock
) -> None:
    step, begun = WAITING[waiting]
    queue = streams.memory.queue(range(6), prefetch=100)
    sink = FlakySink([5.0])
    run = (queue | step | sink).start()
    await virtual_clock.advance(1)
    queue.disconnect()
    await virtual_clock.advance(60)
    assert Counter(sink.accepted) == Counter([*range(6), *begun])
    await run.drain()


# aio-pika's robust iterator ends after 60 s without a broker as if the queue had ended; Vector's
# source ends at the first cancel of the broker (amqp.rs:482), and Vector with it at an error.
async def test_an_outage_of_any_length_is_not_the_end(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue([1], prefetch=10)
    sink = FlakySink()
    run = (queue | sink).start()
    await virtual_clock.advance(1)
    queue.fail(SourceError("the broker is away"), times=1000)
    queue.disconnect()
    await virtual_clock.advance(3600)
    assert not run.done
    assert run.state.startswith("halted")
    queue.put(2)
    await virtual_clock.advance(24 * 3600)
    assert sink.accepted == [1, 2]
    await run.drain()


# Pekko's AmqpSource (AmqpSourceStage.scala:70) counts an ack of many messages as one, and never ends.
async def test_an_ack_of_many_gives_credit_for_many() -> None:
    queue = closed(range(1000), prefetch=7)
    summary = await (queue | op.chunk(7) | sinks.count()).start()
    assert summary == 143
    assert_settled(queue, acked=list(range(1000)))


# SmallRye (smallrye#1770): a second ack of a message restarted the client.
async def test_a_second_settlement_raises_and_leaves_the_connection_alone() -> None:
    queue = closed(["a", "b"])
    async for message in queue.messages():
        message.ack()
        with pytest.raises(AckflowError, match="settled twice"):
            message.ack()
        with pytest.raises(AckflowError, match="settled twice"):
            message.reject("no")
        assert queue.channels == 1
    assert_settled(queue, acked=["a", "b"])


# Vector (amqp.rs:464): its loop ends at a shutdown without looking after the acks that are due.
async def test_a_drain_sends_the_acks_that_are_due(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue(range(5), prefetch=100)
    sink = FlakySink()
    run = (queue | sink).start()
    await virtual_clock.advance(0.01)
    assert (len(sink.accepted), queue.acked) == (5, [])
    await run.drain()
    assert_settled(queue, acked=list(range(5)))
