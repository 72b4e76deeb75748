"""What the laws do not say about zip and zip_latest: what is given back, shared, and waited for."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any

import aiostream
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed, ticks

numbers = st.lists(st.integers(0, 99), max_size=12)
prefetches = st.sampled_from([None, 1, 3])
bounded = settings(max_examples=50, deadline=None, database=None)
names = pytest.mark.parametrize("name", ["zip", "zip_latest"])


def operator(name: str, *others: Any) -> Any:
    return getattr(op, name)(*others)


# -- zip ------------------------------------------------------------------------------------------


@bounded
@given(numbers, numbers, numbers, prefetches, prefetches)
def test_zip_is_aiostreams_and_gives_back_what_lies_beyond(
    xs: list[int], ys: list[int], zs: list[int], first: int | None, second: int | None
) -> None:
    async def main() -> None:
        sources = [aiostream.stream.iterate(values) for values in (xs, ys, zs)]
        known = await aiostream.stream.list(aiostream.stream.zip(*sources))
        queues = [closed(xs, prefetch=first), closed(ys, prefetch=second), closed(zs)]
        pipeline = queues[0] | op.zip(*queues[1:]) | sinks.to_list()
        assert await pipeline == known
        for queue, values in zip(queues, (xs, ys, zs), strict=True):
            assert (queue.acked, queue.ready) == (values[: len(known)], values[len(known) :])
        assert (pipeline.summary.skipped, pipeline.summary.rejected) == (0, 0)
        assert_all_closed(*queues)

    run(main())


@pytest.mark.parametrize("lengths", [(0, 5), (5, 0), (4, 7), (7, 4), (6, 6)])
@pytest.mark.parametrize("prefetch", [3, 6, None])
async def test_zip_ends_although_a_chunk_waits_for_more(
    lengths: tuple[int, int], prefetch: int | None
) -> None:
    first, second = (closed(range(length), prefetch=prefetch) for length in lengths)
    pipeline = first | op.zip(second) | op.chunk(3, timeout=None) | sinks.to_list()
    pairs = [pair for chunk in await pipeline for pair in chunk]
    assert pairs == [(n, n) for n in range(min(lengths))]
    for queue, length in ((first, lengths[0]), (second, lengths[1])):
        assert (queue.acked, queue.ready) == (
            [*range(min(lengths))],
            [*range(min(lengths), length)],
        )
    assert_all_closed(first, second)


@pytest.mark.parametrize("lengths", [(4, 7), (7, 4), (5, 5)])
async def test_chunks_can_be_zipped_and_joined_again(lengths: tuple[int, int]) -> None:
    first, second = (closed(range(length), prefetch=6) for length in lengths)
    chunk = op.chunk(3, timeout=None)
    stream = (first | chunk) | op.zip(second | chunk) | op.chunk(2, timeout=None)
    pairs = [pair for pairs in await (stream | sinks.to_list()) for pair in pairs]
    assert len(pairs) == 2
    for queue, length in ((first, lengths[0]), (second, lengths[1])):
        assert sorted(queue.acked + queue.ready) == [*range(length)]
        assert queue.acked[:4] == [0, 1, 2, 3]
    assert_all_closed(first, second)


async def test_a_source_without_credit_flushes_a_chunk_although_zip_keeps_some_of_it() -> None:
    async def one_and_no_more() -> AsyncIterator[int]:
        yield 0
        await asyncio.Event().wait()

    async def slow(value: int) -> int:
        await asyncio.sleep(value)
        return value

    written: list[Any] = []
    queue = streams.memory.queue(range(5), prefetch=2)
    pairs = queue | op.map_async(slow) | op.zip(streams.from_iterable(one_and_no_more()))
    handle = (pairs | op.chunk(2, timeout=None) | sinks.each(written.append)).start()
    await asyncio.sleep(0.5)
    assert written == []
    await asyncio.sleep(1)
    assert written == [[(0, 0)]]
    await handle.drain()
    assert (queue.acked, queue.ready) == ([0], [1, 2, 3, 4])


async def test_no_stream_is_pulled_while_a_value_of_it_waits() -> None:
    pulled: list[int] = []

    async def eager() -> AsyncIterator[int]:
        for number in count():
            pulled.append(number)
            yield number

    slow = streams.memory.queue([0])
    handle = (streams.from_iterable(eager()) | op.zip(slow) | sinks.to_list()).start()
    await ticks()
    assert pulled == [0, 1]
    slow.close()
    assert await handle == [(0, 0)]


async def test_streams_are_waited_for_side_by_side() -> None:
    async def late(seconds: float) -> AsyncIterator[float]:
        await asyncio.sleep(seconds)
        yield seconds

    first, *others = (streams.from_iterable(late(seconds)) for seconds in (3.0, 1.0, 2.0))
    began = asyncio.get_running_loop().time()
    assert await (first | op.zip(*others) | sinks.to_list()) == [(3.0, 1.0, 2.0)]
    assert asyncio.get_running_loop().time() - began == 3.0


async def test_what_becomes_of_a_tuple_becomes_of_every_message_in_it() -> None:
    dead: list[Any] = [sinks.to_list(), sinks.to_list()]
    first = closed([1, 0, 3], dead_letter=dead[0])
    second = closed("abc", dead_letter=dead[1])
    fails = op.map(lambda pair: (1 // pair[0], pair[1]))
    assert await (first | op.zip(second) | fails | sinks.to_list()) == [(1, "a"), (0, "c")]
    assert [[letter.body for letter in each.values] for each in dead] == [[0], ["b"]]
    assert (first.acked, second.acked) == ([1, 0, 3], ["a", "b", "c"])


async def test_a_tuple_that_comes_again_comes_from_both_sources() -> None:
    failures = [Requeue("later", after=1)]

    def once(pair: tuple[int, str]) -> tuple[int, str]:
        if pair == (1, "a") and failures:
            raise failures.pop()
        return pair

    first, second = closed([1, 2]), closed("ab")
    pipeline = first | op.zip(second) | op.map(once) | sinks.to_list()
    assert await pipeline == [(2, "b"), (1, "a")]
    assert pipeline.summary.retried == 2
    assert_all_closed(first, second)


async def test_a_tuple_of_chunks_is_one_unit() -> None:
    class Refusing:
        async def write(self, items: Any) -> Any:
            return [ValueError("no")]

    first, second = closed([1, 2], dead_letter="discard"), closed("ab", dead_letter="discard")
    pairs = first | op.chunk(2) | op.zip(second | op.chunk(2))
    assert pairs.places == 0
    pipeline = pairs | Refusing()
    await pipeline
    assert pipeline.summary.rejected == 4


@names
async def test_messages_whose_connection_was_lost_are_left_out(name: str) -> None:
    first, second = streams.memory.queue([1, 2], prefetch=1), streams.memory.queue([])
    handle = (first | operator(name, second) | (result := sinks.to_list())).start()
    await ticks()
    first.disconnect()
    await asyncio.sleep(1)
    second.put("a")
    await ticks()
    assert result.values[0] == (1, "a")
    first.close()
    second.close()
    await handle
    assert first.acked[0] == 1
    assert second.acked == ["a"]
    assert handle.stats().stale == 0


@names
async def test_what_comes_late_from_a_lost_connection_is_left_out(name: str) -> None:
    outages = [ConnectionError("away")] * 3

    def halting(text: str) -> str:
        if outages:
            raise outages.pop()
        return text

    first, second = closed([1]), closed("a")
    pairs = first | operator(name, second | op.map(halting))
    handle = (pairs | (result := sinks.to_list())).start()
    await ticks()
    second.disconnect()
    await handle
    assert (result.values, first.acked, second.acked) == ([(1, "a")], [1], ["a"])
    assert handle.stats().stale == 0
    assert_all_closed(first, second)


@names
async def test_what_is_left_is_given_back_while_the_run_goes_on(name: str) -> None:
    first, second = streams.memory.queue([1, 2]), closed([0])
    goes_on = streams.memory.queue([])
    pairs = first | operator(name, second | op.filter(bool)) | op.merge(goes_on)
    handle = (pairs | sinks.to_list()).start()
    await asyncio.sleep(1)
    assert not handle.done
    assert (first.unsettled, first.ready[-1], second.acked) == ([], 2, [0])
    goes_on.close()
    await handle
    assert first.requeued == first.ready


@names
async def test_a_drain_gives_back_what_waits(name: str) -> None:
    first, second = streams.memory.queue([1, 2, 3], prefetch=3), streams.memory.queue([])
    handle = (first | operator(name, second) | sinks.to_list()).start()
    await ticks()
    await handle.drain()
    waiting = [3] if name == "zip_latest" else [1, 2, 3]
    assert first.ready == waiting
    assert first.acked == [1, 2, 3][: 3 - len(waiting)]
    assert_all_closed(first, second)


@names
async def test_what_follows_may_end_it(name: str) -> None:
    first, second = streams.memory.queue(range(5)), streams.memory.queue(range(5))
    result = await (first | operator(name, second) | op.take(1) | sinks.to_list())
    assert len(result) == 1
    for queue in (first, second):
        assert sorted(queue.acked + queue.ready) == [*range(5)]
    assert_all_closed(first, second)


@names
async def test_two_branches_of_one_source_are_refused_where_they_are_composed(name: str) -> None:
    queue = streams.memory.queue([1])
    text = (
        rf"op\.{name}\(\*streams\): each stream must have a source of its own, but memory\.queue.* "
        r"is behind two of them.*op\.map\(f\)"
    )
    branch = queue | op.map(str)
    with pytest.raises(ValueError, match=text):
        queue | operator(name, branch)
    with pytest.raises(ValueError, match=text):
        streams.of(1) | operator(name, branch, streams.of(2) | op.merge(queue))
    streams.of(1) | operator(name, branch, streams.memory.queue([1]))


@names
async def test_none_is_a_value_like_any_other(name: str) -> None:
    pairs = closed([None]) | operator(name, closed([None]), closed([None]))
    assert await (pairs | sinks.to_list()) == [(None, None, None)]


async def test_one_shot_iterators_of_any_kind_can_be_zipped() -> None:
    pairs = streams.from_iterable(iter("abc")) | op.zip(streams.from_iterable(n for n in count()))
    assert await (pairs | sinks.to_list()) == [("a", 0), ("b", 1), ("c", 2)]


@names
async def test_an_error_of_a_source_ends_the_run_and_closes_the_others(name: str) -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("the disk is gone")

    queue = streams.memory.queue(range(5))
    with pytest.raises(OSError, match="the disk is gone"):
        await (queue | operator(name, streams.from_iterable(broken())) | sinks.to_list())
    assert sorted(queue.acked + queue.ready) == [*range(5)]
    assert_all_closed(queue)


async def test_looking_at_tuples_settles_nothing() -> None:
    first, second = closed([1, 2]), closed("ab")
    assert await (first | op.zip(second)).peek(1) == [(1, "a")]
    assert (first.acked, first.ready, second.ready) == ([], [1, 2], ["a", "b"])


# -- zip_latest -----------------------------------------------------------------------------------


def timed(values: Sequence[tuple[float, int]]) -> AsyncIterator[int]:
    async def source() -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        for due, value in values:
            await asyncio.sleep(due - loop.time())
            yield value

    return source()


@bounded
@given(st.permutations(range(1, 10)), st.integers(0, 9))
def test_zip_latest_is_aiostreams_with_complete_tuples(times: list[int], cut: int) -> None:
    first = sorted((float(due), due) for due in times[:cut])
    second = sorted((float(due), -due) for due in times[cut:])

    async def known() -> list[Any]:
        sources = (timed(first), timed(second))
        result: list[Any] = await aiostream.stream.list(
            aiostream.stream.ziplatest(*sources, partial=False)
        )
        return result

    async def found() -> list[Any]:
        stream = streams.from_iterable(timed(first))
        pairs = stream | op.zip_latest(streams.from_iterable(timed(second)))
        return await (pairs | sinks.to_list())

    assert run(found()) == run(known())


async def test_a_message_is_settled_with_the_first_tuple_it_is_in() -> None:
    orders, rates = streams.memory.queue(["o1", "o2"]), streams.memory.queue(["r1"])
    handle = (orders | op.zip_latest(rates) | (result := sinks.to_list())).start()
    await asyncio.sleep(1)
    orders.put("o3")
    await asyncio.sleep(1)
    assert result.values[-1] == ("o3", "r1")
    assert (rates.acked, rates.unsettled) == (["r1"], [])
    assert (orders.acked, orders.unsettled) == (["o1", "o2", "o3"], [])
    rates.put("r2")
    await asyncio.sleep(1)
    assert (result.values[-1], rates.acked) == (("o3", "r2"), ["r1", "r2"])
    orders.close()
    rates.close()
    await handle
    assert_all_closed(orders, rates)


async def test_what_is_replaced_before_any_tuple_is_skipped() -> None:
    first, second = streams.memory.queue([1, 2, 3]), streams.memory.queue([])
    handle = (first | op.zip_latest(second) | (result := sinks.to_list())).start()
    await asyncio.sleep(1)
    assert (first.acked, first.unsettled) == ([1, 2], [3])
    first.put(4)
    await asyncio.sleep(1)
    assert (first.acked, first.unsettled) == ([1, 2, 3], [4])
    second.put("a")
    await asyncio.sleep(1)
    assert result.values == [(4, "a")]
    assert (first.acked, second.acked) == ([1, 2, 3, 4], ["a"])
    first.close()
    second.close()
    await handle
    assert handle.stats().skipped == 3


@pytest.mark.parametrize("values", [[], [0]])
async def test_without_a_value_of_each_stream_all_is_given_back(values: list[int]) -> None:
    first = streams.memory.queue([1, 2], prefetch=1)
    none = closed(values) | op.filter(bool)
    pipeline = first | op.zip_latest(none) | sinks.to_list()
    assert await pipeline == []
    assert (first.acked, first.ready) == ([], [1, 2])
    assert_all_closed(first)


async def test_a_failed_tuple_spends_an_attempt_of_the_messages_that_go_with_it_alone() -> None:
    def fails(pair: tuple[int, str]) -> None:
        if pair[0] == 2:
            raise ValueError("two")

    first = streams.memory.queue([1], dead_letter=(dead := sinks.to_list()))
    second = streams.memory.queue("a", dead_letter=(other := sinks.to_list()))
    handle = (first | op.zip_latest(second) | op.tap(fails) | (kept := sinks.to_list())).start()
    await asyncio.sleep(1)
    first.put(2, 3)
    first.close()
    second.close()
    await handle
    assert kept.values == [(1, "a"), (3, "a")]
    assert [letter.body for letter in dead.values] == [2]
    assert (other.values, second.acked) == ([], ["a"])


async def test_a_failed_copy_is_judged_by_the_policy_of_its_own_source() -> None:
    failures = [OSError("once")]

    def once(pair: tuple[int, str]) -> tuple[int, str]:
        if pair[0] == 2 and failures:
            raise failures.pop()
        return pair

    first, second = streams.memory.queue([1]), streams.memory.queue("a")
    handle = (first | op.zip_latest(second) | op.map(once) | (kept := sinks.to_list())).start()
    await asyncio.sleep(1)
    first.put(2)
    first.close()
    second.close()
    await handle
    assert kept.values == [(1, "a"), (2, "a")]
    assert first.acked == [1, 2]


async def test_what_lost_its_connection_while_the_sink_was_busy_is_left_out() -> None:
    gate = asyncio.Event()

    async def write(pair: tuple[int, str]) -> None:
        written.append(pair)
        if pair == (2, "a"):
            await gate.wait()

    written: list[tuple[int, str]] = []
    first, second = streams.memory.queue([1]), streams.memory.queue("a")
    handle = (first | op.zip_latest(second) | sinks.each(write)).start()
    await asyncio.sleep(1)
    first.put(2)
    second.put("b")
    await ticks()
    second.disconnect()
    await asyncio.sleep(1)
    gate.set()
    first.close()
    second.close()
    await handle
    assert written == [(1, "a"), (2, "a"), (2, "b")]
    assert (first.acked, second.acked) == ([1, 2], ["a", "b"])


@pytest.mark.parametrize("prefetch", [1, 2, None])
async def test_zip_latest_ends_although_a_chunk_waits_for_more(prefetch: int | None) -> None:
    first, second = closed(range(5), prefetch=prefetch), closed(range(5), prefetch=prefetch)
    size = prefetch or 64
    pairs = first | op.zip_latest(second) | op.chunk(size, timeout=None)
    await (pairs | sinks.to_list())
    assert Counter(first.acked) == Counter(second.acked) == Counter(range(5))
    assert_all_closed(first, second)


async def test_zip_latest_gives_each_stream_its_turn() -> None:
    async def endless(sign: int) -> AsyncIterator[int]:
        for number in count(1):
            yield sign * number
            await asyncio.sleep(0)

    pairs = streams.from_iterable(endless(1)) | op.zip_latest(streams.from_iterable(endless(-1)))
    result = await (pairs | op.take(200) | sinks.to_list())
    assert len({first for first, _ in result}) >= 90
    assert len({second for _, second in result}) >= 90
