"""What the laws do not say about take, skip and slices: what is given back, and how soon they end."""

from collections.abc import AsyncIterator

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.queues import closed


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_take_gives_back_what_lies_beyond_untouched(count: int) -> None:
    queue = streams.memory.queue("abcdef")
    pipeline = queue | op.take(count) | sinks.to_list()
    assert await pipeline == list("abcdef")[:count]
    assert (queue.acked, queue.ready) == (list("abcdef")[:count], list("abcdef")[count:])
    assert pipeline.summary.skipped == 0


async def test_take_ends_a_stream_that_would_never_end() -> None:
    assert await (streams.memory.queue("ab") | op.take(2) | sinks.to_list()) == ["a", "b"]


async def test_take_of_nothing_pulls_nothing() -> None:
    pulled: list[int] = []

    async def source() -> AsyncIterator[int]:
        pulled.append(1)
        yield 1

    assert await (streams.from_iterable(source()) | op.take(0) | sinks.to_list()) == []
    assert pulled == []


async def test_take_counts_only_what_did_not_fail() -> None:
    queue = closed(["1", "x", "2", "3"], dead_letter="discard")
    assert await (queue | op.map(int) | op.take(2) | sinks.to_list()) == [1, 2]
    assert queue.ready == ["3"]


async def test_take_after_chunk_takes_chunks() -> None:
    queue = closed(range(10))
    assert await (queue | op.chunk(3) | op.take(2) | sinks.to_list()) == [[0, 1, 2], [3, 4, 5]]
    assert (queue.acked, queue.ready) == ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9])


@pytest.mark.parametrize(
    "cut", [slice(2, 5), slice(None, 3), slice(1, None, 3), slice(0, 7, 2), slice(5, 2)]
)
async def test_a_slice_is_that_of_a_list_and_gives_back_what_lies_beyond(cut: slice) -> None:
    queue = closed(range(10))
    pipeline = queue[cut] | sinks.to_list()
    assert await pipeline == list(range(10))[cut]
    beyond = 10 if cut.stop is None else cut.stop
    assert (queue.acked, queue.ready) == (list(range(beyond)), list(range(beyond, 10)))
    assert pipeline.summary.accepted == len(range(10)[cut])


async def test_skip_settles_what_it_drops_as_skipped() -> None:
    queue = closed(["header", "row"])
    pipeline = queue | op.skip(1) | sinks.to_list()
    assert await pipeline == ["row"]
    assert (queue.acked, pipeline.summary.skipped) == (["header", "row"], 1)


async def test_filter_settles_what_it_drops_as_skipped() -> None:
    queue = closed([1, 2, 3])
    pipeline = queue | op.filter(lambda n: n % 2) | sinks.to_list()
    assert await pipeline == [1, 3]
    assert (sorted(queue.acked), pipeline.summary.skipped) == ([1, 2, 3], 1)
