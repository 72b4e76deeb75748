"""operator and pipe: operators of one's own, and several in one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message
from tests.queues import assert_all_closed, closed


@op.operator(holds=1)
async def pairwise(messages: AsyncIterator[Message[int]]) -> AsyncIterator[Message[Any]]:
    before = None
    async for message in messages:
        yield message.with_value((before, message.value))
        before = message.value


@op.operator(holds=2)
async def every(messages: AsyncIterator[Message[int]], n: int) -> AsyncIterator[Message[int]]:
    position = 0
    async for message in messages:
        position += 1
        if position % n:
            message.skip()
        else:
            yield message


@op.operator()
async def unbounded(messages: AsyncIterator[Message[int]]) -> AsyncIterator[Message[int]]:
    async for message in messages:
        yield message


async def test_an_operator_of_ones_own_is_used_like_any_other() -> None:
    queue = closed([1, 2, 3])
    assert await (queue | pairwise() | sinks.to_list()) == [(None, 1), (1, 2), (2, 3)]
    assert queue.acked == [1, 2, 3]


async def test_its_parameters_are_those_of_the_operator() -> None:
    queue = closed(range(6))
    pipeline = queue | every(3) | sinks.to_list()
    assert await pipeline == [2, 5]
    assert (sorted(queue.acked), pipeline.summary.skipped) == (list(range(6)), 4)
    assert repr(every(n=3)) == "every(n=3)"


async def test_wrong_parameters_are_an_error_where_they_are_written() -> None:
    wrong: Any = every
    with pytest.raises(TypeError, match=r"every\(\): missing a required argument: 'n'"):
        wrong()
    with pytest.raises(TypeError, match=r"every\(\): got an unexpected keyword argument 'm'"):
        wrong(3, m=1)


async def test_parts_settle_their_message_together() -> None:
    @op.operator(holds=0)
    async def letters(messages: AsyncIterator[Message[str]]) -> AsyncIterator[Message[str]]:
        async for message in messages:
            for part in message.split(list(message.value)):
                yield part

    dead = sinks.to_list()
    queue = closed(["ab", "cd"], dead_letter=dead)
    check = op.map(lambda letter: {"a": 1, "b": 2, "c": 3}[letter])
    assert await (queue | letters() | check | sinks.to_list()) == [1, 2, 3]
    assert [letter.body for letter in dead.values] == ["cd"]


async def test_what_it_keeps_back_at_the_end_is_given_back() -> None:
    @op.operator(holds=9)
    async def keeps(messages: AsyncIterator[Message[int]]) -> AsyncIterator[Message[int]]:
        kept = []
        async for message in messages:
            kept.append(message)
            if len(kept) == 2:
                break
        for message in kept[:1]:
            yield message

    queue = closed([1, 2, 3])
    assert await (queue | keeps() | sinks.to_list()) == [1]
    assert (queue.acked, queue.ready) == ([1], [2, 3])
    assert_all_closed(queue)


async def test_one_that_raises_ends_the_run_and_loses_nothing() -> None:
    @op.operator(holds=0)
    async def broken(messages: AsyncIterator[Message[int]]) -> AsyncIterator[Message[int]]:
        async for message in messages:
            if message.value == 2:
                raise RuntimeError("a bug in broken")
            yield message

    queue = closed([1, 2, 3])
    with pytest.raises(RuntimeError, match="a bug in broken"):
        await (queue | broken() | sinks.to_list())
    assert (queue.acked, queue.ready) == ([1], [2, 3])
    assert_all_closed(queue)


async def test_one_that_yields_values_is_told_to_yield_messages() -> None:
    @op.operator(holds=0)
    async def values(messages: AsyncIterator[Message[int]]) -> AsyncIterator[Any]:
        async for message in messages:
            yield message.value

    with pytest.raises(
        TypeError, match=r"@op\.operator values: must yield messages, got 1; message"
    ):
        await (streams.of(1) | values() | sinks.to_list())


async def test_one_that_declares_no_bound_needs_an_explicit_prefetch() -> None:
    with pytest.raises(ValueError, match=r"unbounded, which declares no bound; give prefetch="):
        await (closed([1]) | unbounded() | sinks.count())
    assert await (closed([1], prefetch=5) | unbounded() | sinks.count()) == 1
    assert await (streams.of(1) | unbounded() | sinks.count()) == 1


async def test_it_is_closed_when_what_follows_ends_early() -> None:
    closes: list[str] = []

    @op.operator(holds=0)
    async def noticing(messages: AsyncIterator[Message[int]]) -> AsyncIterator[Message[int]]:
        try:
            async for message in messages:
                yield message
        finally:
            closes.append("noticing")

    queue = closed([1, 2, 3])
    assert await (queue | noticing() | op.take(1) | sinks.to_list()) == [1]
    assert (closes, queue.ready) == (["noticing"], [2, 3])


async def test_an_operator_is_a_value_used_any_number_of_times() -> None:
    two = op.take(2) | op.chunk(2)
    first, second = await asyncio.gather(
        _listed(streams.of(1, 2, 3) | two), _listed(streams.of("a", "b", "c") | two | op.flatten())
    )
    assert (first, second) == ([[1, 2]], ["a", "b"])


async def _listed(stream: Any) -> list[Any]:
    result: list[Any] = await (stream | sinks.to_list())
    return result
