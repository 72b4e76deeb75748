"""Slices of streams."""

import asyncio
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.core.stages import refusing
from tests.queues import assert_all_closed, closed

BOUNDS = [None, 0, 1, 2, 3, 5, 10]


@pytest.mark.parametrize("step", [None, 1, 2, 3, 7])
@pytest.mark.parametrize("stop", BOUNDS)
@pytest.mark.parametrize("start", BOUNDS)
async def test_a_slice_keeps_skips_and_gives_back_as_that_of_a_list(
    start: int | None, stop: int | None, step: int | None
) -> None:
    xs = list(range(8))
    # In one run, and message by message.
    for source in (closed(xs), closed(xs, prefetch=1)):
        pipeline = source[start:stop:step] | sinks.to_list()
        values = await pipeline
        assert values == xs[start:stop:step]
        assert source.ready == ([] if stop is None else xs[stop:])
        assert pipeline.summary.skipped == len(xs) - len(source.ready) - len(values)
        assert_all_closed(source)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
async def test_where_runs_begin_makes_no_difference_to_a_step(size: int) -> None:
    async def lists() -> Any:
        for start in range(0, 12, size):
            yield list(range(start, min(start + size, 12)))

    stream: Any = streams.core.from_lists(lists, name="lists")
    assert await (stream[1:11:3] | sinks.to_list()) == [1, 4, 7, 10]
    assert await (stream[4:] | sinks.to_list()) == list(range(4, 12))


async def test_a_slice_settles_failures_that_come_to_it_and_does_not_count_them() -> None:
    def work(value: int) -> int:
        if value == 1:
            raise ValueError("one")
        return value

    queue = closed(range(5), dead_letter=(dead := sinks.to_list()))
    caught = op.map(work) | op.take(3) | op.catch(lambda error: -1, on=KeyError)
    pipeline = queue | caught | sinks.to_list()
    assert await pipeline == [0, 2, 3]
    assert [letter.body for letter in dead.values] == [1]
    assert queue.ready == [4]


async def test_a_stream_ends_where_nothing_beyond_the_slice_is_asked_for() -> None:
    pulled: list[int] = []

    async def numbers() -> Any:
        for number in range(10):
            pulled.append(number)
            yield number

    assert await (streams.from_iterable(numbers())[:2] | sinks.to_list()) == [0, 1]
    assert pulled == [0, 1]


@pytest.mark.parametrize("size", [1, 5])
async def test_the_source_is_closed_before_the_last_value_is_worked_on(size: int) -> None:
    events: list[str] = []

    async def lists() -> Any:
        try:
            yield list(range(size))
            yield [size]
        finally:
            events.append("closed")

    async def store(value: int) -> None:
        events.append(f"value {value}")
        await asyncio.sleep(1)

    stream = streams.core.from_lists(lists, name="lists")
    await (stream[:1] | sinks.each(store))
    assert events == ["closed", "value 0"]


async def test_a_failure_from_further_up_is_settled_and_counts_for_nothing() -> None:
    queue = closed(range(6), dead_letter=(dead := sinks.to_list()))
    pipeline = refusing(queue, 1, 3)[1:3] | sinks.to_list()
    assert await pipeline == [2, 4]
    assert [letter.body for letter in dead.values] == [1, 3]
    assert (queue.ready, pipeline.summary.skipped) == ([5], 1)
    assert pipeline.summary.failures["ValueError"].stage == "slice(start=1, stop=3, step=1)"


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        (streams.of(1)[2:8:3], "slice(start=2, stop=8, step=3)"),
        (streams.of(1) | op.take(3), "take(n=3)"),
        (streams.of(1) | op.skip(3), "skip(n=3)"),
        (streams.of(1) + streams.of(2, 3), "concat(streams=[of(values=2)])"),
    ],
)
def test_a_slice_shows_its_bounds(stream: Any, shown: str) -> None:
    assert repr(stream).endswith(shown)


@pytest.mark.parametrize(
    "index",
    [
        slice(-1, None),
        slice(None, -1),
        slice(None, None, -1),
        slice(None, None, 0),
        slice("1", None),
        slice(None, 1.5),
        slice(None, None, "1"),
        3,
    ],
)
def test_an_index_is_a_slice_of_whole_numbers_from_the_front(index: Any) -> None:
    with pytest.raises(TypeError, match=r"stream\[index\]: must be a slice from the front"):
        streams.of(1)[index]
