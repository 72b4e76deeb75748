"""The broker in memory with a script: what each step does to messages."""

import asyncio
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import SourceError
from ackflow.streams.testing import (
    FlakySink,
    VirtualClock,
    assert_settled,
    deliver,
    disconnect,
    end,
    fail,
    pause,
    scripted_queue,
)

pytestmark = pytest.mark.usefixtures("virtual_clock")


class Timed:
    """Notes when each element came."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, float]] = []

    async def write(self, items: Any) -> None:
        self.seen += [(item, asyncio.get_running_loop().time()) for item in items]


async def test_steps_come_one_after_another_and_pauses_in_virtual_time() -> None:
    queue = scripted_queue(deliver("a", "b"), pause(5.0), deliver("c"), end())
    await (queue | (sink := Timed()))
    assert sink.seen == [("a", 0.0), ("b", 0.0), ("c", 5.0)]
    assert_settled(queue, acked=["a", "b", "c"])


async def test_a_disconnect_right_after_a_delivery_has_all_of_it_come_again() -> None:
    queue = scripted_queue(deliver("a", "b"), disconnect(), end())
    pipeline = queue | op.map(str.upper) | sinks.to_list()
    assert set(await pipeline) == {"A", "B"}
    assert pipeline.summary.delivered == 4
    assert_settled(queue, acked=["a", "b"], requeued=["a", "b"])


async def test_what_is_under_way_when_the_connection_breaks_settles_nothing() -> None:
    queue = scripted_queue(deliver("a"), pause(1.0), disconnect(), end())
    pipeline = queue | FlakySink([2.0])
    await pipeline
    assert pipeline.summary.stale == 1
    assert queue.settlements == [("requeued", "a"), ("acked", "a")]


async def test_connecting_fails_as_often_as_told() -> None:
    away = SourceError("the broker restarts")
    queue = scripted_queue(deliver("a"), disconnect(), fail(away, times=3), deliver("b"), end())
    pipeline = queue | sinks.to_list()
    assert set(await pipeline) == {"a", "b"}
    assert pipeline.summary.reconnects == 1
    assert_settled(queue, acked=["a", "b"], requeued=["a"])


async def test_a_broker_that_is_away_at_the_start_for_too_long_is_an_error() -> None:
    queue = scripted_queue(fail(ConnectionRefusedError("nobody"), times=1000), end())
    with pytest.raises(SourceError, match="nobody"):
        await (queue | sinks.to_list())


async def test_an_error_that_is_no_outage_ends_the_run_at_once() -> None:
    queue = scripted_queue(deliver("a"), pause(1.0), disconnect(), fail(PermissionError2()))
    with pytest.raises(PermissionError2):
        await (queue | sinks.to_list())
    assert_settled(queue, acked=["a"])


class PermissionError2(Exception):
    """Access refused: no OSError."""


async def test_deliver_waits_until_prefetch_let_all_of_it_out(virtual_clock: VirtualClock) -> None:
    queue = scripted_queue(deliver(1, 2, 3), disconnect(), end(), prefetch=1)
    await (queue | FlakySink([1.0, 1.0]))
    assert queue.settlements[:3] == [("acked", 1), ("acked", 2), ("requeued", 3)]


async def test_by_hand_a_pause_keeps_back_what_is_ready_and_acks_go_on(
    virtual_clock: VirtualClock,
) -> None:
    queue = streams.memory.queue(["a"])
    run = (queue | (sink := Timed())).start()
    await virtual_clock.advance(1)
    queue.pause(10.0)
    queue.put("b")
    queue.close()
    await run
    assert sink.seen == [("a", 0.0), ("b", 11.0)]


async def test_a_later_pause_replaces_an_earlier_one(virtual_clock: VirtualClock) -> None:
    queue = streams.memory.queue(["a"])
    queue.close()
    queue.pause(10.0)
    queue.pause(2.0)
    await (queue | sinks.to_list())
    assert virtual_clock.now == 2.0


async def test_a_run_that_ends_before_its_script_leaves_nothing_behind() -> None:
    queue = scripted_queue(deliver(1, 2), pause(5.0), deliver(3), end())
    assert await (queue | op.take(1) | sinks.to_list()) == [1]
    assert_settled(queue, acked=[1], requeued=[2], ready=[2])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: pause(-1), ValueError, "must be a finite number of seconds above 0"),
        (lambda: pause(float("inf")), ValueError, "got inf"),
        (lambda: fail(OSError(), times=0), ValueError, "must be a whole number from 1 up"),
        (lambda: fail(OSError(), times=True), ValueError, "got True"),
        (lambda: fail("away"), TypeError, "must be an exception, got 'away'"),  # type: ignore[arg-type]
        (lambda: scripted_queue(end), TypeError, "got <function end"),  # type: ignore[arg-type]
        (lambda: streams.memory.queue().pause(-1), ValueError, "must be a finite number"),
    ],
)
def test_steps_that_cannot_be_meant_raise_where_they_are_written(
    make: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        make()
