"""What the laws do not say about broadcast: settlement over branches, pace, branches that end."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Requeue
from tests.queues import assert_all_closed, closed, ticks


def same(value: Any) -> Any:
    return value


def refuse(value: int) -> int:
    raise Reject(f"no {value}")


async def test_each_branch_has_steps_of_its_own() -> None:
    queue = closed([1, 2, 3])
    branches = op.broadcast(op.chunk(2) | op.map(sum), op.map(str), op.filter(bool))
    result = await (queue | branches | sinks.to_list())
    assert Counter(map(repr, result)) == Counter(["3", "3", "'1'", "'2'", "'3'", "1", "2", "3"])
    assert queue.acked == [1, 2, 3]
    assert_all_closed(queue)


async def test_the_worst_outcome_of_the_branches_counts() -> None:
    queue = closed([1, 2], dead_letter=(dead := sinks.to_list()))
    pick = op.map(lambda value: refuse(value) if value == 2 else value)
    pipeline = queue | op.broadcast(op.map(same), pick) | sinks.to_list()
    assert sorted(await pipeline) == [1, 1, 2]
    assert [letter.body for letter in dead.values] == [2]
    assert (pipeline.summary.accepted, pipeline.summary.rejected) == (1, 1)


async def test_a_message_that_fails_in_one_branch_comes_again_in_all() -> None:
    failures = [Requeue(after=1.0)]

    def once(value: int) -> int:
        if failures:
            raise failures.pop()
        return -value

    queue = closed([7])
    result = await (queue | op.broadcast(op.map(same), op.map(once)) | sinks.to_list())
    assert sorted(result) == [-7, 7, 7]
    assert queue.acked == [7]


async def test_nothing_is_acked_before_every_branch_is_done() -> None:
    gate = asyncio.Event()

    async def later(value: int) -> int:
        await gate.wait()
        return value

    queue = closed([1])
    handle = (queue | op.broadcast(op.map(same), op.map_async(later)) | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert queue.acked == []
    gate.set()
    assert await handle == [1, 1]
    assert queue.acked == [1]


async def test_a_branch_that_ends_leaves_the_rest_to_the_others() -> None:
    queue = closed(range(10))
    pipeline = queue | op.broadcast(op.take(3) | op.map(str), op.map(same)) | sinks.to_list()
    result = await pipeline
    assert Counter(map(repr, result)) == Counter([*map(repr, range(10)), "'0'", "'1'", "'2'"])
    assert queue.acked == list(range(10))
    assert queue.requeued == []
    assert pipeline.summary.accepted == 10


@pytest.mark.parametrize("prefetch", [1, 3, None])
async def test_the_stream_ends_when_every_branch_has_and_gives_back_the_rest(
    prefetch: int | None,
) -> None:
    queue = streams.memory.queue(range(10), prefetch=prefetch)
    result = await (queue | op.broadcast(op.take(2), op.take(3)) | sinks.to_list())
    assert sorted(result) == [0, 0, 1, 1, 2]
    assert queue.acked == [0, 1, 2]
    assert queue.ready == list(range(3, 10))
    assert_all_closed(queue)


async def test_the_slowest_branch_sets_the_pace() -> None:
    seen: list[int] = []

    async def slow(value: int) -> int:
        await asyncio.sleep(1)
        return value

    async def endless() -> Any:
        for number in range(10_000):
            yield number

    branches = op.broadcast(op.tap(seen.append), op.map_async(slow, concurrency=1))
    handle = (streams.from_iterable(endless()) | branches | sinks.count()).start()
    await asyncio.sleep(10.5)
    assert 10 < len(seen) < 10 + 64 + 5
    await handle.abort()


async def test_a_drain_flushes_the_chunks_in_branches() -> None:
    queue = streams.memory.queue([1, 2, 3])
    branches = op.broadcast(op.chunk(10, timeout=None), op.chunk(2, timeout=None))
    handle = (queue | branches | (result := sinks.to_list())).start()
    await ticks()
    await handle.drain()
    assert sorted(result.values) == [[1, 2], [1, 2, 3], [3]]
    assert queue.acked == [1, 2, 3]


async def test_chunks_in_branches_flush_when_credit_is_used_up() -> None:
    queue = closed(range(6), prefetch=4)
    branches = op.broadcast(op.chunk(4, timeout=None), op.chunk(3, timeout=None))
    result = await (queue | branches | sinks.to_list())
    assert sorted(value for chunk in result for value in chunk) == sorted([*range(6)] * 2)
    assert queue.acked == list(range(6))
    assert_all_closed(queue)


async def test_a_partial_chunk_in_a_branch_goes_out_in_time() -> None:
    queue = streams.memory.queue([])
    branches = op.broadcast(op.map(same), op.chunk(2, timeout=1.0))
    handle = (queue | branches | (result := sinks.to_list())).start()
    await ticks()
    queue.put(1, 2, 3, 4, 5)
    await asyncio.sleep(1.5)
    assert [5] in result.values
    assert queue.acked == [1, 2, 3, 4, 5]
    await handle.drain()


async def test_what_comes_once_no_branch_is_left_goes_back() -> None:
    async def one_by_one() -> Any:
        for number in range(5):
            yield number

    stream = streams.from_iterable(one_by_one()) | op.broadcast(op.take(1), op.take(1))
    assert await (stream | sinks.to_list()) == [0, 0]
    queue = closed(range(5), prefetch=1)
    assert await (queue | op.broadcast(op.take(1), op.take(1)) | sinks.to_list()) == [0, 0]
    assert (queue.acked, queue.ready) == ([0], [1, 2, 3, 4])


async def test_a_part_that_lies_beyond_the_end_of_the_stream_brings_its_message_again() -> None:
    """What a `take` behind the branches gives back was not left by a branch that had ended."""
    queue = closed([1, 2])
    pipeline = queue | op.broadcast(op.map(same), op.map(same)) | op.take(3) | sinks.to_list()
    values = await pipeline
    (twice,) = [value for value in (1, 2) if values.count(value) == 2]
    assert queue.acked == [twice]
    assert queue.ready == [3 - twice]
