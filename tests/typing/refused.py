# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# pyright: reportUnknownVariableType=false, reportUnusedExpression=false
"""Pipelines that don't fit together: both checkers refuse every line that says `type: ignore`.

A line that one of them let pass would be reported by it, as an ignore that is not needed.
"""

from collections.abc import Sequence

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Stream


def parse(body: bytes) -> dict[str, int]:
    return {"length": len(body)}


def words(text: str) -> list[str]:
    return text.split()


async def fetch(text: str) -> bytes:
    return text.encode()


def store(chunk: list[str]) -> None:
    print(chunk)


def add(total: int, text: str) -> int:
    return total + len(text)


def batch(chunk: Sequence[str]) -> list[int]:
    return [len(text) for text in chunk]


class Store:
    async def write(self, items: Sequence[str]) -> None:
        print(items)


bodies: Stream[bytes] = streams.memory.queue([b"a"])
texts: Stream[str] = streams.memory.queue(["a"])

texts | op.map(parse)  # type: ignore
texts | op.map(str.upper) | op.map(parse)  # type: ignore
bodies | op.map(fetch)  # type: ignore
bodies | op.map_async(fetch)  # type: ignore
bodies | op.filter(words)  # type: ignore
bodies | op.flat_map(words)  # type: ignore
bodies | op.chunk(3) | op.map_chunk(batch)  # type: ignore
texts | op.map_chunk(batch)  # type: ignore
bodies | op.take(3) | op.map(words)  # type: ignore
texts | op.chunk(3) | op.map(words)  # type: ignore
op.map(parse) | op.map(words)  # type: ignore
op.map(parse) | op.chunk(3) | op.map_chunk(batch)  # type: ignore
op.retry(op.map_async(fetch)) | op.map(words)  # type: ignore
texts | sinks.each(store)  # type: ignore
bodies | op.chunk(3) | sinks.each(store)  # type: ignore
bodies | sinks.fold(add, 0)  # type: ignore
bodies | sinks.tee(sinks.each(store), sinks.count())  # type: ignore
bodies | sinks.optional(sinks.each(store))  # type: ignore
bodies | sinks.route(words, {})  # type: ignore
bodies | Store()  # type: ignore
bodies | 5  # type: ignore
bodies | parse  # type: ignore
op.map(parse) | 5  # type: ignore
op.map(5)  # type: ignore
op.map_async(words)  # type: ignore
op.chunk("3")  # type: ignore
op.chunk(3, timout=1.0)  # type: ignore
op.retry(5)  # type: ignore
op.merge([1])  # type: ignore
sinks.each(5)  # type: ignore
sinks.to_queue([])  # type: ignore
sinks.tee(sinks.count(), print)  # type: ignore
