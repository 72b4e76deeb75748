"""What the laws do not say about take_while and take_until: how far they ask, and what ends them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import aiostream
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.operators import ending
from ackflow.streams import Reject, Requeue, Skip
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed

numbers = st.lists(st.integers(0, 9), max_size=20)
bounded = settings(max_examples=40, deadline=None, database=None)
both = pytest.mark.parametrize("name", ["take_while", "take_until"])


def ending_at(name: str, end: Callable[[Any], Any]) -> Any:
    """Return the operator that ends where `end` says so."""
    if name == "take_until":
        return op.take_until(end)
    return op.take_while(lambda value: not end(value))


@both
@bounded
@given(numbers, st.integers(0, 9), st.sampled_from([None, 1, 3]))
def test_it_is_aiostreams_and_gives_back_the_rest(
    name: str, xs: list[int], end: int, prefetch: int | None
) -> None:
    async def main() -> None:
        source = aiostream.stream.iterate(xs)
        known: list[int] = await aiostream.stream.list(
            aiostream.stream.until(source, lambda n: n == end)
            if name == "take_until"
            else aiostream.stream.takewhile(source, lambda n: n != end)
        )
        queue = closed(xs, prefetch=prefetch)
        pipeline = queue | ending_at(name, lambda n: n == end) | sinks.to_list()
        assert await pipeline == known
        assert (queue.acked, queue.ready) == (known, xs[len(known) :])
        assert pipeline.summary.skipped == 0
        assert_all_closed(queue)

    run(main())


@both
async def test_the_function_is_not_called_beyond_the_end(name: str) -> None:
    asked: list[int] = []

    def end(value: int) -> bool:
        asked.append(value)
        return value == 3

    queue = streams.memory.queue(range(100), prefetch=50)
    await (queue | ending_at(name, end) | sinks.to_list())
    assert asked == [0, 1, 2, 3]
    assert len(queue.acked) + len(queue.ready) == 100


@both
async def test_what_lies_beyond_is_given_back_at_once_and_once(name: str) -> None:
    async def slow(value: int) -> None:
        await asyncio.sleep(10)

    queue = streams.memory.queue(range(6))
    handle = (queue | ending_at(name, lambda n: n == 3) | sinks.each(slow)).start()
    await asyncio.sleep(5)
    beyond = [4, 5] if name == "take_until" else [3, 4, 5]
    assert queue.ready == queue.requeued == beyond
    await handle
    assert queue.ready == queue.requeued == beyond


@both
async def test_it_ends_a_stream_that_would_never_end_and_closes_it(name: str) -> None:
    ended: list[bool] = []

    async def endless() -> AsyncIterator[int]:
        try:
            for number in count():
                yield number
        finally:
            ended.append(True)

    stream = streams.from_iterable(endless()) | ending_at(name, lambda n: n == 2)
    assert await (stream | sinks.count()) == (3 if name == "take_until" else 2)
    assert ended == [True]


@both
async def test_a_value_that_the_function_raises_for_fails_alone_and_ends_nothing(name: str) -> None:
    def end(value: int) -> bool:
        if value in (1, 2):
            raise ValueError(value)
        return value == 4

    queue = closed(range(6), dead_letter=(dead := sinks.to_list()))
    await (queue | ending_at(name, end) | (kept := sinks.to_list()))
    assert kept.values in ([0, 3], [0, 3, 4])
    assert [letter.body for letter in dead.values] == [1, 2]
    assert queue.ready[-1] == 5


@both
async def test_verdicts_of_the_function_are_kept(name: str) -> None:
    verdicts: dict[int, Any] = {1: Skip("no"), 2: Reject("never"), 3: Requeue("later", after=1)}

    def end(value: int) -> bool:
        if (verdict := verdicts.pop(value, None)) is not None:
            raise verdict
        return False

    queue = closed(range(5), dead_letter=(dead := sinks.to_list()))
    pipeline = queue | ending_at(name, end) | sinks.to_list()
    assert await pipeline == [0, 4, 3]
    assert [letter.body for letter in dead.values] == [2]
    assert pipeline.summary.skipped == 1


@both
async def test_an_outage_halts_and_is_tried_again(name: str) -> None:
    outages = iter([TimeoutError()] * 2)

    def end(value: int) -> bool:
        if value == 1 and (error := next(outages, None)):
            raise error
        return value == 2

    queue = closed(range(4), attempts=1)
    pipeline = queue | ending_at(name, end) | sinks.to_list()
    assert (await pipeline)[:2] == [0, 1]
    assert pipeline.summary.halts == 1
    assert queue.ready[-1] == 3


class Undecided:
    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


async def coroutine(value: Any) -> Any:
    return value


def stopping(value: Any) -> Any:
    raise StopIteration


def cancelling(value: Any) -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda value: Undecided(), "neither true nor false"),
        (lambda value: coroutine(value), "later returned a coroutine"),
        (stopping, "later raised StopIteration"),
        (cancelling, "later raised CancelledError"),
    ],
)
@pytest.mark.parametrize("make", [op.take_while, op.take_until])
async def test_what_is_no_answer_fails_its_own_value(make: Any, answer: Any, says: str) -> None:
    def later(value: int) -> Any:
        return answer(value) if value == 1 else make is op.take_while

    queue = closed([0, 1, 2], dead_letter=(dead := sinks.to_list()), attempts=1)
    assert await (queue | make(later) | sinks.to_list()) == [0, 2]
    (letter,) = dead.values
    assert letter.body == 1
    assert says in str(letter.headers["x-ackflow-error"])


async def test_none_is_a_value_and_an_answer_like_any_other() -> None:
    stream = streams.of(None, None, 1)
    assert await (stream | op.take_until(lambda value: value) | sinks.to_list()) == [None, None, 1]
    assert await (stream | op.take_while(lambda value: value) | sinks.to_list()) == []


@both
async def test_chunks_keep_their_members(name: str) -> None:
    class Refusing:
        async def write(self, items: Any) -> Any:
            return [ValueError("odd") if value % 2 else None for value in items[0]]

    queue = closed(range(6), dead_letter=(dead := sinks.to_list()))
    await (queue | op.chunk(2) | ending_at(name, lambda chunk: chunk == [2, 3]) | Refusing())
    assert [letter.body for letter in dead.values] == ([1, 3] if name == "take_until" else [1])
    assert sorted(queue.acked + queue.ready) == list(range(6))


@both
async def test_a_slow_function_keeps_nothing_from_what_follows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "WORK", -1.0)
    calls: list[int] = []
    seen: list[tuple[int, int]] = []

    def end(value: int) -> bool:
        calls.append(value)
        return value == 4

    queue = closed(range(6))
    step = ending_at(name, end) | op.tap(lambda value: seen.append((value, len(calls))))
    await (queue | step | sinks.to_list())
    assert seen[:4] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert queue.ready[-1] == 5
