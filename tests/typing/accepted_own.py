# pyright: strict
"""Operators and sinks of one's own."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, assert_type

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message, Operator, Pipeline, Sink, Stream, Summary


@op.operator(holds=1)
async def doubled(messages: AsyncIterator[Message[str]]) -> AsyncIterator[Message[str]]:
    async for message in messages:
        yield message.with_value(message.value * 2)


@op.operator(holds=1)
async def labelled(
    messages: AsyncIterator[Message[str]], label: str, *, times: int = 1
) -> AsyncIterator[Message[tuple[str, str]]]:
    async for message in messages:
        yield message.with_value((label * times, message.value))


@op.operator()
async def split(messages: AsyncIterator[Message[str]]) -> AsyncIterator[Message[str]]:
    async for message in messages:
        for part in message.split(message.value.split()):
            yield part


@op.operator(holds=0)
async def passed(messages: AsyncIterator[Message[Any]]) -> AsyncIterator[Message[Any]]:
    async for message in messages:
        yield message


class Store:
    """A sink of one's own, without a base class."""

    async def write(self, items: Sequence[str]) -> None:
        print(items)


class Careful:
    """One that says which elements it did not store."""

    async def open(self) -> None:
        print("open")

    async def write(self, items: Sequence[str]) -> list[Exception | None]:
        return [None for _ in items]

    async def close(self) -> None:
        print("close")


class Bulk(Sink[list[str], Summary]):
    """One that takes chunks."""

    name = "bulk"
    chunks = True

    async def write(self, items: Sequence[list[str]]) -> None:
        print(items)


class Longest(Sink[str, int]):
    """One with a result."""

    name = "longest"

    def __init__(self) -> None:
        self.longest = 0

    async def write(self, items: Sequence[str]) -> None:
        self.longest = max(self.longest, *map(len, items))

    def result(self, summary: Summary) -> int:
        return self.longest


texts: Stream[str] = streams.memory.queue(["a"])

assert_type(doubled(), Operator[str, str])
assert_type(labelled("a"), Operator[str, tuple[str, str]])
assert_type(texts | labelled("a", times=3), Stream[tuple[str, str]])
assert_type(texts | split() | op.chunk(3), Stream[list[str]])
assert_type(texts | doubled() | passed(), Stream[Any])
assert_type(op.map(bytes.decode) | doubled() | labelled("a"), Operator[bytes, tuple[str, str]])
assert_type(
    op.pipe(op.map(bytes.decode), doubled(), labelled("a")), Operator[bytes, tuple[str, str]]
)

assert_type(texts | Store(), Pipeline[Any])
assert_type(texts | Careful(), Pipeline[Any])
assert_type(texts | op.chunk(3) | Bulk(), Pipeline[Summary])
assert_type(texts | Longest(), Pipeline[int])
assert_type(texts | op.pipe(doubled(), op.chunk(3), Bulk()), Pipeline[Summary])
assert_type(texts | sinks.tee(Longest(), sinks.count()), Pipeline[tuple[int, int]])
both: Pipeline[Any] = texts | sinks.tee(Store(), Longest())
assert_type(texts | op.retry(Longest()), Pipeline[int])
