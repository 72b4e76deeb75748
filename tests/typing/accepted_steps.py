# pyright: strict
"""Functions of every kind as steps on a stream: no cast, and the exact types."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import assert_type

from ackflow import operators as op
from ackflow import streams
from ackflow.streams import Message, Stream

Document = dict[str, int]


def parse(body: bytes) -> Document:
    return {"length": len(body)}


def scaled(document: Document, factor: int) -> Document:
    return {key: value * factor for key, value in document.items()}


def has_words(document: Document) -> bool:
    return bool(document)


def total(document: Document) -> int:
    return sum(document.values())


def words(text: str) -> list[str]:
    return text.split()


def lines(text: str) -> Iterator[str]:
    yield from text.splitlines()


async def letters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


async def fetch(document: Document) -> str:
    return str(document)


async def fetch_as(document: Document, encoding: str) -> bytes:
    return str(document).encode(encoding)


def embed(chunk: Sequence[str]) -> list[float | Exception]:
    return [float(len(text)) for text in chunk]


def nothing(error: Exception) -> Document:
    return {}


class Service:
    """Its methods are steps too."""

    def parse(self, body: bytes) -> Document:
        return {}

    def scale(self, document: Document, factor: int) -> Document:
        return {key: value * factor for key, value in document.items()}

    async def fetch(self, document: Document) -> str:
        return ""

    async def fetch_as(self, document: Document, encoding: str) -> bytes:
        return b""

    @staticmethod
    def size(body: bytes) -> int:
        return len(body)

    @classmethod
    def named(cls, body: bytes) -> tuple[str, bytes]:
        return cls.__name__, body


class Scale:
    """What can be called is a step."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, document: Document) -> Document:
        return {key: value * self.factor for key, value in document.items()}


class Fetch:
    """What can be called and awaited is one, too."""

    async def __call__(self, document: Document) -> str:
        await asyncio.sleep(0)
        return ""


service = Service()
bodies: Stream[bytes] = streams.memory.queue([b"a", b"b"])
documents = bodies | op.map(parse)
texts = documents | op.map_async(fetch)

# -- sources --------------------------------------------------------------------------------------
assert_type(streams.of(1, 2), Stream[int])
assert_type(streams.every(1.0), Stream[int])
assert_type(texts, Stream[str])
assert_type(texts[2:5], Stream[str])

# -- functions, methods, classes, partials, callable objects --------------------------------------
assert_type(bodies | op.map(parse), Stream[Document])
assert_type(bodies | op.map(len), Stream[int])
assert_type(bodies | op.map(bytes.decode), Stream[str])
assert_type(bodies | op.map(service.parse), Stream[Document])
assert_type(bodies | op.map(Service.size), Stream[int])
assert_type(bodies | op.map(service.named), Stream[tuple[str, bytes]])
assert_type(texts | op.map(int), Stream[int])
assert_type(documents | op.map(Scale(2)), Stream[Document])
assert_type(documents | op.map(partial(scaled, factor=2)), Stream[Document])
assert_type(documents | op.map(partial(service.scale, factor=2)), Stream[Document])
assert_type(documents | op.map(total), Stream[int])

# -- async ones -----------------------------------------------------------------------------------
assert_type(documents | op.map_async(fetch), Stream[str])
assert_type(documents | op.map_async(service.fetch, concurrency=3), Stream[str])
assert_type(documents | op.map_async(Fetch(), ordered=False), Stream[str])
assert_type(documents | op.map_async(partial(fetch_as, encoding="utf-8")), Stream[bytes])
assert_type(documents | op.map_async(partial(service.fetch_as, encoding="utf-8")), Stream[bytes])

# -- retry and catch ------------------------------------------------------------------------------
assert_type(documents | op.map_async(op.retry(fetch)), Stream[str])
assert_type(documents | op.map_async(op.retry(service.fetch, attempts=3)), Stream[str])
assert_type(documents | op.map_async(op.retry(Fetch(), on=OSError)), Stream[str])
assert_type(documents | op.retry(op.map_async(fetch), attempts=3), Stream[str])
assert_type(documents | op.retry(op.map(total)), Stream[int])
assert_type(bodies | op.map(parse) | op.catch(nothing), Stream[Document])
assert_type(bodies | op.map(parse) | op.catch(nothing, on=(ValueError, KeyError)), Stream[Document])

# -- what lets through, drops, looks on -----------------------------------------------------------
assert_type(documents | op.filter(has_words), Stream[Document])
assert_type(documents | op.filter(bool), Stream[Document])
assert_type(documents | op.filter(bool) | op.map(total), Stream[int])
assert_type(texts | op.filter(str.isalpha), Stream[str])
assert_type(documents | op.tap(print), Stream[Document])
assert_type(texts | op.take(3) | op.skip(1) | op.merge(texts) | op.concat(texts), Stream[str])

# -- what splits and what joins -------------------------------------------------------------------
assert_type(texts | op.flat_map(words), Stream[str])
assert_type(texts | op.flat_map(lines), Stream[str])
assert_type(texts | op.flat_map(letters), Stream[str])
assert_type(texts | op.map(words) | op.flatten(), Stream[str])
assert_type(texts | op.chunk(3), Stream[list[str]])
assert_type(texts | op.chunk(3) | op.chunk(2), Stream[list[list[str]]])
assert_type(texts | op.chunk(3) | op.flatten(), Stream[str])
assert_type(texts | op.chunk(3) | op.map(len), Stream[int])
assert_type(texts | op.chunk(3) | op.map_chunk(embed), Stream[list[float]])
assert_type(texts | op.chunk(3) | op.map_chunk(embed) | op.unchunk(), Stream[float])


async def main() -> None:
    assert_type(await texts.peek(3), list[str])
    async for text in texts:
        assert_type(text, str)
    async for message in texts.messages():
        assert_type(message, Message[str])
    async with texts.open() as values:
        async for value in values:
            assert_type(value, str)
