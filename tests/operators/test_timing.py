"""What the laws do not say about throttle and debounce: when values come out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import Context, Run, Stage
from tests.queues import assert_all_closed, closed
from tests.times import Arrivals, Timed, arrive, came_out, held, now, schedules, singly, stamp

bounded = settings(max_examples=80, deadline=None, database=None)
seconds = st.sampled_from([0.25, 0.5, 1.0, 1.25])


def throttled(arrivals: Arrivals, seconds: float) -> Timed:
    kept: Timed = []
    for time, value in singly(arrivals):
        if not kept or time >= kept[-1][0] + seconds:
            kept.append((time, value))
    return kept


def debounced(arrivals: Arrivals, seconds: float) -> Timed:
    values = singly(arrivals)
    following = [*values[1:], (inf, 0)]
    return [
        (time if after == inf else time + seconds, value)
        for (time, value), (after, _) in zip(values, following, strict=False)
        if after >= time + seconds
    ]


@bounded
@given(schedules, seconds)
def test_throttle_hands_on_what_comes_no_sooner_than_that_after_the_one_before(
    arrivals: Arrivals, seconds: float
) -> None:
    assert came_out(arrivals, op.throttle(seconds)) == throttled(arrivals, seconds)


@bounded
@given(schedules, seconds)
def test_debounce_hands_on_what_nothing_came_after_for_so_long(
    arrivals: Arrivals, seconds: float
) -> None:
    assert came_out(arrivals, op.debounce(seconds)) == debounced(arrivals, seconds)


async def test_what_comes_exactly_when_the_time_is_up_is_not_dropped() -> None:
    arrivals = [(0.0, [1]), (0.75, [2]), (1.0, [3]), (2.0, [4])]
    assert await (arrive(arrivals) | op.throttle(1.0) | op.map(stamp) | sinks.to_list()) == [
        (0.0, 1), (1.0, 3), (2.0, 4)
    ]  # fmt: skip


async def test_what_was_quiet_for_exactly_that_long_is_not_replaced() -> None:
    arrivals = [(0.0, [1]), (1.0, [2]), (1.75, [3])]
    assert await (arrive(arrivals) | op.debounce(1.0) | op.map(stamp) | sinks.to_list()) == [
        (1.0, 1), (1.75, 3)
    ]  # fmt: skip


async def test_the_window_of_throttle_begins_when_the_value_is_handed_on() -> None:
    written: Timed = []

    async def slow(value: int) -> None:
        written.append(stamp(value))
        await asyncio.sleep(0.75)

    arrivals = [(time / 4, [time]) for time in range(12)]
    await (arrive(arrivals) | op.throttle(1.0) | sinks.each(slow))
    assert [time for time, _ in written] == [0.0, 1.0, 2.0]


async def test_debounce_goes_on_while_the_consumer_works_and_replaces_nothing_that_is_ripe() -> (
    None
):
    written: Timed = []

    async def slow(value: int) -> None:
        written.append(stamp(value))
        await asyncio.sleep(10)

    arrivals = [(0.0, [0]), (2.0, [1]), (2.5, [2]), (5.0, [3]), (5.5, [4])]
    await (arrive(arrivals) | op.debounce(1.0) | sinks.each(slow))
    # 2 is ripe at 3.5 and waits; 3 comes to the operator when 2 has left it, and 4 at once after it.
    assert written == [(1.0, 0), (11.0, 2), (21.0, 4)]


async def test_what_comes_when_the_consumer_has_kept_a_value_waiting_does_not_replace_it() -> None:
    arrivals = [(0.0, [0]), (2.0, [1]), (3.0, [2])]
    written: Timed = []

    async def slow(value: int) -> None:
        written.append(stamp(value))
        await asyncio.sleep(10)

    await (arrive(arrivals) | op.debounce(1.0) | sinks.each(slow))
    assert written == [(1.0, 0), (11.0, 1), (21.0, 2)]


@pytest.mark.parametrize("prefetch", [None, 1])
async def test_the_last_value_comes_out_when_the_queue_has_nothing_more_to_give(
    prefetch: int | None,
) -> None:
    queue = closed([1, 2, 3], prefetch=prefetch)
    result = await (queue | op.debounce(1000) | op.map(stamp) | sinks.to_list())
    assert [value for _, value in result][-1] == 3
    assert now() < (1.0 if prefetch is None else 2001)
    assert queue.acked == [1, 2, 3]
    assert_all_closed(queue)


async def test_the_last_value_comes_out_at_once_though_it_took_its_time_to_come() -> None:
    async def slow(value: int) -> int:
        await asyncio.sleep(3)
        return value

    pipeline = closed([1]) | op.map_async(slow) | op.debounce(1000) | op.map(stamp)
    assert await (pipeline | sinks.to_list()) == [(3.0, 1)]


async def test_a_queue_that_was_idle_and_goes_on_is_debounced_as_before() -> None:
    async def slow(value: int) -> None:
        written.append(stamp(value))
        await asyncio.sleep(10)

    written: Timed = []
    queue = streams.memory.queue([1], until_idle=1.0)
    handle = (queue | op.debounce(5) | sinks.each(slow, concurrency=2)).start()
    await asyncio.sleep(3)
    assert written == [(1.0, 1)]
    queue.put(2)
    await asyncio.sleep(0.5)
    queue.put(3)
    await handle
    assert written == [(1.0, 1), (8.5, 3)]


async def test_it_does_not_come_out_while_another_source_may_still_replace_it() -> None:
    queue = closed(["early"])
    later = arrive([(5.0, ["late"])])
    pipeline = queue | op.merge(later) | op.debounce(100) | op.map(stamp) | sinks.to_list()
    assert await pipeline == [(5.0, "late")]
    assert (queue.acked, pipeline.summary.skipped) == (["early"], 1)


async def test_a_source_without_credit_waits_for_the_time_to_be_up() -> None:
    queue = streams.memory.queue([1, 2], prefetch=1)
    pipeline = queue | op.debounce(3) | op.map(stamp) | op.take(2) | sinks.to_list()
    (first, _), (second, _) = await pipeline
    assert (first, round(second, 1)) == (3.0, 6.0)


async def test_a_chunk_behind_it_goes_out_when_credit_is_spent_and_the_last_value_does_not() -> (
    None
):
    queue = streams.memory.queue([1], prefetch=2)
    chunked = queue | op.debounce(3) | op.chunk(2, timeout=None) | op.map(stamp)
    handle = (chunked | op.take(2) | sinks.to_list()).start()
    await asyncio.sleep(5)
    queue.put(2)
    await asyncio.sleep(1)
    queue.put(3)
    await asyncio.sleep(5)
    queue.close()
    assert await handle == [(5.0, [1]), (11.0, [3])]
    assert sorted(queue.acked) == [1, 2, 3]


async def test_the_last_value_comes_out_when_the_run_reaches_its_limit() -> None:
    queue = streams.memory.queue([1, 2, 3])
    result = await (queue | op.debounce(1000) | sinks.to_list()).start(limit=2)
    assert result == [2]
    assert (queue.acked, queue.ready) == ([1, 2], [3])
    assert now() < 1


async def test_a_drain_lets_go_of_the_last_value_at_once() -> None:
    queue = streams.memory.queue([1, 2])
    handle = (queue | op.debounce(1000) | op.chunk(5, timeout=None) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.drain()
    assert await handle == [[2]]
    assert now() < 2
    assert_all_closed(queue)


async def test_a_drain_gives_back_a_last_value_that_no_write_has_begun_with() -> None:
    queue = streams.memory.queue([1, 2])
    handle = (queue | op.debounce(1000) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.drain()
    assert (queue.acked, queue.ready, now() < 2) == ([1], [2], True)


async def test_the_last_value_of_a_lost_connection_is_forgotten_and_comes_again() -> None:
    queue = streams.memory.queue([1])
    pipeline = queue | op.debounce(2) | op.map(stamp) | op.take(1) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(1.5)
    queue.disconnect()
    ((time, value),) = await handle
    assert value == 1
    assert 3.5 < time < 4
    assert (queue.acked, pipeline.summary.stale) == ([1], 0)


async def test_what_comes_of_a_lost_connection_does_not_begin_a_window() -> None:
    queue = streams.memory.queue([1], until_idle=100)
    handle = (queue | held() | op.throttle(1000) | op.map(stamp) | sinks.to_list()).start()
    await asyncio.sleep(5)
    queue.disconnect()
    queue.close()
    assert await handle == [(20.0, 1)]
    assert queue.acked == [1]


async def test_debounce_forgets_what_came_of_a_lost_connection() -> None:
    queue = streams.memory.queue([1], until_idle=100)
    pipeline = queue | held() | op.debounce(1000) | op.map(stamp) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(5)
    queue.disconnect()
    queue.close()
    assert await handle == [(20.0, 1)]
    assert pipeline.summary.stale == 0


async def test_it_forgets_it_while_the_consumer_works_too() -> None:
    queue = streams.memory.queue([1])
    pipeline = queue | op.debounce(5) | sinks.each(lambda value: asyncio.sleep(20))
    handle = pipeline.start()
    await asyncio.sleep(6)
    queue.put(2)
    await asyncio.sleep(1)
    queue.disconnect()
    queue.close()
    summary = await handle
    # Only the settlement of 1, which was in work, came too late.
    assert summary.stale == 1
    assert sorted(queue.acked) == [1, 2]


def picky(value: int) -> int:
    if value < 0:
        raise ValueError(value)
    return value


async def test_a_failure_passes_throttle_on_its_way_to_a_catch() -> None:
    values = streams.of(1, -2, 3, -4)
    throttled = values | op.map(picky) | op.throttle(1.0)
    result = await (throttled | op.catch(lambda error: 0) | sinks.to_list())
    assert result == [1, 0, 0]


class Failing(Stage):
    """Hands on every message as one that failed, whoever is behind it."""

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        async for run in inputs[0]:
            yield Run(run.values[:1], run.tokens[:1], ValueError("failed before"))


async def test_a_failure_that_reaches_debounce_is_settled() -> None:
    queue = closed([1], dead_letter=(dead := sinks.to_list()))
    failing: streams.Stream[int] = streams.Stream(Failing(), queue)
    assert await (failing | op.debounce(1.0) | sinks.to_list()) == []
    assert [letter.body for letter in dead.values] == [1]


async def test_a_failure_fails_at_debounce_and_replaces_nothing() -> None:
    queue = closed([1, -2], dead_letter=(dead := sinks.to_list()))
    debounced = queue | op.map(picky) | op.debounce(1.0)
    pipeline = debounced | op.catch(lambda error: 0) | sinks.to_list()
    assert await pipeline == [1]
    assert [letter.body for letter in dead.values] == [-2]
    assert sorted(queue.acked) == [-2, 1]


@pytest.mark.parametrize("seconds", [5e-324, 1e300])
async def test_tiny_and_huge_times_do_not_break_the_loop(seconds: float) -> None:
    arrivals = [(0.0, [0]), (1.0, [1]), (2.0, [2])]
    result = await (arrive(arrivals) | op.throttle(seconds) | sinks.to_list())
    assert result == ([0, 1, 2] if seconds < 1 else [0])
    arrivals = [(time + now(), values) for time, values in arrivals]
    result = await (arrive(arrivals) | op.debounce(seconds) | sinks.to_list())
    assert result == ([0, 1, 2] if seconds < 1 else [2])
