"""What the laws do not say about scan and enumerate: what becomes of the state."""

import asyncio
from collections.abc import Callable
from operator import add
from typing import Any

import aiostream
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue
from ackflow.streams.testing import run
from tests.queues import closed

numbers = st.lists(st.integers(-5, 5), max_size=40)
bounded = settings(max_examples=40, deadline=None, database=None)


@bounded
@given(numbers, st.integers(-5, 5))
def test_scan_is_aiostreams_accumulate_without_the_initial_value(xs: list[int], start: int) -> None:
    async def main() -> None:
        source = aiostream.stream.iterate(xs)
        known = await aiostream.stream.list(aiostream.stream.accumulate(source, add, start))
        assert await (closed(xs) | op.scan(add, start) | sinks.to_list()) == known[1:]

    run(main())


@bounded
@given(numbers, st.integers(-5, 5))
def test_enumerate_is_aiostreams(xs: list[int], start: int) -> None:
    async def main() -> None:
        source = aiostream.stream.iterate(xs)
        known = await aiostream.stream.list(aiostream.stream.enumerate(source, start))
        assert await (closed(xs) | op.enumerate(start) | sinks.to_list()) == known

    run(main())


def adding(picky: Callable[[int], Any]) -> Callable[[int, int], int]:
    def total(state: int, value: int) -> int:
        picky(value)
        return state + value

    return total


async def test_a_value_that_fails_leaves_the_state_as_it_was() -> None:
    def picky(value: int) -> None:
        if value in (2, 3, 5):
            raise ValueError(value)

    queue = closed([1, 2, 3, 4, 5], dead_letter=(dead := sinks.to_list()))
    pipeline = queue | op.scan(adding(picky), 10) | op.enumerate(1) | sinks.to_list()
    assert await pipeline == [(1, 11), (2, 15)]
    assert [letter.body for letter in dead.values] == [2, 3, 5]
    assert queue.acked == [1, 2, 3, 4, 5]


async def test_an_outage_in_the_function_is_tried_again_from_the_same_state() -> None:
    outages = iter([ConnectionError("away")] * 3)

    def picky(value: int) -> None:
        if value == 2 and (error := next(outages, None)):
            raise error

    pipeline = closed([1, 2, 3], attempts=1) | op.scan(adding(picky), 0) | sinks.to_list()
    assert await pipeline == [1, 3, 6]
    assert (pipeline.summary.halts, pipeline.summary.retried) == (1, 0)


async def test_an_outage_before_scan_keeps_its_order() -> None:
    outages = iter([ConnectionError("away")] * 3)

    def parse(text: str) -> int:
        if text == "2" and (error := next(outages, None)):
            raise error
        return int(text)

    stream = closed(["1", "2", "x", "3"], dead_letter="discard") | op.map(parse) | op.scan(add, 0)
    assert await (stream | sinks.to_list()) == [1, 3, 6]


async def test_values_that_were_caught_have_their_turn() -> None:
    values = ["1", "x", "3", "y", "5"]
    caught = op.map(int) | op.catch(lambda error: 0) | op.enumerate()
    assert await (closed(values) | caught | sinks.to_list()) == [*enumerate([1, 0, 3, 0, 5])]
    apart = op.map(int) | op.merge(streams.of()) | op.catch(lambda error: 0) | op.enumerate()
    assert await (closed(values) | apart | sinks.to_list()) == [*enumerate([1, 0, 3, 0, 5])]


async def test_what_was_caught_may_fail_further_down_in_its_turn() -> None:
    values = ["1", "x", "3", "0", "5"]
    steps = (
        op.map(int)
        | op.catch(lambda error: 0)
        | op.map(lambda n: 6 // n)
        | op.catch(lambda error: -1, on=ZeroDivisionError)
        | op.enumerate()
    )
    assert await (closed(values) | steps | sinks.to_list()) == [*enumerate([6, -1, 2, -1, 1])]


async def test_every_run_of_a_pipeline_begins_with_the_initial_state() -> None:
    pipeline = streams.of(1, 2) | op.scan(add, 0) | op.enumerate() | sinks.to_list()
    assert await pipeline == [(0, 1), (1, 3)]
    assert await pipeline == [(0, 1), (1, 3)]


async def test_one_operator_on_two_streams_has_two_states() -> None:
    total = op.scan(add, 0) | op.enumerate()
    first, second = closed([1, 2]) | total, closed([10, 20]) | total
    result = await (first | op.merge(second) | sinks.to_list())
    assert sorted(result) == [(0, 1), (0, 10), (1, 3), (1, 30)]


async def test_what_comes_again_goes_through_the_function_again() -> None:
    failures = iter([Requeue("later", after=1)])

    def once(total: int) -> int:
        if total == 1 and (error := next(failures, None)):
            raise error
        return total

    queue = closed([1, 2])
    stream = queue | op.scan(add, 0) | op.map(once)
    assert await (stream | sinks.to_list()) == [3, 4]
    assert sorted(queue.acked) == [1, 2]


async def test_chunks_are_one_unit_afterwards() -> None:
    class Refusing:
        async def write(self, items: Any) -> Any:
            raise ValueError("all of it")

    queue = closed([1, 2, 3], dead_letter=(dead := sinks.to_list()))
    numbered = queue | op.chunk(2) | op.enumerate()
    assert numbered.places == (queue | op.chunk(2) | op.scan(add, [])).places == 0
    await (numbered | Refusing())
    assert sorted(letter.body for letter in dead.values) == [1, 2, 3]


def stopping(state: Any, value: Any) -> Any:
    raise StopIteration


def cancelling(state: Any, value: Any) -> Any:
    raise asyncio.CancelledError


async def coroutine(value: int) -> int:
    return value


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (stopping, "op.scan(f): later raised StopIteration"),
        (cancelling, "op.scan(f): later raised CancelledError"),
        (lambda state, value: coroutine(value), "op.scan(f): later returned a coroutine"),
    ],
)
async def test_what_is_no_state_fails_its_own_value(bad: Any, says: str) -> None:
    def later(state: int, value: int) -> Any:
        return bad(state, value) if value in (2, 3) else state + value

    queue = closed([1, 2, 3, 4], dead_letter=(dead := sinks.to_list()), attempts=1)
    pipeline = queue | op.scan(later, 0) | sinks.to_list()
    assert await pipeline == [1, 5]
    assert [letter.body for letter in dead.values] == [2, 3]
    assert all(says in str(letter.headers["x-ackflow-error"]) for letter in dead.values)


async def test_none_is_a_value_and_a_state_like_any_other() -> None:
    seen = op.scan(lambda before, value: value, None)
    assert await (streams.of(None, 1, None) | seen | sinks.to_list()) == [None, 1, None]
    assert await (streams.of(None) | op.enumerate() | sinks.to_list()) == [(0, None)]


async def test_an_iterator_that_can_be_read_once_is_read_once() -> None:
    pipeline = streams.from_iterable(iter("ab")) | op.enumerate(-1) | sinks.to_list()
    assert await pipeline == [(-1, "a"), (0, "b")]
    with pytest.raises(streams.SourceError, match="an iterator must be read by one run only"):
        await pipeline
