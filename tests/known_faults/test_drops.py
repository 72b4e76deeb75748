"""Faults that others have with what vanishes on its way. Each comment names whose, and where."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue
from ackflow.streams.core import Verb
from ackflow.streams.testing import FlakySink, VirtualClock, assert_settled
from tests.queues import closed

pytestmark = pytest.mark.usefixtures("virtual_clock")


def broken(value: Any) -> Any:
    raise OSError("broken")


async def broken_call(value: Any) -> Any:
    raise OSError("broken")


def broken_half_way(value: Any) -> Any:
    yield value
    raise OSError("broken")


class TooOftenError(BaseException):
    """Ends a run that would never come to the end of a second."""


class Forgetful(streams.Sink[Any, streams.Summary]):
    """A sink that settles nothing of what it is to settle itself."""

    name = "forgetful"

    async def write_messages(self, messages: Any) -> None:
        return None


ALL = sinks.to_list()
WAYS: dict[str, Any] = {
    "an operator that raises": op.map(broken) | ALL,
    "a condition that raises": op.filter(broken) | ALL,
    "a splitter that raises": op.flat_map(broken_half_way) | ALL,
    "a call that raises": op.map_async(broken_call) | ALL,
    "a call that raises, out of order": op.map_async(broken_call, ordered=False) | ALL,
    "a call that is tried again": op.map_async(op.retry(broken_call, wait=lambda _: 0.1)) | ALL,
    "a chunk that raises": op.chunk(2) | op.map_chunk(broken) | ALL,
    "an entry of a chunk": op.chunk(2)
    | op.map_chunk(lambda chunk: [OSError("no")] * len(chunk))
    | ALL,
    "a key that raises": op.partition(broken, op.map(str)) | ALL,
    "a key of a chunk": op.chunk(2, key=broken) | ALL,
    "a key to be distinct by": op.distinct(broken) | ALL,
    "a state that raises": op.scan(lambda state, value: broken(value), 0) | ALL,
    "a route that is missing": sinks.route(str, {"other": ALL}),
    "a route's key that raises": sinks.route(broken, {"other": ALL}),
    "a sink that raises": sinks.each(broken),
    "a sink that forgets": Forgetful(),
    "a branch that raises": sinks.tee(ALL, op.map(broken) | sinks.count(), wait=lambda _: 0.1),
}


# Vector 0.58 (finalization.rs:307; vector#12217, vector#17709): whatever drops an event acks it: an
# error in a transform, a route that nobody takes, a template that can't be rendered.
# streamz 0.6.5 (core.py:806): an exception in map_async is logged, and its message committed.
@pytest.mark.parametrize("way", WAYS)
async def test_what_goes_missing_by_a_fault_is_never_acked(way: str) -> None:
    queue = closed(["a", "b"], attempts=1, dead_letter="exchange")
    await (queue | WAYS[way])
    assert_settled(queue, rejected=["a", "b"], in_order=False)


# The same for an operator of a user's own: what it takes and never hands on was not worked on.
async def test_what_an_operator_of_ones_own_takes_and_forgets_goes_back(
    virtual_clock: VirtualClock,
) -> None:
    @op.operator(holds=1)
    async def swallow(messages: Any) -> Any:
        async for message in messages:
            if message.value != "lost":
                yield message

    queue = streams.memory.queue(["a", "lost", "b"])
    run = (queue | swallow() | sinks.to_list()).start()
    await virtual_clock.advance(3600)
    assert queue.unsettled == ["lost"]
    await run.drain()
    assert_settled(queue, acked=["a", "b"], requeued=["lost"], ready=["lost"])


# Vector 0.58 (sources/amqp.rs:372) acks what it can't decode; fs2-rabbit (ConsumingProgram.scala:74)
# ends the whole stream; asyncworker calls its handler with the whole bulk again, for ever.
async def test_a_body_that_can_not_be_read_fails_alone() -> None:
    bodies = [b'{"n": 1}', b"no json", b"\xff\xfe", b"", b'{"n": 2}']
    queue = closed(bodies, dead_letter="exchange")
    sink = FlakySink()
    await (queue | op.map(json.loads) | op.chunk(5) | sink)
    assert sink.accepted == [{"n": 1}, {"n": 2}]
    assert_settled(queue, acked=[bodies[0], bodies[4]], rejected=bodies[1:4], in_order=False)


# SmallRye: a function that returns null drops its message, and acks it.
async def test_a_function_that_returns_none_drops_nothing() -> None:
    queue = closed([1, 2])
    nothing = op.map(lambda value: None)
    assert await (queue | nothing | sinks.to_list()) == [None, None]
    assert_settled(queue, acked=[1, 2])


PATHS: dict[str, Any] = {
    "nothing": op.map(str),
    "map_async": op.map_async(asyncio.sleep),
    "rate_limit": op.rate_limit(100, per=1.0),
    "delay": op.delay(1.0),
    "buffer": op.buffer(5),
    "chunk": op.chunk(2, timeout=0.1) | op.unchunk(),
    "flat_map": op.flat_map(lambda value: [value, value]),
    "partition": op.partition(lambda value: value, op.map(str)),
    "distinct": op.distinct(),
    "broadcast": op.broadcast(op.map(str), op.map(str)),
    "enumerate": op.enumerate(),
}


# streamz 0.6.5 (core.py:1535, sinks.py:68): rate_limit and async sinks hand back a future, and the
# message is committed before the work has begun. SmallRye acks streams of payloads before processing.
@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_acked_before_the_sinks_work_is_done(
    path: str, virtual_clock: VirtualClock
) -> None:
    queue = streams.memory.queue([0.1, 0.2], prefetch=100)
    done: list[Any] = []

    async def store(value: Any) -> None:
        await asyncio.sleep(50)
        done.append(value)

    run = (queue | PATHS[path] | sinks.each(store, concurrency=10)).start()
    await virtual_clock.advance(49)
    assert (queue.acked, done) == ([], [])
    await virtual_clock.advance(10)
    assert queue.acked == [0.1, 0.2]
    await run.drain()


# Requeueing at once, without end: asyncworker's default; FastStream's NACK_ON_ERROR;
# broadway_rabbitmq#73, smallrye#2641, connect#846, faststream#1657.
@pytest.mark.parametrize("error", [OSError("failed"), Requeue("not now")], ids=repr)
async def test_what_always_fails_is_tried_at_a_growing_pace(
    error: Exception, virtual_clock: VirtualClock
) -> None:
    queue = streams.memory.queue([1])
    calls: list[float] = []

    def work(value: int) -> int:
        calls.append(virtual_clock.now)
        raise error if len(calls) < 1000 else TooOftenError

    run = (queue | op.map(work) | sinks.to_list()).start()
    await virtual_clock.advance(60)
    assert len(calls) <= 60 / 0.5
    if isinstance(error, OSError):
        await virtual_clock.advance(3600)
        assert len(calls) < 10 + 3600 / 30
    await run.drain()
    assert_settled(queue, requeued=[1], ready=[1])


# streamz 0.6.5 (core.py:110): a part that failed is never committed, but the commit of a later one
# passes over it.
async def test_no_ack_passes_over_a_message_that_failed(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue(range(8), prefetch=8)

    def work(value: int) -> int:
        return broken(value) if value in (0, 4) else value

    run = (queue | op.map(work) | sinks.to_list()).start()
    await virtual_clock.advance(30)
    assert sorted(queue.acked) == [1, 2, 3, 5, 6, 7]
    assert queue.unsettled == [0, 4]
    await run.abort()
    assert queue.ready == [0, 4]


# BroadwayRabbitMQ 0.8.2 (producer.ex:667): "once" is told by the flag `redelivered`, which a lost
# connection sets, too.
async def test_a_redelivery_is_no_attempt(virtual_clock: VirtualClock) -> None:
    queue = closed([1], attempts=2, wait=lambda _: 1.0, dead_letter="exchange")
    calls: list[int] = []

    async def store(value: int) -> None:
        calls.append(value)
        if len(calls) <= 3:
            queue.disconnect()
            await asyncio.sleep(1)
        elif len(calls) == 4:
            raise OSError("failed")

    await (queue | sinks.each(store))
    assert len(calls) == 5
    assert (queue.acked, queue.rejected) == ([1], [])


# Vector 0.58 (amqp.rs:492): errors of every kind are a reject without requeue, so that an hour
# without Elasticsearch dead-letters or discards an hour's messages.
@pytest.mark.parametrize("away", [ConnectionError, TimeoutError, streams.Unavailable])
async def test_an_hour_without_the_sink_dead_letters_nothing(
    away: type[Exception], virtual_clock: VirtualClock
) -> None:
    queue = closed(range(100), attempts=1, dead_letter="exchange")

    async def store(values: Sequence[int]) -> None:
        if virtual_clock.now < 3600:
            raise away("away")

    summary = await (queue | op.chunk(10) | sinks.each(store, concurrency=3, idempotent=True))
    assert_settled(queue, acked=list(range(100)), in_order=False)
    assert virtual_clock.now < 3610
    assert summary.halts == 1


# RabbitMQ 4.3 counts what comes back by basic.reject toward a queue's limit, and no more what comes
# back by basic.nack: every client that nacks what failed has lost its protection from poison.
# https://www.rabbitmq.com/docs/4.3/nack; rabbitmq-server#15387.
async def test_what_failed_goes_back_by_reject_and_what_was_not_begun_by_nack() -> None:
    queue: Any = streams.memory.queue([1, 2, 3], prefetch=8, attempts=9, wait=lambda _: 3600.0)
    verbs: dict[int, Verb] = {}
    settle = queue._broker.settle

    def noting(verb: Verb, entries: Any) -> None:
        verbs.update({value: verb for _, value in entries})
        settle(verb, entries)

    queue._broker.settle = noting
    begun, gate = asyncio.Event(), asyncio.Event()

    async def work(value: int) -> int:
        if value == 1:
            raise OSError("broken")
        begun.set()
        await gate.wait()
        return value

    handle = (queue | op.map_async(work, concurrency=1) | sinks.to_list()).start()
    await begun.wait()
    draining = asyncio.create_task(handle.drain())
    await asyncio.sleep(0)
    gate.set()
    await draining
    assert (verbs[1], verbs[3]) == (Verb.RETURN_FAILED, Verb.RETURN_UNTOUCHED)
