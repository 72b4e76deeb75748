"""What the laws do not say about pairwise: when pairs come, and what becomes of a single value."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings

from ackflow import operators as op
from ackflow import sinks, streams
from tests.queues import assert_all_closed, closed
from tests.times import Arrivals, came_out, schedules, singly


async def slowly(number: int) -> int:
    """Return a number after so many seconds."""
    await asyncio.sleep(number)
    return number


bounded = settings(max_examples=80, deadline=None, database=None)


@bounded
@given(schedules)
def test_a_pair_comes_as_soon_as_its_second_value(arrivals: Arrivals) -> None:
    values = singly(arrivals)
    expected = [(time, (before, value)) for (_, before), (time, value) in pairwise(values)]
    assert came_out(arrivals, op.pairwise()) == expected


async def test_the_next_value_is_all_that_an_ack_waits_for() -> None:
    queue = streams.memory.queue([1])
    handle = (queue | op.pairwise() | (written := sinks.to_list())).start()
    for value in (2, 3):
        await asyncio.sleep(1)
        assert queue.acked == list(range(1, value - 1))
        queue.put(value)
    await asyncio.sleep(1)
    assert (written.values, queue.acked) == ([(1, 2), (2, 3)], [1, 2])
    queue.close()
    await handle
    assert queue.acked == [1, 2, 3]


async def test_the_last_value_is_settled_as_its_pair_is() -> None:
    class Refuses:
        async def write(self, items: list[tuple[int, int]]) -> None:
            if items[0] == (2, 3):
                raise ValueError(items)

    queue = closed([1, 2, 3], dead_letter="exchange")
    await (queue | op.pairwise() | Refuses())
    assert (queue.acked, sorted(queue.rejected)) == ([1], [2, 3])


@pytest.mark.parametrize("end", ["close", "drain", "idle"])
async def test_a_single_value_is_skipped(end: str) -> None:
    queue = streams.memory.queue([1], until_idle=5.0 if end == "idle" else None)
    pipeline = queue | op.pairwise() | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(1)
    if end == "close":
        queue.close()
    elif end == "drain":
        await handle.drain()
    assert await handle == []
    assert queue.acked == [1]
    assert (pipeline.summary.skipped, pipeline.summary.accepted) == (1, 0)
    assert_all_closed(queue)


async def test_pairs_need_a_prefetch_of_two_which_is_enough() -> None:
    with pytest.raises(ValueError, match=r"prefetch=1.*2 messages \(pairwise 2\)"):
        streams.memory.queue(prefetch=1) | op.pairwise()
    queue = closed(range(5), prefetch=2)
    assert await (queue | op.pairwise() | op.map(sum) | sinks.to_list()) == [1, 3, 5, 7]
    assert queue.acked == list(range(5))


async def test_both_values_of_a_pair_fail_with_it() -> None:
    class Picky:
        async def write(self, items: list[tuple[int, int]]) -> list[Exception | None]:
            return [ValueError(items) if item == (1, 2) else None for item in items]

    queue = closed([1, 2], dead_letter="exchange")
    await (queue | op.pairwise() | Picky())
    assert sorted(queue.rejected) == [1, 2]


async def test_what_a_chunk_keeps_to_the_end_is_in_a_pair() -> None:
    queue = closed([1, 2, 3, 4, 5])
    stream = queue | op.chunk(2, timeout=None) | op.unchunk()
    assert await (stream | op.pairwise() | sinks.to_list()) == [*pairwise([1, 2, 3, 4, 5])]
    assert_all_closed(queue)


async def test_a_pair_waits_for_the_other_parts_of_its_message() -> None:
    queue = closed([3])
    stream = queue | op.flat_map(range) | op.map_async(slowly) | op.pairwise()
    assert await (stream | sinks.to_list()) == [(0, 1), (1, 2)]
    assert_all_closed(queue)


async def test_the_last_part_to_be_dropped_lets_the_others_go() -> None:
    queue = closed([2])
    stream = queue | op.flat_map(range) | op.map_async(slowly) | op.filter(lambda n: n == 0)
    assert await (stream | op.chunk(5, timeout=None) | sinks.to_list()) == [[0]]
    assert_all_closed(queue)


async def test_pairs_of_pairs_end() -> None:
    queue = closed([1, 2, 3])
    assert await (queue | op.pairwise() | op.pairwise() | sinks.to_list()) == [((1, 2), (2, 3))]
    assert_all_closed(queue)


async def test_parts_of_what_others_wait_for_let_go_together() -> None:
    queue = closed([2, 2])
    stream = queue | op.distinct() | op.flat_map(range) | op.filter(lambda n: n == 0)
    assert await (stream | op.chunk(5, timeout=None) | sinks.to_list()) == [[0]]
    assert_all_closed(queue)


async def test_a_run_ends_while_its_source_is_about_to_look_again() -> None:
    queue = streams.memory.queue([3], prefetch=1)
    stream = queue | op.flat_map(range) | op.map_async(slowly) | op.filter(bool)
    handle = (stream | op.delay(10) | sinks.to_list()).start()
    await asyncio.sleep(0.01)  # the first part was dropped just now
    await handle.abort()
    assert queue.ready == [3]


async def test_a_plain_source_is_waited_for_beside_a_queue() -> None:
    late = streams.of(3) | op.delay(5)
    stream = closed([1, 2]) | op.merge(late) | op.window(count=2)
    assert await (stream | sinks.to_list()) == [[1, 2], [3]]
    both = closed([1]) | op.merge(streams.of(2) | op.delay(5)) | op.pairwise()
    assert await (both | sinks.to_list()) == [(1, 2)]
