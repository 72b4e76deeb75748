# pyright: strict
"""What else there is: state, keys, time, several streams, executors."""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_type

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Operator, Pipeline, Stream

Document = dict[str, int]


def parse(body: bytes) -> Document:
    return {"length": len(body)}


def first_letter(text: str) -> str:
    return text[:1]


def add(total: int, text: str) -> int:
    return total + len(text)


def longer(one: str, other: str) -> str:
    return max(one, other, key=len)


def changed(pair: tuple[str, str]) -> bool:
    return pair[0] != pair[1]


def numbered(pair: tuple[int, str]) -> str:
    return f"{pair[0]} {pair[1]}"


def three(values: tuple[str, int, bytes]) -> float:
    return 1.0


def words(text: str) -> list[str]:
    return text.split()


async def letters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


async def fetch(text: str) -> bytes:
    return text.encode()


bodies: Stream[bytes] = streams.memory.queue([b"a"])
texts: Stream[str] = streams.memory.queue(["a"])
numbers: Stream[int] = streams.of(1)

# -- state ----------------------------------------------------------------------------------------
assert_type(texts | op.scan(add, 0), Stream[int])
assert_type(texts | op.scan(longer, ""), Stream[str])
assert_type(texts | op.enumerate(), Stream[tuple[int, str]])
assert_type(texts | op.enumerate(start=1) | op.map(numbered), Stream[str])
assert_type(op.enumerate() | op.map(numbered), Operator[str, str])
assert_type(op.map(parse) | op.enumerate(), Operator[bytes, tuple[int, Document]])
assert_type(texts | op.distinct(), Stream[str])
assert_type(texts | op.distinct(first_letter, within=60.0), Stream[str])
assert_type(texts | op.distinct(hash) | op.map(words), Stream[list[str]])
assert_type(texts | op.take_while(bool) | op.map(words), Stream[list[str]])
assert_type(texts | op.take_while(str.isalpha), Stream[str])
assert_type(texts | op.take_until(str.isalpha) | op.take_until(bool), Stream[str])
assert_type(op.map(bytes.decode) | op.take_while(str.isalpha), Operator[bytes, str])

# -- keys -----------------------------------------------------------------------------------------
assert_type(texts | op.partition(first_letter, op.map_async(fetch)), Stream[bytes])
assert_type(texts | op.partition(first_letter, op.chunk(3), strict=True), Stream[list[str]])
assert_type(texts | op.partition(len, op.map(words) | op.flatten()), Stream[str])
assert_type(op.partition(first_letter, op.map(words)), Operator[str, list[str]])
assert_type(texts | op.broadcast(op.filter(str.isupper), op.map(str.upper)), Stream[str])
assert_type(op.broadcast(op.map(words), op.chunk(3)), Operator[str, list[str]])

# -- time -----------------------------------------------------------------------------------------
assert_type(texts | op.rate_limit(10, per=60.0) | op.delay(0.1), Stream[str])
assert_type(texts | op.rate_limit(op.RateLimiter(10)), Stream[str])
assert_type(texts | op.throttle(1.0) | op.debounce(0.5), Stream[str])
assert_type(texts | op.buffer(10) | op.buffer(1, drop="oldest") | op.chunk(3), Stream[list[str]])
assert_type(op.map(parse) | op.delay(1.0) | op.buffer(3), Operator[bytes, Document])
assert_type(op.pipe(op.delay(1.0), op.map(words), op.buffer(3)), Operator[str, list[str]])

# -- joining --------------------------------------------------------------------------------------
assert_type(texts | op.pairwise(), Stream[tuple[str, str]])
assert_type(texts | op.pairwise() | op.filter(changed) | op.map(len), Stream[int])
assert_type(op.take(3) | op.pairwise() | op.map(changed), Operator[str, bool])
assert_type(texts | op.window(every=1.0, max_items=10), Stream[list[str]])
assert_type(texts | op.window(count=3, step=1) | op.map(len), Stream[int])
assert_type(texts | op.chunk(3, key=str.lower), Stream[list[str]])
assert_type(texts | op.chunk(3, key=str.lower) | op.unchunk(), Stream[str])

# -- several streams ------------------------------------------------------------------------------
assert_type(texts | op.zip(numbers), Stream[tuple[str, int]])
assert_type(texts | op.zip(numbers, bodies), Stream[tuple[str, int, bytes]])
assert_type(texts | op.zip(numbers, bodies) | op.map(three), Stream[float])
assert_type(texts | op.zip(numbers, bodies, texts), Stream[tuple[str, int, bytes, str]])
assert_type(texts | op.zip(texts, texts, texts, texts), Stream[tuple[str, *tuple[Any, ...]]])
assert_type(texts | op.zip_latest(numbers), Stream[tuple[str, int]])
assert_type(texts | op.zip_latest(numbers, bodies) | op.map(three), Stream[float])
assert_type(op.map(bytes.decode) | op.zip(numbers), Operator[bytes, tuple[str, int]])
assert_type(op.zip(numbers, bodies) | op.map(three), Operator[str, float])
assert_type(
    op.pipe(op.map(bytes.decode), op.zip(numbers, bodies), op.map(three)), Operator[bytes, float]
)

# -- elsewhere ------------------------------------------------------------------------------------
assert_type(texts | op.switch_map(words), Stream[str])
assert_type(texts | op.switch_map(letters), Stream[str])
assert_type(bodies | op.map_in(ThreadPoolExecutor(), parse), Stream[Document])
assert_type(bodies | op.map_in(ThreadPoolExecutor, parse, concurrency=4), Stream[Document])
assert_type(bodies | op.lift(str, 3), Stream[Any])

# -- sinks ----------------------------------------------------------------------------------------
assert_type(texts | sinks.reduce(longer), Pipeline[str])
assert_type(texts | sinks.last(), Pipeline[str])
assert_type(texts | op.chunk(3) | sinks.last(), Pipeline[list[str]])
ending: Callable[[Stream[bytes]], Pipeline[str]] = op.map(bytes.decode) | sinks.last()
assert_type(bodies | ending, Pipeline[str])
