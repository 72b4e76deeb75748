"""What the laws do not say about chunk: its timer, its flushes, its bounds."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from tests.cases import chunks, flat
from tests.queues import assert_all_closed, closed
from tests.virtual_time import run


async def paced(*pauses: float) -> AsyncIterator[int]:
    """Number the values, each after its pause."""
    for number, pause in enumerate(pauses):
        await asyncio.sleep(pause)
        yield number


def stamp(chunk: list[int]) -> tuple[float, list[int]]:
    return round(asyncio.get_running_loop().time(), 6), chunk


async def test_the_timer_starts_at_the_first_element_and_never_again() -> None:
    pipeline = (
        streams.from_iterable(paced(5, 0.4, 0.4, 0.4, 0.4))
        | op.chunk(10, timeout=1.0)
        | op.map(stamp)
        | sinks.to_list()
    )
    assert await pipeline == [(6.0, [0, 1, 2]), (6.6, [3, 4])]
    assert pipeline.summary.flushes == {"timeout": 1, "end": 1}


async def test_a_full_chunk_goes_out_at_once_and_the_next_has_a_timer_of_its_own() -> None:
    pipeline = (
        streams.from_iterable(paced(0, 0.5, 0.3, 5))
        | op.chunk(2, timeout=1.0)
        | op.map(stamp)
        | sinks.to_list()
    )
    assert await pipeline == [(0.5, [0, 1]), (1.8, [2]), (5.8, [3])]
    assert pipeline.summary.flushes == {"size": 1, "timeout": 1, "end": 1}


async def test_a_slow_sink_does_not_make_the_timer_start_early() -> None:
    async def slow(chunk: list[int]) -> None:
        written.append(chunk)
        await asyncio.sleep(10)

    written: list[list[int]] = []
    source = streams.from_iterable(paced(0, 0, 0, 0, 0))
    await (source | op.chunk(2, timeout=1.0) | sinks.each(slow))
    assert written == [[0, 1], [2, 3], [4]]


times = st.lists(st.sampled_from([0.0, 0.1, 0.6, 1.5]), max_size=20)
sizes = st.integers(1, 6)


@settings(max_examples=60, deadline=None, database=None)
@given(times, sizes)
def test_chunks_are_never_empty_never_too_large_and_lose_nothing(
    pauses: list[float], size: int
) -> None:
    source = streams.from_iterable(paced(*pauses))
    found = run(collected(source | op.chunk(size, timeout=0.5)))
    assert all(0 < len(chunk) <= size for chunk in found)
    assert flat(found) == list(range(len(pauses)))


@settings(max_examples=40, deadline=None, database=None)
@given(times, sizes)
def test_where_no_timer_fires_the_chunks_are_the_plain_ones(pauses: list[float], size: int) -> None:
    source = streams.from_iterable(paced(*pauses))
    found = run(collected(source | op.chunk(size, timeout=1000)))
    assert found == chunks(range(len(pauses)), size)


async def collected(stream: Any) -> list[Any]:
    result: list[Any] = await (stream | sinks.to_list())
    return result


async def test_what_came_before_an_error_of_the_source_goes_out() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    written = sinks.to_list()
    pipeline = streams.from_iterable(source()) | op.chunk(10, timeout=None) | written
    with pytest.raises(OSError, match="the disk is gone"):
        await pipeline
    assert written.values == [[1, 2]]
    assert pipeline.summary.flushes == {"end": 1}


@pytest.mark.parametrize("timeout", [None, 1000.0])
async def test_what_is_there_goes_out_when_the_source_has_no_credit_left(
    timeout: float | None,
) -> None:
    queue = streams.memory.queue(range(5), prefetch=4, until_idle=0.1)
    keep_half = op.filter(lambda n: n != 3)
    pipeline = queue | keep_half | op.chunk(4, timeout=timeout) | sinks.to_list()
    assert await pipeline == [[0, 1, 2, 4]]

    queue = streams.memory.queue(range(5), prefetch=4)
    handle = (queue | op.chunk(4, timeout=timeout) | sinks.each(hold_first())).start()
    await asyncio.sleep(1)
    assert queue.unsettled == [0, 1, 2, 3]
    await handle.abort()


def hold_first() -> Any:
    async def hold(chunk: list[int]) -> None:
        await asyncio.Event().wait()

    return hold


async def test_a_window_flush_happens_per_source_in_a_merge() -> None:
    slow = streams.memory.queue(["slow"], prefetch=4)
    quick = closed(range(9), prefetch=4)
    written = sinks.to_list()
    pipeline = slow | op.merge(quick) | op.chunk(4, timeout=None) | written
    handle = pipeline.start()
    await asyncio.sleep(1)
    assert quick.acked == list(range(9))
    assert pipeline.summary.flushes["window"] >= 1
    slow.close()
    await handle
    assert Counter(flat(written.values)) == Counter(["slow", *range(9)])
    assert_all_closed(slow, quick)


async def test_bytes_are_counted_and_never_exceeded_but_by_a_single_value() -> None:
    words = ["aa", "bbb", "c", "dddddd", "e", "f"]
    pipeline = streams.of(*words) | op.chunk(3, timeout=None, max_bytes=5) | sinks.to_list()
    assert await pipeline == [["aa", "bbb"], ["c"], ["dddddd"], ["e", "f"]]
    assert pipeline.summary.flushes == {"bytes": 3, "end": 1}


async def test_a_value_without_a_length_fails_alone_where_bytes_are_counted() -> None:
    dead = sinks.to_list()
    queue = closed(["a", 5, "b"], dead_letter=dead)
    assert await (queue | op.chunk(3, max_bytes=9) | sinks.to_list()) == [["a", "b"]]
    assert [letter.body for letter in dead.values] == [5]


async def test_a_chunk_larger_than_prefetch_is_an_error_where_it_is_composed() -> None:
    queue = streams.memory.queue(prefetch=256)
    with pytest.raises(ValueError, match=r"prefetch=256.*1024 messages.*chunk 1024"):
        queue | op.chunk(1024)
    with pytest.raises(ValueError, match=r"chunk 16 \+ chunk 20 × 16"):
        queue | op.chunk(16) | op.chunk(20)
    queue | op.chunk(16) | op.chunk(16)


async def test_members_of_a_dead_connection_leave_the_chunk_and_come_again() -> None:
    queue = streams.memory.queue([1, 2], prefetch=8)
    pipeline = queue | op.chunk(3, timeout=None) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.01)
    queue.disconnect()
    queue.put(3)
    queue.close()
    assert await handle == [[1, 2, 3]]
    assert queue.acked == [1, 2, 3]
    assert pipeline.summary.stale == 0


async def test_a_drain_flushes_what_is_there() -> None:
    queue = streams.memory.queue([1, 2])
    pipeline = queue | op.chunk(3, timeout=None) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(0.01)
    summary = await handle.drain()
    assert (queue.acked, queue.requeued) == ([1, 2], [])
    assert summary.flushes == {"end": 1}


async def test_each_member_of_a_chunk_has_the_outcome_the_sink_gives_it() -> None:
    class Picky:
        async def write(self, items: list[list[int]]) -> list[Exception | None]:
            return [ValueError(n) if n == 2 else None for n in items[0]]

    dead = sinks.to_list()
    queue = closed([1, 2, 3], dead_letter=dead)
    pipeline = queue | op.chunk(3) | Picky()
    await pipeline
    assert [letter.body for letter in dead.values] == [2]
    assert (pipeline.summary.accepted, pipeline.summary.rejected) == (2, 1)


async def test_a_function_over_a_whole_chunk_makes_it_one_unit() -> None:
    class Picky:
        async def write(self, items: list[int]) -> list[Exception | None]:
            return [ValueError("no") for _ in items]

    dead = sinks.to_list()
    queue = closed([1, 2, 3], dead_letter=dead)
    await (queue | op.chunk(3) | op.map(sum) | Picky())
    assert [letter.body for letter in dead.values] == [1, 2, 3]


async def test_unchunk_gives_members_their_own_deliveries_back() -> None:
    dead = sinks.to_list()
    queue = closed([1, 2, 3, 4], dead_letter=dead)
    pipeline = queue | op.chunk(4) | op.unchunk() | op.map(lambda n: 1 // (n - 3)) | sinks.count()
    assert await pipeline == 3
    assert [letter.body for letter in dead.values] == [3]
    assert pipeline.summary.accepted == 3
