"""What the laws do not say about delay: when values come out, and what a drain does with them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from tests.queues import assert_all_closed, closed
from tests.times import Arrivals, Timed, arrive, came_out, now, schedules, singly, stamp

bounded = settings(max_examples=80, deadline=None, database=None)


@bounded
@given(schedules, st.sampled_from([0.25, 0.5, 1.0, 3.0]))
def test_each_value_comes_out_exactly_that_much_later(arrivals: Arrivals, seconds: float) -> None:
    later = [(time + seconds, value) for time, value in singly(arrivals)]
    assert came_out(arrivals, op.delay(seconds)) == later


async def test_what_comes_together_goes_on_together() -> None:
    arrivals = [(1.0, [1, 2, 3]), (1.0, [4])]
    written: list[Any] = []

    class Writes(streams.Sink[int, None]):
        max_items = 100

        async def write(self, items: Any) -> None:
            written.append((now(), list(items)))

    await (arrive(arrivals) | op.delay(2.0) | Writes())
    assert written == [(3.0, [1, 2, 3, 4])]


async def test_time_passes_while_the_consumer_works() -> None:
    written: Timed = []

    async def slow(value: int) -> None:
        written.append(stamp(value))
        await asyncio.sleep(10)

    arrivals = [(time, [int(time)]) for time in (0.0, 1.0, 2.0)]
    await (arrive(arrivals) | op.delay(5.0) | sinks.each(slow))
    assert written == [(5.0, 0), (15.0, 1), (25.0, 2)]


@pytest.mark.parametrize("most", [1, 3])
async def test_it_pulls_nothing_while_it_keeps_as_many_as_it_may(most: int) -> None:
    pulled: Timed = []

    async def numbers() -> AsyncIterator[int]:
        for number in range(7):
            pulled.append(stamp(number))
            yield number

    delayed = streams.from_iterable(numbers()) | op.delay(2.0, max_items=most)
    result = await (delayed | op.map(stamp) | sinks.to_list())
    assert [value for _, value in result] == list(range(7))
    assert [time for time, _ in pulled] == [2.0 * (number // most) for number in range(7)]


@pytest.mark.parametrize("most", [1, 1000])
async def test_a_drain_gives_back_what_waits_at_once(most: int) -> None:
    queue = streams.memory.queue([1, 2, 3])
    pipeline = queue | op.delay(1000, max_items=most) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(1)
    summary = await handle.drain()
    assert await handle == []
    assert (queue.acked, queue.ready, summary.requeued) == ([], [1, 2, 3], 3)
    assert now() < 2
    assert_all_closed(queue)


async def test_the_end_of_the_stream_and_of_a_limited_run_are_waited_for() -> None:
    queue = closed([1, 2])
    assert await (queue | op.delay(10) | sinks.to_list()) == [1, 2]
    assert now() == 10
    queue = streams.memory.queue([1, 2, 3])
    assert await (queue | op.delay(10) | sinks.to_list()).start(limit=2) == [1, 2]
    assert (queue.acked, queue.ready) == ([1, 2], [3])


async def test_an_abort_gives_back_what_waits() -> None:
    queue = streams.memory.queue([1, 2])
    handle = (queue | op.delay(10) | sinks.to_list()).start()
    await asyncio.sleep(5)
    assert queue.unsettled == [1, 2]
    await handle.abort()
    assert (queue.acked, queue.ready) == ([], [1, 2])
    assert_all_closed(queue)


@pytest.mark.parametrize("most", [2, 1000])
async def test_what_waits_of_a_lost_connection_is_forgotten_at_once_and_comes_again(
    most: int,
) -> None:
    queue = streams.memory.queue([1, 2])
    delayed = queue | op.delay(10, max_items=most) | op.map(stamp)
    pipeline = delayed | op.take(2) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(5)
    queue.disconnect()
    result = await handle
    assert [value for _, value in result] == [1, 2]
    assert all(15 <= time < 16 for time, _ in result)
    assert (queue.acked, pipeline.summary.stale) == ([1, 2], 0)


async def test_a_failure_keeps_its_place_and_its_time() -> None:
    def picky(value: int) -> int:
        if value < 0:
            raise ValueError(value)
        return value

    arrivals = [(0.0, [1, -2, 3]), (1.0, [-4])]
    delayed = arrive(arrivals) | op.map(picky) | op.delay(2.0)
    result = await (delayed | op.catch(lambda error: 0) | op.map(stamp) | sinks.to_list())
    assert result == [(2.0, 1), (2.0, 0), (2.0, 3), (3.0, 0)]


async def test_a_source_must_be_able_to_wait_so_long() -> None:
    queue = streams.memory.queue([1])
    queue.stage.patience = 900.0  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"within 900 s.* delay\(seconds=1000\.0.* for 1000 s"):
        queue | op.delay(1000)
    queue | op.delay(900)


async def test_a_huge_time_does_not_break_the_loop() -> None:
    handle = (streams.of(1) | op.delay(1e300) | sinks.to_list()).start()
    await asyncio.sleep(1e6)
    assert not handle.done
    await handle.drain()
    assert await handle == []
