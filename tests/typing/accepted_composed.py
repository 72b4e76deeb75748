# pyright: strict
"""Operators composed before any stream says what the values are, by `|` and by `pipe`."""

from collections.abc import Callable, Sequence
from typing import Any, assert_type

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Operator, Pipeline, Stream, Summary

Document = dict[str, int]


def parse(body: bytes) -> Document:
    return {"length": len(body)}


def has_words(document: Document) -> bool:
    return bool(document)


async def fetch(document: Document) -> str:
    return str(document)


def words(text: str) -> list[str]:
    return text.split()


def joined(chunk: list[str]) -> str:
    return " ".join(chunk)


def nested(chunks: list[list[str]]) -> int:
    return len(chunks)


def embed(chunk: Sequence[str]) -> list[float | Exception]:
    return [float(len(text)) for text in chunk]


def store(chunk: list[str]) -> None:
    print(chunk)


def nothing(error: Exception) -> str:
    return ""


bodies: Stream[bytes] = streams.memory.queue([b"a", b"b"])
texts: Stream[str] = streams.memory.queue(["a"])

# -- by | -----------------------------------------------------------------------------------------
documents = op.map(parse) | op.filter(has_words)
assert_type(documents, Operator[bytes, Document])
assert_type(documents | op.filter(bool), Operator[bytes, Document])
assert_type(documents | op.map_async(fetch), Operator[bytes, str])
assert_type(documents | op.take(3) | op.map_async(fetch), Operator[bytes, str])
assert_type(documents | op.chunk(3) | op.map(len), Operator[bytes, int])
assert_type(documents | op.chunk(3) | op.unchunk(), Operator[bytes, Document])
assert_type(documents | op.chunk(2) | op.chunk(2), Operator[bytes, list[list[Document]]])
assert_type(bodies | (documents | op.map_async(fetch) | op.chunk(3)), Stream[list[str]])
assert_type(op.chunk(3) | op.map(joined), Operator[str, str])
assert_type(op.chunk(3) | op.take(2) | op.map(joined), Operator[str, str])
assert_type(op.chunk(3) | op.map(len), Operator[object, int])
assert_type(op.take(3) | op.map(words), Operator[str, list[str]])
assert_type(op.unchunk() | op.map(words), Operator[Sequence[str], list[str]])

# Any type of values: exact where it meets a stream.
pairs = op.take(9) | op.chunk(2)
assert_type(bodies | pairs, Stream[list[bytes]])
assert_type(texts | pairs, Stream[list[str]])
assert_type(texts | (op.skip(1) | op.take(9) | op.chunk(2) | op.unchunk()), Stream[str])

# Two that change the type, and no stream: what is made of the values is known, they are not.
assert_type(op.chunk(2) | op.chunk(3), Operator[Any, list[list[Any]]])
assert_type(op.chunk(2) | op.chunk(3) | op.flatten(), Operator[Any, list[Any]])
assert_type(op.chunk(2) | op.chunk(3) | op.map(nested), Operator[Any, int])

# -- whole pipelines as values --------------------------------------------------------------------
indexing = documents | op.map_async(fetch) | op.chunk(256) | sinks.each(store)
assert_type(indexing, Callable[[Stream[bytes]], Pipeline[Summary]])
assert_type(bodies | indexing, Pipeline[Summary])
assert_type(texts | (op.take(3) | sinks.to_list()), Pipeline[list[str]])
assert_type(texts | (op.chunk(3) | sinks.count()), Pipeline[int])

# -- by pipe --------------------------------------------------------------------------------------
assert_type(
    texts | op.pipe(op.map(str.strip), op.filter(bool), op.chunk(3), op.map(len), sinks.count()),
    Pipeline[int],
)
assert_type(op.pipe(op.map(parse)), Operator[bytes, Document])
assert_type(op.pipe(op.map(parse), op.map_async(fetch)), Operator[bytes, str])
assert_type(op.pipe(documents, op.map_async(fetch), op.flat_map(words)), Operator[bytes, str])
assert_type(
    op.pipe(op.map(words), op.flatten(), op.chunk(2), op.chunk(3)), Operator[str, list[list[str]]]
)
assert_type(
    op.pipe(op.tap(print), op.map(str.upper), op.tap(print), op.chunk(3), op.tap(print)),
    Operator[str, list[str]],
)
assert_type(
    op.pipe(
        op.map(parse),
        op.filter(has_words),
        op.retry(op.map_async(fetch), attempts=3),
        op.catch(nothing),
        op.flat_map(words),
        op.chunk(8),
        op.map_chunk(embed),
        op.unchunk(),
        op.take(100),
    ),
    Operator[bytes, float],
)
assert_type(
    op.pipe(
        op.take(1000),
        op.map(parse),
        op.tap(print),
        op.map_async(fetch),
        op.chunk(8),
        op.tap(print),
        op.map(joined),
        op.chunk(8),
        sinks.each(store),
    ),
    Callable[[Stream[bytes]], Pipeline[Summary]],
)
assert_type(
    op.pipe(op.map(parse), sinks.to_list()), Callable[[Stream[bytes]], Pipeline[list[Document]]]
)

# With steps for any type at the front.
assert_type(op.pipe(op.take(3), op.map(words)), Operator[str, list[str]])
assert_type(op.pipe(op.chunk(3), op.map(joined)), Operator[str, str])
assert_type(texts | op.pipe(op.take(3), op.chunk(3), op.map(joined)), Stream[str])
assert_type(texts | op.pipe(op.chunk(3), op.take(3), op.map(len)), Stream[int])
assert_type(texts | op.pipe(op.take(3), op.chunk(3), sinks.each(store)), Pipeline[Summary])
assert_type(texts | op.pipe(op.take(3), op.chunk(3), sinks.to_list()), Pipeline[list[list[str]]])

# With no others.
assert_type(texts | op.pipe(), Stream[str])
assert_type(texts | op.pipe(op.take(3), op.skip(1), op.tap(print)), Stream[str])
assert_type(texts | op.pipe(op.take(3), op.chunk(3)), Stream[list[str]])
assert_type(op.pipe(op.chunk(3), op.unchunk(), op.take(3)), Operator[Any, Any])

# More than nine.
ten = [op.take(n) for n in range(10)]
assert_type(
    op.pipe(
        op.map(parse), ten[1], ten[2], ten[3], ten[4], ten[5], ten[6], ten[7], ten[8], op.map(len)
    ),
    Operator[Any, Any],
)
