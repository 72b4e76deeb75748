# pyright: strict
"""Sinks: what a pipeline gives."""

import asyncio
from functools import partial
from typing import Any, assert_type

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Pipeline, Sink, Stream, Summary


def store(chunk: list[str]) -> None:
    print(chunk)


def store_at(path: str, chunk: list[str]) -> None:
    print(path, chunk)


async def store_later(chunk: list[str]) -> None:
    await asyncio.sleep(0)


def add(total: int, text: str) -> int:
    return total + len(text)


class Database:
    """Its methods store, and so does it."""

    def insert(self, text: str) -> int:
        return 1

    async def insert_later(self, text: str) -> int:
        return 1

    async def __call__(self, chunk: list[str]) -> None:
        print(chunk)


database = Database()
texts: Stream[str] = streams.memory.queue(["a"])
target: asyncio.Queue[str] = asyncio.Queue()

# -- what collects --------------------------------------------------------------------------------
assert_type(texts | sinks.to_list(), Pipeline[list[str]])
assert_type(texts | op.chunk(2) | sinks.to_list(), Pipeline[list[list[str]]])
assert_type(texts | sinks.count(), Pipeline[int])
assert_type(texts | sinks.first(), Pipeline[str])
assert_type(texts | sinks.first(default=None), Pipeline[str | None])
assert_type(texts | sinks.first(default=0), Pipeline[str | int])
assert_type(texts | sinks.fold(add, 0), Pipeline[int])

# -- what hands on --------------------------------------------------------------------------------
assert_type(texts | sinks.each(print), Pipeline[Summary])
assert_type(texts | sinks.each(database.insert), Pipeline[Summary])
assert_type(texts | sinks.each(database.insert_later, concurrency=4), Pipeline[Summary])
assert_type(texts | op.chunk(3) | sinks.each(database, idempotent=True), Pipeline[Summary])
assert_type(texts | op.chunk(3) | sinks.each(store), Pipeline[Summary])
assert_type(texts | op.chunk(3) | sinks.each(store_later, concurrency=2), Pipeline[Summary])
assert_type(sinks.each(store), Sink[list[str], Summary])
assert_type(sinks.each(store_later), Sink[list[str], Summary])
assert_type(texts | sinks.to_queue(target), Pipeline[Summary])
assert_type(texts | sinks.to_queue(streams.memory.queue(["a"])), Pipeline[Summary])

# -- several --------------------------------------------------------------------------------------
assert_type(
    texts | op.chunk(3) | sinks.tee(sinks.each(store), sinks.count()), Pipeline[tuple[Summary, int]]
)
assert_type(
    texts | op.chunk(3) | sinks.tee(sinks.each(store), sinks.optional(sinks.each(store_later))),
    Pipeline[tuple[Summary, Summary]],
)

# A sink that takes or gives Any fits a pipeline and a plain object with `write` alike: mypy sees Any.
assert_type(
    texts | sinks.tee(op.chunk(3) | sinks.each(store), sinks.count()), Pipeline[tuple[Summary, int]]
)
assert_type(
    texts | sinks.tee(op.map(str.split) | sinks.to_list(), op.map(str.upper) | sinks.to_list()),
    Pipeline[tuple[list[list[str]], list[str]]],
)
three: Pipeline[Any] = texts | sinks.tee(sinks.count(), sinks.each(print), sinks.count())
stored: Pipeline[Any] = texts | op.chunk(3) | sinks.each(partial(store_at, "file"))
by_length: Pipeline[Any] = texts | sinks.route(len, {1: sinks.count()}, default=sinks.each(print))

# -- again ----------------------------------------------------------------------------------------
assert_type(texts | op.chunk(3) | op.retry(sinks.each(store)), Pipeline[Summary])
assert_type(texts | op.retry(sinks.count(), attempts=2), Pipeline[int])
assert_type(texts | op.retry(sinks.fold(add, 0), on=OSError), Pipeline[int])


async def main() -> None:
    assert_type(await (texts | sinks.to_list()), list[str])
    assert_type(await (texts | sinks.count()), int)


assert_type((texts | sinks.count()).run(), int)
