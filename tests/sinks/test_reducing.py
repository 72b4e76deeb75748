"""Sinks whose result is a value of the stream, or made of values alone: reduce, last."""

import asyncio
from functools import reduce
from operator import sub
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed

bounded = settings(max_examples=30, deadline=None, database=None)
some = st.lists(st.integers(-9, 9), min_size=1, max_size=30)


@bounded
@given(some, st.sampled_from([None, 1, 4]))
def test_reduce_is_functools_reduce_and_last_the_last_of_a_list(
    xs: list[int], prefetch: int | None
) -> None:
    async def main() -> None:
        queue = closed(xs, prefetch=prefetch)
        assert await (queue | sinks.reduce(sub)) == reduce(sub, xs)
        assert queue.acked == xs
        again = closed(xs, prefetch=prefetch)
        assert await (again | sinks.last()) == xs[-1]
        assert again.acked == xs
        assert_all_closed(queue, again)

    run(main())


@pytest.mark.parametrize("name", ["reduce(f)", "last()"])
async def test_an_empty_stream_is_the_default_or_an_error(name: str) -> None:
    empty: Any = streams.of()
    with_default = {"reduce(f)": sinks.reduce(max, default=None), "last()": sinks.last(None)}
    without = {"reduce(f)": sinks.reduce(max), "last()": sinks.last()}
    assert await (empty | with_default[name]) is None
    assert await (streams.of(1) | with_default[name]) == 1
    with pytest.raises(LookupError) as caught:
        await (empty | without[name])
    text = f"sinks.{name}: the stream was empty, and no default was given"
    assert str(caught.value) == text


async def test_every_run_begins_anew() -> None:
    queue = streams.memory.queue([1, 2])
    total, last = queue | sinks.reduce(max, default=0), queue | sinks.last(0)
    queue.close()
    assert (await total, await total) == (2, 0)
    assert await last == 0


async def test_none_is_a_value_like_any_other() -> None:
    assert await (streams.of(None, None) | sinks.reduce(lambda a, b: (a, b))) == (None, None)
    assert await (streams.of(1, None) | sinks.last(default=5)) is None


async def coroutine(value: Any) -> Any:
    return value


def stopping(value: Any) -> Any:
    raise StopIteration


def cancelling(value: Any) -> Any:
    raise asyncio.CancelledError


def failing(value: Any) -> Any:
    raise ValueError(value)


@pytest.mark.parametrize("bad", [failing, stopping, cancelling, lambda value: coroutine(value)])
async def test_a_value_that_the_function_fails_for_fails_alone(bad: Any) -> None:
    def add(total: int, value: int) -> Any:
        return bad(value) if value == 2 else total + value

    queue = closed([1, 2, 4], dead_letter=(dead := sinks.to_list()), attempts=1)
    assert await (queue | sinks.reduce(add)) == 5
    assert [letter.body for letter in dead.values] == [2]
    assert queue.acked == [1, 2, 4]


async def test_an_outage_folds_nothing_twice() -> None:
    outages = iter([ConnectionError("away")] * 2)

    def add(total: int, value: int) -> int:
        if value == 2 and (error := next(outages, None)):
            raise error
        return total + value

    pipeline = closed([1, 2, 4], attempts=1) | sinks.reduce(add)
    assert await pipeline == 7
    assert pipeline.summary.halts == 1


async def test_the_last_value_is_the_one_accepted_last() -> None:
    failures = [Requeue("later", after=1)]

    def once(value: int) -> int:
        if value == 1 and failures:
            raise failures.pop()
        return value

    assert await (closed([1, 2]) | op.map(once) | sinks.last()) == 1


async def test_chunks_are_values_like_any_other() -> None:
    queue = closed(range(5))
    assert await (queue | op.chunk(2) | sinks.last()) == [4]
    assert await (closed(range(5)) | op.chunk(2) | sinks.reduce(lambda a, b: a + b)) == [*range(5)]
    assert queue.acked == [*range(5)]
