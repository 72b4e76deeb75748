"""What the laws do not say about buffer: that it overlaps, how much it keeps, what it drops."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed
from tests.times import Arrivals, Timed, arrive, now, numbered, singly, stamp

bounded = settings(max_examples=80, deadline=None, database=None)


def slowly(seconds: float) -> tuple[Timed, Any]:
    """What a sink that takes so long for each value has begun with, and the sink."""
    written: Timed = []

    async def write(value: int) -> None:
        written.append(stamp(value))
        await asyncio.sleep(seconds)

    return written, sinks.each(write)


@pytest.mark.parametrize("size", [1, 2, 10])
async def test_a_slow_source_and_a_slow_sink_overlap(size: int) -> None:
    arrivals = [(time + 1.0, [time]) for time in range(10)]
    written, sink = slowly(1.0)
    await (arrive(arrivals) | op.buffer(size) | sink)
    assert written == singly(arrivals)
    assert now() == 11


async def test_it_fills_while_the_consumer_works_for_long() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(6):
            await asyncio.sleep(1)
            yield number

    written: Timed = []

    async def uneven(value: int) -> None:
        written.append(stamp(value))
        await asyncio.sleep(5 if value == 0 else 0.5)

    await (streams.from_iterable(numbers()) | op.buffer(5) | sinks.each(uneven))
    assert written == [(1, 0), (6, 1), (6.5, 2), (7, 3), (7.5, 4), (8, 5)]


@bounded
@given(st.integers(1, 20), st.integers(1, 60))
def test_it_reads_ahead_by_its_size_and_no_more(size: int, number: int) -> None:
    ahead = most = 0

    async def numbers() -> AsyncIterator[int]:
        nonlocal ahead, most
        for each in range(number):
            ahead += 1
            most = max(most, ahead)
            yield each

    async def write(value: int) -> None:
        nonlocal ahead
        await asyncio.sleep(1)
        ahead -= 1

    run(wait(streams.from_iterable(numbers()) | op.buffer(size) | sinks.each(write)))
    assert most == min(size + 1, number)  # one is in work


async def wait(pipeline: Any) -> Any:
    return await pipeline


def kept(arrivals: Arrivals, size: int, drop: str, seconds: float) -> Timed:
    """What a sink that takes so long for each value begins with, and when."""
    begun: Timed = []
    waiting: list[int] = []
    free = 0.0
    for time, values in [*arrivals, (1e9, [])]:
        while waiting and free < time:
            begun.append((free, waiting.pop(0)))
            free += seconds
        waiting += values
        waiting = waiting[:size] if drop == "newest" else waiting[-size:]
        if waiting and free <= time:
            begun.append((time, waiting.pop(0)))
            free = time + seconds
    return begun


# No arrival meets the end of a write, where either could come first.
arriving = st.lists(st.tuples(st.sampled_from([0.25, 0.5, 2.5]), st.integers(1, 6)), max_size=12)


@bounded
@given(
    arriving.map(numbered), st.sampled_from([1, 2, 3, 16]), st.sampled_from(["newest", "oldest"])
)
def test_it_drops_what_there_is_no_room_for(arrivals: Arrivals, size: int, drop: Any) -> None:
    async def main() -> None:
        seconds = 1 + 2**-12
        written, sink = slowly(seconds)
        pipeline = arrive(arrivals) | op.buffer(size, drop=drop) | sink
        summary = await pipeline
        assert written == kept(arrivals, size, drop, seconds)
        assert summary.skipped == len(singly(arrivals)) - len(written)

    run(main())


@pytest.mark.parametrize(("drop", "left"), [("newest", [0, 1, 2]), ("oldest", [0, 4, 5])])
async def test_what_it_drops_is_acked_and_counted(drop: Any, left: list[int]) -> None:
    queue = streams.memory.queue([0], prefetch=10)
    written, sink = slowly(1.0)
    pipeline = queue | op.buffer(2, drop=drop) | sink
    handle = pipeline.start()
    await asyncio.sleep(0.5)
    queue.put(1, 2, 3, 4, 5)
    queue.close()
    await handle
    assert [value for _, value in written] == left
    assert sorted(queue.acked) == [0, 1, 2, 3, 4, 5]
    assert (pipeline.summary.skipped, pipeline.summary.accepted) == (3, 3)


async def test_all_that_waits_can_be_dropped() -> None:
    queue = streams.memory.queue([0], prefetch=100)
    written, sink = slowly(1.0)
    handle = (queue | op.buffer(16, drop="oldest") | sink).start()
    await asyncio.sleep(0.5)
    queue.put(*range(1, 21))
    await asyncio.sleep(1)
    queue.put(*range(21, 41))
    queue.close()
    await handle
    assert [value for _, value in written] == [0, 5, *range(25, 41)]


async def test_of_a_run_larger_than_the_buffer_the_surplus_waits() -> None:
    queue = closed(range(100), prefetch=100)
    result = await (queue | op.buffer(2) | sinks.to_list())
    assert result == list(range(100))
    assert queue.acked == result


async def test_values_stay_together_in_runs() -> None:
    sizes: list[int] = []

    class Writes(streams.Sink[int, None]):
        max_items = 1000

        async def write(self, items: Any) -> None:
            sizes.append(len(items))

    await (closed(range(1000), prefetch=1000) | op.buffer(800) | Writes())
    assert sum(sizes) == 1000
    assert max(sizes) == 125
    assert len(sizes) < 50


def picky(value: int) -> int:
    if value < 0:
        raise ValueError(value)
    return value


async def test_a_failure_keeps_its_place() -> None:
    buffered = streams.of(1, -2, 3, 4, -5) | op.map(picky) | op.buffer(100)
    result = await (buffered | op.catch(lambda error: 0) | sinks.to_list())
    assert result == [1, 0, 3, 4, 0]


@pytest.mark.parametrize("drop", ["newest", "oldest"])
async def test_a_failure_that_is_dropped_is_no_less_a_failure(drop: Any) -> None:
    dead = sinks.to_list()
    queue = streams.memory.queue([0], dead_letter=dead)
    _, sink = slowly(1.0)
    buffered = queue | op.map(picky) | op.buffer(1, drop=drop)
    pipeline = buffered | op.catch(lambda error: -1) | sink
    handle = pipeline.start()
    await asyncio.sleep(0.5)
    queue.put(*((-1, 2) if drop == "oldest" else (2, -1)))
    queue.close()
    await handle
    assert [letter.body for letter in dead.values] == [-1]
    assert (pipeline.summary.accepted, pipeline.summary.rejected) == (2, 1)


async def test_a_lost_connection_empties_it_and_what_it_kept_comes_again() -> None:
    queue = closed([1, 2, 3], prefetch=3)
    written, sink = slowly(1.0)
    handle = (queue | op.buffer(3) | sink).start()
    await asyncio.sleep(0.5)
    queue.disconnect()
    summary = await handle
    assert sorted(value for _, value in written) == [1, 1, 2, 3]
    assert (sorted(queue.acked), summary.stale) == ([1, 2, 3], 1)


@pytest.mark.parametrize("drop", [None, "newest", "oldest"])
async def test_what_it_kept_of_a_lost_connection_takes_no_room_from_what_comes_again(
    drop: Any,
) -> None:
    pulled: Timed = []
    queue = streams.memory.queue([0, 1], prefetch=10)
    written, sink = slowly(10.0)
    noted = queue | op.tap(lambda value: pulled.append(stamp(value)))
    handle = (noted | op.buffer(1 if drop is None else 2, drop=drop) | sink).start()
    await asyncio.sleep(5)
    queue.disconnect()
    await asyncio.sleep(1)
    assert [value for _, value in pulled] == [0, 1, 0, 1]
    queue.close()
    summary = await handle
    assert [value for _, value in written] == [0, 0, 1]
    assert (queue.acked, summary.skipped, summary.stale) == ([0, 1], 0, 1)


async def test_a_drain_gives_back_what_no_write_has_begun_with() -> None:
    queue = streams.memory.queue([1, 2, 3])
    written, sink = slowly(1.0)
    handle = (queue | op.buffer(5) | sink).start()
    await asyncio.sleep(0.5)
    await handle.drain()
    assert (written, queue.acked, queue.ready) == ([(0.0, 1)], [1], [2, 3])
    assert now() == 1
    assert_all_closed(queue)


async def test_chunks_in_it_are_written_on_a_drain() -> None:
    queue = streams.memory.queue([1, 2, 3])
    written = sinks.to_list()
    handle = (queue | op.chunk(2, timeout=None) | op.buffer(5) | written).start()
    await asyncio.sleep(0.5)
    await handle.drain()
    assert await handle == [[1, 2], [3]]
    assert queue.acked == [1, 2, 3]
