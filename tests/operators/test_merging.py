"""What the laws do not say about merge and concat."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from ackflow import operators as op
from ackflow import sinks, streams
from tests.queues import assert_all_closed, closed


async def endless(first: int = 0) -> AsyncIterator[int]:
    for number in count(first):
        yield number
        await asyncio.sleep(0)


async def test_a_source_that_is_always_ready_does_not_starve_the_others() -> None:
    first = streams.from_iterable(endless()) | op.map(lambda n: "first")
    second = streams.from_iterable(endless()) | op.map(lambda n: "second")
    third = streams.from_iterable(endless()) | op.map(lambda n: "third")
    values = await (first | op.merge(second, third) | op.take(300) | sinks.to_list())
    assert all(share >= 90 for share in Counter(values).values())
    assert len(Counter(values)) == 3


async def test_queues_that_are_always_full_take_turns() -> None:
    first = streams.memory.queue(["first"] * 1000, prefetch=10)
    second = streams.memory.queue(["second"] * 1000, prefetch=10)
    values = await (first | op.merge(second) | op.take(400) | sinks.to_list())
    assert min(Counter(values).values()) >= 150
    assert_all_closed(first, second)


async def test_values_come_as_they_are_there() -> None:
    async def late(name: str, seconds: float) -> AsyncIterator[str]:
        await asyncio.sleep(seconds)
        yield name

    others = [streams.from_iterable(late(name, s)) for name, s in (("b", 2.0), ("a", 1.0))]
    result = await (streams.from_iterable(late("c", 3)) | op.merge(*others) | sinks.to_list())
    assert result == ["a", "b", "c"]


async def test_each_value_is_settled_at_its_own_source() -> None:
    dead: Any = sinks.to_list()
    first, second = closed([1, 2]), closed([3, 0], dead_letter=dead)
    pipeline = first | op.merge(second) | op.map(lambda n: 1 // n) | sinks.count()
    assert await pipeline == 3
    assert first.acked == [1, 2]
    assert sorted(second.acked) == [0, 3]
    assert [letter.body for letter in dead.values] == [0]


async def test_a_merge_ends_when_all_have_ended_and_closes_all_when_it_ends_early() -> None:
    first, second = closed([1]), streams.memory.queue([2])
    handle = (first | op.merge(second) | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert not handle.done
    second.close()
    assert sorted(await handle) == [1, 2]

    first, second = streams.memory.queue([1, 2]), streams.memory.queue([3, 4])
    assert await (first | op.merge(second) | op.take(1) | sinks.count()) == 1
    assert len(first.acked + second.acked) == 1
    assert sorted(first.ready + second.ready + first.acked + second.acked) == [1, 2, 3, 4]
    assert_all_closed(first, second)


async def test_concat_hands_on_one_stream_after_another() -> None:
    first, second = closed([1, 2]), closed([3])
    pipeline = first | op.concat(second, streams.of(4)) | sinks.to_list()
    assert await pipeline == [1, 2, 3, 4]
    assert await (streams.of(1) + streams.of(2) | sinks.to_list()) == [1, 2]
    assert (first.acked, second.acked) == ([1, 2], [3])


async def test_streams_with_operators_of_their_own_can_be_merged() -> None:
    numbers = closed(["1", "x"], dead_letter="discard") | op.map(int)
    result = await (streams.of(10) | op.merge(numbers) | op.chunk(5) | sinks.to_list())
    assert [sorted(chunk) for chunk in result] == [[1, 10]]


async def test_concat_goes_on_while_the_last_of_a_queue_waits_for_the_next() -> None:
    first, second = closed([1, 2, 3]), closed([4, 5, 6])
    pipeline = first | op.concat(second) | op.window(count=2) | sinks.to_list()
    assert await pipeline == [[1, 2], [3, 4], [5, 6]]
    assert_all_closed(first, second)


async def test_concat_waits_for_what_the_stream_before_keeps() -> None:
    first, second = closed([1, 2, 3]) | op.window(count=2), closed([4]) | op.window(count=2)
    assert await (first | op.concat(second) | sinks.to_list()) == [[1, 2], [3], [4]]


async def test_concat_begins_with_one_stream_when_those_before_have_nothing_left() -> None:
    first, second = closed([0]), closed([1])
    slow = first | op.delay(5)
    assert await (slow | op.concat(second) | op.pairwise() | sinks.to_list()) == [(0, 1)]
