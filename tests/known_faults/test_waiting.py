"""Faults that others have in waiting: stalls, floods, drains. Each comment names whose, and where."""

import asyncio
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.testing import FlakySink, VirtualClock, assert_settled

pytestmark = pytest.mark.usefixtures("virtual_clock")


JOINERS: dict[str, Any] = {
    "chunk": op.chunk(10, timeout=None),
    "chunk by key": op.chunk(10, timeout=None, key=lambda n: n % 2),
    "chunks of chunks": op.chunk(4, timeout=None) | op.chunk(10, timeout=None),
    "window": op.window(count=10),
    "in a branch": op.broadcast(op.chunk(10, timeout=None), op.chunk(20, timeout=None)),
    "in a key's way": op.partition(lambda n: n % 2, op.chunk(10, timeout=None), idle=None),
}


# Benthos 4.76 (batcher.go:115; connect#216, connect#263): a batch that waits for its number is only
# flushed when its input closes, which waits for the acks of that batch, until the time is up.
@pytest.mark.parametrize("joiner", JOINERS)
async def test_a_drain_writes_what_a_joiner_has_and_waits_for_nothing(
    joiner: str, virtual_clock: VirtualClock
) -> None:
    queue = streams.memory.queue(range(7), prefetch=100)
    run = (queue | JOINERS[joiner] | sinks.count()).start()
    await virtual_clock.advance(100)
    assert queue.acked == []
    await run.drain()
    assert virtual_clock.now < 101
    assert_settled(queue, acked=list(range(7)), in_order=False)


# Redpanda Connect: 10 unacked at most and batches of 256 without a time hang. action_subscriber PR#96,
# spring-amqp PR#613: the same. asyncworker makes batches of 10 out of them without a word.
async def test_a_chunk_that_prefetch_can_not_fill_is_refused_with_the_numbers() -> None:
    queue = streams.memory.queue(range(20), prefetch=10)
    with pytest.raises(ValueError, match=r"256.*10|10.*256"):
        queue | op.chunk(256, timeout=None) | sinks.count()


# Two joiners that share what prefetch lets out, so that neither is ever full.
@pytest.mark.parametrize("joiner", ["chunk by key", "in a key's way"])
async def test_joiners_that_share_a_prefetch_let_go_of_what_they_have(
    joiner: str, virtual_clock: VirtualClock
) -> None:
    queue = streams.memory.queue(range(100), prefetch=11)
    run = (queue | JOINERS[joiner] | sinks.count()).start()
    await virtual_clock.advance(1)
    assert len(queue.acked) >= 80
    await run.drain()


# fs2-rabbit (AckConsuming.scala:31): a prefetch of 1 unless told otherwise, and so batches of 1.
async def test_a_chunk_is_filled_where_nobody_gave_a_prefetch(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue(range(1000))
    sink = FlakySink()
    run = (queue | op.chunk(256, timeout=10.0) | sink).start()
    await virtual_clock.advance(1)
    assert list(map(len, sink.calls)) == [256, 256, 256]
    await run.drain()


# Vector takes in without limit unless told otherwise (amqp.rs:112); SmallRye into a queue of 500,000
# (RabbitMQConnector.java:107); Broadway's buffer drops what is beyond it, which is never acked.
async def test_a_slow_sink_holds_up_the_broker_and_drops_nothing(
    virtual_clock: VirtualClock,
) -> None:
    queue = streams.memory.queue(range(10_000))
    most = 0

    async def store(value: int) -> None:
        nonlocal most
        most = max(most, len(queue.unsettled))
        await asyncio.sleep(0.001)

    run = (queue | op.tap(str) | sinks.each(store)).start()
    await virtual_clock.advance(3)
    await run.drain()
    assert most <= 64
    assert len(queue.acked) + len(queue.ready) == 10_000


# aio-pika 9.6 (queue.py:577; aio-pika#139, #604): the iterator closes its consumer when a wait for the
# next message times out, which is how one would make chunks. nats.py#392 loses the message.
async def test_a_chunk_whose_time_is_up_costs_neither_consumer_nor_message(
    virtual_clock: VirtualClock,
) -> None:
    queue = streams.memory.queue([0], prefetch=100)
    connected: list[float] = []
    queue.watch(lambda: connected.append(virtual_clock.now))
    sink = FlakySink()
    run = (queue | op.chunk(10, timeout=1.0) | sink).start()
    for n in range(1, 20):
        await virtual_clock.advance(0.7)
        queue.put(n)
    await virtual_clock.advance(2)
    assert sink.accepted == list(range(20))
    assert queue.channels == 1
    summary = await run.drain()
    assert summary.reconnects == 0
    assert all(len(call) <= 2 for call in sink.calls)
