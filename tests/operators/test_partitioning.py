"""What the laws do not say about partition: order, bounds, strictness."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed, ticks

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99)), max_size=20)


def first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def by_key(values: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    result: dict[int, list[int]] = defaultdict(list)
    for key, value in values:
        result[key].append(value)
    return result


async def slowly(pair: tuple[int, int]) -> tuple[int, int]:
    await asyncio.sleep((pair[1] * 7 % 5) / 10)
    return pair


@settings(max_examples=60, deadline=None, database=None)
@given(pairs, st.integers(1, 5), st.booleans())
def test_values_of_one_key_keep_their_order(
    values: list[tuple[int, int]], keys: int, strict: bool
) -> None:
    async def main() -> None:
        queue = closed(values)
        step = op.map_async(slowly, concurrency=2)
        partitions = op.partition(first, step, strict=strict, keys=keys, idle=0.3)
        result = await (queue | partitions | sinks.to_list())
        assert by_key(result) == by_key(values)
        assert Counter(queue.acked) == Counter(values)
        assert_all_closed(queue)

    run(main())


async def test_keys_go_side_by_side_and_each_has_one_call_at_a_time() -> None:
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def call(pair: tuple[str, int]) -> tuple[str, int]:
        running.update([pair[0], "all"])
        for name in (pair[0], "all"):
            most[name] = max(most[name], running[name])
        await asyncio.sleep(1)
        running.subtract([pair[0], "all"])
        return pair

    began = asyncio.get_running_loop().time()
    values = [(key, number) for number in range(3) for key in "abc"]
    step = op.map_async(call, concurrency=1)
    await (streams.of(*values) | op.partition(first, step) | sinks.count())
    assert most == {"a": 1, "b": 1, "c": 1, "all": 3}
    assert asyncio.get_running_loop().time() - began == 3


async def test_no_more_keys_are_open_than_were_asked_for() -> None:
    opened: list[str] = []

    @op.operator(holds=1)
    async def watched(messages: Any) -> Any:
        opened.append("open")
        assert len(opened) <= 2
        async for message in messages:
            yield message
        opened.pop()

    values = [(number % 7, number) for number in range(50)]
    result = await (streams.of(*values) | op.partition(first, watched(), keys=2) | sinks.to_list())
    assert Counter(result) == Counter(values)
    assert opened == []


async def test_the_key_that_was_not_used_for_longest_makes_room() -> None:
    step = op.chunk(10, timeout=None)
    values = [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("a", 3)]
    result = await (streams.of(*values) | op.partition(first, step, keys=2) | sinks.to_list())
    assert result[0] == [("b", 1)]
    assert [("a", 1), ("a", 2), ("a", 3)] in result


async def test_an_idle_key_is_closed_and_starts_anew() -> None:
    queue = streams.memory.queue([("a", 1), ("a", 2)])
    step = op.scan(lambda total, pair: total + pair[1], 0)
    stream = queue | op.partition(first, step, idle=5.0)
    handle = (stream | (result := sinks.to_list())).start()
    await asyncio.sleep(4.9)
    queue.put(("a", 4))
    await asyncio.sleep(5.1)
    queue.put(("a", 8))
    queue.close()
    assert await handle == [1, 3, 7, 8] == result.values


async def test_without_idle_a_key_stays_open() -> None:
    queue = streams.memory.queue([("a", 1)])
    step = op.scan(lambda total, pair: total + pair[1], 0)
    handle = (queue | op.partition(first, step, idle=None) | sinks.to_list()).start()
    await asyncio.sleep(10_000)
    queue.put(("a", 2))
    queue.close()
    assert await handle == [1, 3]


async def test_what_a_step_no_longer_takes_is_dropped_on_purpose() -> None:
    queue = closed([("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)])
    pipeline = queue | op.partition(first, op.take(1)) | sinks.to_list()
    assert sorted(await pipeline) == [("a", 1), ("b", 1)]
    assert sorted(queue.acked) == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)]
    assert (pipeline.summary.accepted, pipeline.summary.skipped) == (2, 3)
    assert queue.requeued == []


@pytest.mark.parametrize("strict", [True, False])
async def test_strict_holds_a_key_back_until_its_failed_message_is_settled(strict: bool) -> None:
    failures = Counter({("a", 1): 2})
    written: list[tuple[str, int]] = []

    async def store(pair: tuple[str, int]) -> None:
        if failures[pair]:
            failures[pair] -= 1
            raise Requeue("not yet", after=5)
        written.append(pair)

    queue = closed([("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)], prefetch=10)
    step = op.map_async(slowly, concurrency=3)
    await (queue | op.partition(first, step, strict=strict) | sinks.each(store))
    assert by_key(written)["b"] == [1, 2]
    assert by_key(written)["a"] == ([1, 2, 3] if strict else [2, 3, 1])
    assert Counter(queue.acked) == Counter(written)
    assert_all_closed(queue)


async def test_strict_goes_on_once_a_message_is_rejected() -> None:
    def picky(pair: tuple[str, int]) -> tuple[str, int]:
        if pair[1] == 1:
            raise ValueError("bad")
        return pair

    queue = closed([("a", 1), ("a", 2)], dead_letter=(dead := sinks.to_list()))
    result = await (queue | op.partition(first, op.map(picky), strict=True) | sinks.to_list())
    assert result == [("a", 2)]
    assert [letter.body for letter in dead.values] == [("a", 1)]


async def test_strict_goes_on_over_a_new_connection() -> None:
    gate = asyncio.Event()
    calls: list[tuple[str, int]] = []

    async def store(pair: tuple[str, int]) -> None:
        calls.append(pair)
        if len(calls) == 1:
            await gate.wait()

    queue = closed([("a", 1), ("a", 2), ("a", 3)])
    pipeline = queue | op.partition(first, op.map(lambda pair: pair), strict=True)
    handle = (pipeline | sinks.each(store)).start()
    await ticks()
    queue.disconnect()
    await asyncio.sleep(1)
    gate.set()
    await handle
    assert calls == [("a", 1), ("a", 1), ("a", 2), ("a", 3)]
    assert queue.acked == [("a", 1), ("a", 2), ("a", 3)]


async def test_strict_does_not_wait_for_a_chunk_that_waits_for_it() -> None:
    queue = closed([("a", n) for n in range(5)], prefetch=5)
    stream = queue | op.partition(first, op.map(lambda pair: pair), strict=True)
    pipeline = stream | op.chunk(5, timeout=None) | sinks.to_list()
    assert await pipeline == [[("a", n)] for n in range(5)]
    assert_all_closed(queue)


@pytest.mark.parametrize("strict", [True, False])
async def test_a_drain_gives_back_what_waits_for_its_turn(strict: bool) -> None:
    started: list[Any] = []

    async def call(pair: Any) -> Any:
        started.append(pair)
        await asyncio.sleep(10)
        return pair

    queue = streams.memory.queue([("a", n) for n in range(6)], prefetch=6)
    step = op.map_async(call, concurrency=1)
    handle = (queue | op.partition(first, step, strict=strict) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.drain()
    assert started == [("a", 0)]
    assert queue.ready == [("a", n) for n in range(6)]
    assert_all_closed(queue)


async def test_a_key_that_is_not_hashable_fails_alone() -> None:
    values: list[Any] = [("a", 1), ([], 2), ("b", 3)]
    queue = closed(values, dead_letter=(dead := sinks.to_list()))
    stream = queue | op.partition(first, op.map(lambda pair: pair))
    assert sorted(await (stream | sinks.to_list())) == [("a", 1), ("b", 3)]
    (letter,) = dead.values
    assert letter.body == ([], 2)
    assert "op.partition(key): first must return something hashable, got []" in str(
        letter.headers["x-ackflow-error"]
    )


async def test_none_is_a_key_like_any_other() -> None:
    stream = streams.of(None, None) | op.partition(lambda value: value, op.enumerate())
    assert await (stream | sinks.to_list()) == [(0, None), (1, None)]


async def test_chunks_by_key_keep_their_members() -> None:
    class Refusing:
        async def write(self, items: Sequence[list[tuple[str, int]]]) -> Any:
            (chunk,) = items
            return [ValueError("odd") if n % 2 else None for _, n in chunk]

    queue = closed([(k, n) for n in range(4) for k in "ab"], dead_letter=(dead := sinks.to_list()))
    await (queue | op.partition(first, op.chunk(3)) | Refusing())
    assert sorted(letter.body for letter in dead.values) == [(k, n) for k in "ab" for n in (1, 3)]
    assert len(queue.acked) == 8


async def test_a_drain_reaches_what_waits_while_there_is_no_room_for_more() -> None:
    async def call(pair: Any) -> Any:
        await asyncio.sleep(100)
        return pair

    queue = streams.memory.queue([("a", 0), ("b", 1), ("c", 2), ("d", 3)], prefetch=4)
    step = op.map_async(call, concurrency=1)
    handle = (queue | op.partition(first, step, keys=1) | sinks.to_list()).start()
    await asyncio.sleep(1)
    handle.stop()
    await asyncio.sleep(1)
    assert queue.ready == [("b", 1), ("c", 2), ("d", 3)]
    await handle


async def test_a_step_that_breaks_ends_the_run() -> None:
    @op.operator(holds=0)
    async def broken(messages: Any) -> Any:
        async for message in messages:
            yield message
            raise RuntimeError("broken")

    queue = closed([("a", 0), ("a", 1)])
    with pytest.raises(RuntimeError, match="broken"):
        await (queue | op.partition(first, broken()) | sinks.to_list())
    assert_all_closed(queue)


async def test_failures_from_further_up_are_settled_where_they_arrive() -> None:
    def picky(pair: tuple[str, int]) -> tuple[str, int]:
        if pair[1] == 1:
            raise ValueError("bad")
        return pair

    queue = closed([("a", 0), ("a", 1), ("a", 2)], dead_letter="discard")
    pipeline = queue | op.map(picky) | op.partition(first, op.map(lambda pair: pair))
    assert await (pipeline | sinks.to_list()) == [("a", 0), ("a", 2)]


def test_prefetch_is_derived_from_the_keys_and_what_each_step_holds() -> None:
    stream = streams.memory.queue([]) | op.partition(first, op.chunk(10), keys=7)
    assert stream.stage.holds == 7 * (10 + 2)
    assert stream.shape == (10,)


async def test_a_step_that_declares_no_bound_needs_a_prefetch() -> None:
    @op.operator()
    async def unbounded(messages: Any) -> Any:
        async for message in messages:
            yield message

    with pytest.raises(ValueError, match=r"prefetch can't be derived behind partition"):
        streams.memory.queue([1]) | op.partition(lambda n: n, unbounded()) | sinks.count()
    queue = closed([1, 2], prefetch=2)
    assert await (queue | op.partition(lambda n: n, unbounded()) | sinks.count()) == 2


async def test_a_key_whose_step_has_ended_makes_room_at_once() -> None:
    values = [("a", 1), ("a", 2), ("b", 1), ("a", 3)]
    stream = streams.of(*values) | op.partition(first, op.take(1), keys=1)
    assert await (stream | sinks.to_list()) == [("a", 1), ("b", 1), ("a", 3)]


async def test_what_comes_after_a_step_has_ended_is_dropped_on_purpose() -> None:
    queue = streams.memory.queue([("a", 1)])
    pipeline = queue | op.partition(first, op.take(1)) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(1)
    queue.put(("a", 2))
    queue.close()
    assert await handle == [("a", 1)]
    assert queue.acked == [("a", 1), ("a", 2)]
    assert pipeline.summary.skipped == 1


async def test_what_comes_while_an_idle_key_is_being_closed_has_a_new_step() -> None:
    async def call(pair: tuple[str, int]) -> tuple[str, int]:
        await asyncio.sleep(10)
        return pair

    queue = streams.memory.queue([("a", 1)])
    step = op.map_async(call, concurrency=1) | op.enumerate()
    handle = (queue | op.partition(first, step, idle=1.0) | sinks.to_list()).start()
    await asyncio.sleep(5)
    queue.put(("a", 2))
    queue.close()
    assert await handle == [(0, ("a", 1)), (0, ("a", 2))]


async def test_what_waits_and_belongs_to_a_failed_message_comes_again_with_it() -> None:
    failures = [Requeue(after=1.0)]
    calls: list[tuple[str, int]] = []

    def parts(number: int) -> list[tuple[str, int]]:
        return [("b", 0)] if number == 0 else [("a", number), ("b", number)]

    async def call(pair: tuple[str, int]) -> tuple[str, int]:
        calls.append(pair)
        if pair == ("b", 0):
            await asyncio.sleep(10)
        if pair == ("a", 1) and failures:
            raise failures.pop()
        return pair

    queue = closed([0, 1])
    step = op.map_async(call, concurrency=1)
    stream = queue | op.flat_map(parts) | op.partition(first, step, strict=True)
    assert sorted(await (stream | sinks.to_list())) == [("a", 1), ("b", 0), ("b", 1)]
    assert calls == [("b", 0), ("a", 1), ("a", 1), ("b", 1)]
    assert sorted(queue.acked) == [0, 1]
    assert_all_closed(queue)


async def test_what_lies_beyond_the_end_of_the_stream_comes_again() -> None:
    """What a `take` behind the lanes gives back was not left by a lane that had ended."""
    queue = closed([1, 2, 3, 4])
    step = op.chunk(2, timeout=None) | op.flatten()
    pipeline = queue | op.partition(lambda value: 0, step) | op.take(1) | sinks.to_list()
    assert await pipeline == [1]
    assert queue.acked == [1]
    assert queue.ready == [2, 3, 4]


JOINING: list[Any] = [op.pairwise(), op.window(count=2)]


@pytest.mark.parametrize("joining", JOINING, ids=repr)
def test_what_waits_for_values_is_refused_where_these_wait_for_it(joining: Any) -> None:
    untouched = op.map(lambda value: value)
    for stream in (
        lambda: streams.of(1) | op.partition(str, untouched, strict=True) | untouched | joining,
        lambda: op.partition(str, untouched | joining, strict=True),
    ):
        with pytest.raises(ValueError, match=r"behind partition\(strict=True\).*put it further up"):
            stream()
    assert streams.of(1) | op.partition(str, untouched | joining)
    assert streams.of(1) | joining | op.partition(str, untouched, strict=True)


def test_what_comes_again_apart_is_refused_where_it_could_wait_for_its_other_half() -> None:
    pairs: Any = streams.of(1) | op.zip(streams.of(2))
    with pytest.raises(ValueError, match="put the partition before zip"):
        pairs | op.partition(first, op.map(first), strict=True)
    assert pairs | op.partition(first, op.map(first))
    parted: Any = streams.of(1) | op.partition(str, op.map(str), strict=True)
    assert parted | op.zip(streams.of(2))


@pytest.mark.parametrize("joining", [op.chunk(2, timeout=None), op.window(count=1)])
async def test_what_may_let_go_early_does_where_a_strict_partition_waits_for_it(
    joining: Any,
) -> None:
    queue = streams.memory.queue(range(6))
    parted = queue | op.partition(lambda _: 0, op.map(str), strict=True, keys=2)
    handle = (parted | joining | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert queue.acked[:5] == [*range(5)]
    await handle.drain()
    assert queue.acked == [*range(6)]
