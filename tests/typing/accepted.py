# pyright: strict
"""User code that mypy --strict and pyright's strict mode pass without a cast, with the exact types."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, assert_type

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message, Operator, Pipeline, Sink, Stream, Summary

Document = dict[str, int]


def parse(body: bytes) -> Document:
    return {"length": len(body)}


def scaled(document: Document, factor: int) -> Document:
    return {key: value * factor for key, value in document.items()}


def has_words(document: Document) -> bool:
    return bool(document)


def words(text: str) -> list[str]:
    return text.split()


async def letters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


async def fetch(document: Document) -> str:
    return str(document)


def embed(chunk: Sequence[str]) -> list[float | Exception]:
    return [float(len(text)) for text in chunk]


def store(chunk: list[str]) -> None:
    print(chunk)


async def store_later(chunk: list[str]) -> None:
    await asyncio.sleep(0)


def add(total: int, text: str) -> int:
    return total + len(text)


def nothing(error: Exception) -> Document:
    return {}


class Service:
    """Its methods are steps too."""

    def parse(self, body: bytes) -> Document:
        return {}

    async def fetch(self, document: Document) -> str:
        return ""


class Store:
    """A sink of one's own, without a base class."""

    async def write(self, items: Sequence[str]) -> None:
        print(items)


class Bulk(Sink[list[str], Summary]):
    """A sink of one's own that takes chunks."""

    name = "bulk"
    chunks = True

    async def write(self, items: Sequence[list[str]]) -> None:
        print(items)


@op.operator(holds=1)
async def labelled(
    messages: AsyncIterator[Message[str]], label: str
) -> AsyncIterator[Message[tuple[str, str]]]:
    async for message in messages:
        yield message.with_value((label, message.value))


service = Service()
bodies: Stream[bytes] = streams.memory.queue([b"a", b"b"])
texts = bodies | op.map(parse) | op.map_async(fetch)

# -- operators on a stream ------------------------------------------------------------------------
assert_type(streams.of(1, 2), Stream[int])
assert_type(bodies | op.map(parse), Stream[Document])
assert_type(bodies | op.map(service.parse), Stream[Document])
assert_type(bodies | op.map(bytes.decode), Stream[str])
assert_type(bodies | op.map(len), Stream[int])
assert_type(bodies | op.map(parse) | op.map(partial(scaled, factor=2)), Stream[Document])
assert_type(bodies | op.map(parse) | op.map_async(service.fetch, concurrency=3), Stream[str])
assert_type(texts, Stream[str])
assert_type(bodies | op.map(parse) | op.filter(has_words), Stream[Document])
assert_type(bodies | op.map(parse) | op.tap(print) | op.catch(nothing), Stream[Document])
assert_type(texts | op.flat_map(words), Stream[str])
assert_type(texts | op.flat_map(letters), Stream[str])
assert_type(texts | op.take(3) | op.skip(1) | op.merge(texts) | op.concat(texts), Stream[str])
assert_type(texts | op.chunk(3), Stream[list[str]])
assert_type(texts | op.chunk(3) | op.chunk(2), Stream[list[list[str]]])
assert_type(texts | op.chunk(3) | op.map_chunk(embed), Stream[list[float]])
assert_type(texts | op.chunk(3) | op.map_chunk(embed) | op.unchunk(), Stream[float])
assert_type(texts | op.chunk(3) | op.flatten(), Stream[str])
assert_type(texts | op.chunk(3) | op.map(len), Stream[int])
assert_type(texts | labelled("a"), Stream[tuple[str, str]])
assert_type(bodies | op.map(parse) | op.map_async(op.retry(fetch)), Stream[str])
assert_type(bodies | op.map(parse) | op.retry(op.map_async(fetch), attempts=3), Stream[str])
assert_type(texts[2:5], Stream[str])

# -- operators composed before any stream ---------------------------------------------------------
documents = op.map(parse) | op.filter(has_words)
assert_type(documents, Operator[bytes, Document])
assert_type(documents | op.map_async(fetch), Operator[bytes, str])
assert_type(documents | op.take(3) | op.map_async(fetch), Operator[bytes, str])
assert_type(documents | op.chunk(3) | op.map(len), Operator[bytes, int])
assert_type(documents | op.chunk(3) | op.unchunk(), Operator[bytes, Document])
assert_type(bodies | (documents | op.map_async(fetch) | op.chunk(3)), Stream[list[str]])
pairs = op.take(9) | op.chunk(2)
assert_type(bodies | pairs, Stream[list[bytes]])
assert_type(texts | pairs, Stream[list[str]])
assert_type(texts | (op.skip(1) | op.take(9) | op.chunk(2) | op.unchunk()), Stream[str])

# -- sinks ----------------------------------------------------------------------------------------
assert_type(texts | sinks.to_list(), Pipeline[list[str]])
assert_type(texts | op.chunk(2) | sinks.to_list(), Pipeline[list[list[str]]])
assert_type(texts | sinks.count(), Pipeline[int])
assert_type(texts | sinks.first(), Pipeline[str])
assert_type(texts | sinks.first(default=None), Pipeline[str | None])
assert_type(texts | sinks.fold(add, 0), Pipeline[int])
assert_type(texts | sinks.each(print), Pipeline[Summary])
assert_type(texts | op.chunk(3) | sinks.each(store), Pipeline[Summary])
assert_type(texts | op.chunk(3) | sinks.each(store_later, concurrency=2), Pipeline[Summary])
assert_type(texts | op.chunk(3) | op.retry(sinks.each(store)), Pipeline[Summary])
assert_type(texts | op.chunk(3) | Bulk(), Pipeline[Summary])
assert_type(texts | Store(), Pipeline[Any])
assert_type(
    texts | op.chunk(3) | sinks.tee(sinks.each(store), sinks.count()), Pipeline[tuple[Summary, int]]
)
assert_type(
    texts | op.chunk(3) | sinks.tee(sinks.each(store), sinks.optional(sinks.each(store_later))),
    Pipeline[tuple[Summary, Summary]],
)
by_length: Pipeline[Any] = texts | sinks.route(len, {1: sinks.count()})
target: asyncio.Queue[str] = asyncio.Queue()
assert_type(texts | sinks.to_queue(target), Pipeline[Summary])
assert_type(texts | sinks.to_queue(streams.memory.queue(["a"])), Pipeline[Summary])

# -- whole pipelines as values --------------------------------------------------------------------
indexing: Callable[[Stream[bytes]], Pipeline[Summary]] = (
    documents | op.map_async(fetch) | op.chunk(256) | sinks.each(store)
)
assert_type(bodies | indexing, Pipeline[Summary])


async def main() -> None:
    assert_type(await (texts | sinks.to_list()), list[str])
    assert_type(await texts.peek(3), list[str])
    async for text in texts:
        assert_type(text, str)
    async for message in texts.messages():
        assert_type(message, Message[str])
