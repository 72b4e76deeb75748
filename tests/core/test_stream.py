"""Streams: composing, and what a source is asked for."""

import asyncio
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core.stream import MOST_STAGES
from tests.queues import closed


async def prefetch(stream: Any, queue: Any) -> int:
    """The prefetch that a run of a stream asks its queue for."""
    handle = (stream | sinks.each(lambda value: asyncio.sleep(0))).start()
    await asyncio.sleep(0)
    await handle
    return int(queue._broker.prefetch)


@pytest.mark.parametrize(
    ("size", "asked"), [(1, 64), (10, 64), (16, 64), (17, 68), (100, 400), (20_000, 65_535)]
)
async def test_prefetch_is_twice_what_the_stages_hold_and_at_least_64(
    size: int, asked: int
) -> None:
    queue = closed([1])
    # A chunk holds its size, and the sink behind it another one.
    assert await prefetch(queue | op.chunk(size), queue) == asked


async def test_prefetch_that_is_given_is_used_as_it_is() -> None:
    queue = closed([1], prefetch=7)
    assert await prefetch(queue, queue) == 7


@pytest.mark.parametrize(("count", "size", "asked"), [(1, 1, 2), (3, 10, 40), (9000, 10, 65_535)])
async def test_a_peek_asks_for_what_it_needs(count: int, size: int, asked: int) -> None:
    queue = closed(range(3))
    await (queue | op.chunk(size)).peek(count)
    assert queue._broker.prefetch == asked


def test_a_chunk_as_large_as_prefetch_can_be_filled_and_a_larger_one_cannot() -> None:
    queue = streams.memory.queue(prefetch=10)
    assert (queue | op.chunk(10)).shape == (10,)
    with pytest.raises(ValueError, match=r"prefetch=10\): .* 11 messages \(chunk 11\)"):
        queue | op.chunk(11)
    with pytest.raises(ValueError, match=r"12 messages \(chunk 4 \+ chunk 3 × 4\)"):
        queue | op.chunk(4) | op.chunk(3)


def test_the_shape_of_a_stream_is_that_of_its_chunks() -> None:
    stream = streams.of(1)
    assert (stream.shape, stream.places) == ((), 0)
    chunked = stream | op.chunk(3)
    assert (chunked.shape, chunked.places) == ((3,), 1)
    assert ((chunked | op.unchunk()).shape, (chunked | op.map(len)).places) == ((), 0)


def test_streams_that_meet_have_the_places_that_both_have() -> None:
    chunked, unit = streams.of(1) | op.chunk(3), streams.of([1])
    assert (chunked + chunked).places == 1
    assert (chunked + unit).places == (unit + chunked).places == 0
    assert (chunked + unit).shape == (3,), "they are to be of one shape; the first says which"


def test_every_source_is_found_with_the_stages_behind_it() -> None:
    first, second = streams.of(1), streams.of(2)
    merged = (first | op.map(str)) + second | op.chunk(2)
    paths = [(repr(source), [stage.name for stage in path]) for source, path in merged.paths()]
    assert [names for _, names in paths] == [["map", "concat", "chunk"], ["concat", "chunk"]]


@pytest.mark.parametrize("count", [0, -1, 1.5, "2"])
async def test_a_peek_takes_a_whole_number_from_1_up(count: Any) -> None:
    with pytest.raises(ValueError, match=r"peek\(count\).* must be a whole number from 1 up"):
        await streams.of(1).peek(count)
    assert await streams.of(1, 2).peek(1) == [1]


def test_a_stream_is_added_to_streams_alone() -> None:
    untyped: Any = streams.of(1)
    with pytest.raises(TypeError, match="unsupported operand"):
        untyped + 2
    assert repr(streams.of(1) + streams.of(2)) == (
        "of(values=1) | of(values=1) | concat(streams=[of(values=1)])"
    )


@pytest.mark.parametrize("step", [3, None, "map"])
def test_a_step_is_an_operator_or_a_sink(step: Any) -> None:
    with pytest.raises(TypeError, match=r"stream \| step.* must be an operator or a sink, got"):
        streams.of(1) | step


async def test_a_users_sink_that_takes_messages_ends_a_stream() -> None:
    class Taking:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        async def write_messages(self, messages: Any) -> None:
            for message in messages:
                self.seen.append(message.value)
                message.accept()

    sink: Any = Taking()
    queue = closed([1, 2])
    await (queue | sink)
    assert (sink.seen, queue.acked) == ([1, 2], [1, 2])


async def test_failures_pass_stages_that_pass_them_to_the_next_catch_alone() -> None:
    def work(value: int) -> int:
        if value == 1:
            raise KeyError(value)
        return value

    caught = op.map(work) | op.tap(lambda value: None) | op.catch(lambda error: -1, on=KeyError)
    assert await (closed([0, 1, 2]) | caught | sinks.to_list()) == [0, -1, 2]
    # What chunks values has no use for a failure: it is settled where it happens.
    queue = closed([0, 1, 2], dead_letter=(dead := sinks.to_list()))
    chunked = op.map(work) | op.chunk(3) | op.catch(lambda error: [-1], on=KeyError)
    assert await (queue | chunked | sinks.to_list()) == [[0, 2]]
    assert [letter.body for letter in dead.values] == [1]


async def test_no_failure_comes_to_a_stage_that_would_take_it_for_a_value() -> None:
    def work(value: int) -> int:
        if value == 1:
            raise KeyError(value)
        return value

    queue = closed([0, 1, 2], dead_letter=(dead := sinks.to_list()))
    step = op.map(work) | op.take_while(lambda value: True)
    caught = step | op.catch(lambda error: -1, on=KeyError)
    assert await (queue | caught | sinks.to_list()) == [0, 2]
    assert [letter.body for letter in dead.values] == [1]


async def test_thousands_of_steps_in_a_row_are_built_shown_and_run() -> None:
    stream: streams.Stream[int] = streams.of(0)
    for _ in range(1_500):
        stream = stream | op.map(lambda value: value + 1)
    assert repr(stream).count(" | map(") == 1_500
    assert await stream.peek(1) == [1_500]


async def same(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    "step",
    [op.chunk(1), op.map_async(same), op.buffer(1), op.take(1), op.merge(streams.of())],
    ids=str,
)
async def test_more_stages_that_wait_than_python_can_call_are_an_error(step: Any) -> None:
    stream: streams.Stream[Any] = streams.of(0)
    for _ in range(MOST_STAGES - 1):
        stream = stream | step
    assert await stream.peek(1)
    with pytest.raises(
        ValueError, match=r"at most 100 stages that wait, such as chunk or map_async"
    ):
        stream | step
