# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# pyright: reportUnknownVariableType=false, reportUnusedExpression=false
"""Pipelines that don't fit together: both checkers refuse every line that says `type: ignore`.

A line that one of them let pass would be reported by it, as an ignore that is not needed.
"""

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Message, Sink, Stream, Summary


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


async def add_later(total: int, text: str) -> int:
    return total + len(text)


def longer(one: str, other: str) -> str:
    return max(one, other, key=len)


def batch(chunk: Sequence[str]) -> list[int]:
    return [len(text) for text in chunk]


async def batch_later(chunk: list[str]) -> list[int]:
    return [len(text) for text in chunk]


def nothing(error: Exception) -> bytes:
    return b""


async def nothing_later(error: Exception) -> bytes:
    return b""


@op.operator(holds=1)
async def labelled(
    messages: AsyncIterator[Message[str]], label: str
) -> AsyncIterator[Message[tuple[str, str]]]:
    async for message in messages:
        yield message.with_value((label, message.value))


class Store:
    async def write(self, items: Sequence[str]) -> None:
        print(items)


class Bulk(Sink[list[str], Summary]):
    name = "bulk"
    chunks = True


bodies: Stream[bytes] = streams.memory.queue([b"a"])
texts: Stream[str] = streams.memory.queue(["a"])

# -- the wrong type of value ----------------------------------------------------------------------
texts | op.map(parse)  # type: ignore
texts | op.map(str.upper) | op.map(parse)  # type: ignore
bodies | op.map(fetch)  # type: ignore
bodies | op.map_async(fetch)  # type: ignore
bodies | op.map_async(op.retry(fetch))  # type: ignore
bodies | op.filter(words)  # type: ignore
bodies | op.filter(str.isalpha)  # type: ignore
texts | op.filter(bool) | op.map(parse)  # type: ignore
bodies | op.flat_map(words)  # type: ignore
texts | op.catch(nothing)  # type: ignore
bodies | op.take(3) | op.map(words)  # type: ignore
bodies | op.tap(print) | op.map(words)  # type: ignore
bodies | op.merge(bodies) | op.map(words)  # type: ignore
texts | op.map(len) | op.flatten()  # type: ignore
bodies | labelled("a")  # type: ignore
texts | labelled("a") | op.map(words)  # type: ignore

# -- chunks for values, values for chunks ---------------------------------------------------------
texts | op.chunk(3) | op.map(words)  # type: ignore
texts | op.chunk(3) | op.filter(str.isalpha)  # type: ignore
texts | op.chunk(3) | op.map_async(fetch)  # type: ignore
texts | op.chunk(3) | op.take(2) | op.map(words)  # type: ignore
texts | op.chunk(3) | op.unchunk() | op.map(parse)  # type: ignore
texts | op.chunk(3) | op.unchunk() | op.map_chunk(batch)  # type: ignore
texts | op.map(words) | op.flatten() | op.map_chunk(batch)  # type: ignore
texts | op.map_chunk(batch)  # type: ignore
bodies | op.chunk(3) | op.map_chunk(batch)  # type: ignore
texts | op.chunk(3) | op.map_chunk(batch) | op.map(words)  # type: ignore
texts | op.chunk(3) | op.map_chunk(batch) | op.unchunk() | op.map(words)  # type: ignore
texts | sinks.each(store)  # type: ignore
texts | Bulk()  # type: ignore
texts | op.chunk(3) | op.chunk(3) | sinks.each(store)  # type: ignore
texts | op.chunk(3) | sinks.fold(add, 0)  # type: ignore
texts | op.chunk(3) | Store()  # type: ignore

# -- state, keys, time, several streams -----------------------------------------------------------
bodies | op.scan(add, 0)  # type: ignore
texts | op.scan(add, "")  # type: ignore
texts | op.enumerate() | op.map(words)  # type: ignore
op.enumerate() | op.map(words)  # type: ignore
bodies | op.distinct(str.lower)  # type: ignore
texts | op.distinct(words)  # type: ignore
bodies | op.take_while(str.isalpha)  # type: ignore
bodies | op.take_until(str.isalpha)  # type: ignore
bodies | op.partition(str.lower, op.map(parse))  # type: ignore
texts | op.partition(str.lower, op.map(parse))  # type: ignore
texts | op.partition(str.lower, sinks.count())  # type: ignore
texts | op.broadcast(op.map(words), op.map(parse))  # type: ignore
bodies | op.switch_map(words)  # type: ignore
texts | op.switch_map(fetch)  # type: ignore
texts | op.throttle(1.0) | op.buffer(3) | op.map(parse)  # type: ignore
texts | op.debounce(1.0) | op.delay(3) | op.map(parse)  # type: ignore
texts | op.rate_limit(3) | op.map(parse)  # type: ignore
texts | op.buffer(3, drop="both")  # type: ignore
texts | op.rate_limit(3, every=1.0)  # type: ignore
texts | op.zip(bodies) | op.map(words)  # type: ignore
texts | op.zip_latest(bodies, texts) | op.map(words)  # type: ignore
texts | op.zip([1])  # type: ignore
texts | op.map_in(ThreadPoolExecutor(), parse)  # type: ignore
bodies | op.map_in(5, parse)  # type: ignore
bodies | sinks.reduce(longer)  # type: ignore

# -- composed before any stream -------------------------------------------------------------------
op.map(parse) | op.map(words)  # type: ignore
op.map(parse) | op.filter(bool) | op.map(words)  # type: ignore
op.map(parse) | op.chunk(3) | op.map_chunk(batch)  # type: ignore
op.map(words) | op.unchunk() | op.map_chunk(batch)  # type: ignore
op.chunk(3) | op.map(words)  # type: ignore
op.chunk(3) | op.chunk(3) | op.map(words)  # type: ignore
op.unchunk() | op.chunk(3) | op.map(words)  # type: ignore
op.retry(op.map_async(fetch)) | op.map(words)  # type: ignore
op.map(parse) | sinks.each(store)  # type: ignore
op.map(words) | op.chunk(2) | Bulk()  # type: ignore
op.map(parse) | 5  # type: ignore
op.take(3) | 5  # type: ignore
texts | (op.map(parse) | op.chunk(3))  # type: ignore
texts | (op.map(parse) | op.chunk(3) | sinks.count())  # type: ignore

# -- pipe -----------------------------------------------------------------------------------------
op.pipe(op.map(words), op.map(words))  # type: ignore
op.pipe(op.map(parse), op.map(fetch))  # type: ignore
op.pipe(op.map(str.upper), op.chunk(3), op.map(words))  # type: ignore
op.pipe(op.map(str.upper), op.take(3), op.map(parse))  # type: ignore
op.pipe(op.map(str.upper), op.tap(print), op.chunk(3), op.tap(print), op.map(words))  # type: ignore
op.pipe(op.map(words), op.unchunk(), op.map_chunk(batch))  # type: ignore
op.pipe(op.map(len), op.unchunk())  # type: ignore
op.pipe(op.chunk(3), op.map(words))  # type: ignore
op.pipe(op.take(3), op.chunk(3), op.map(words))  # type: ignore
op.pipe(op.chunk(3), op.chunk(3), sinks.each(store))  # type: ignore
op.pipe(op.map(str.upper), sinks.each(store))  # type: ignore
op.pipe(op.map(str.upper), op.chunk(3), sinks.fold(add, 0))  # type: ignore
op.pipe(sinks.count(), op.map(words))  # type: ignore
op.pipe(op.map(words), sinks.count(), op.map(len))  # type: ignore
op.pipe(op.take(3), sinks.to_list(), op.take(3))  # type: ignore
op.pipe(texts, op.map(words))  # type: ignore
op.pipe(op.map(words), words)  # type: ignore
op.pipe(op.map(words), 5)  # type: ignore
texts | op.pipe(op.map(parse), op.chunk(3))  # type: ignore
texts | op.pipe(op.map(parse), op.chunk(3), sinks.count())  # type: ignore

# -- sync for async, async for sync ---------------------------------------------------------------
op.map_async(words)  # type: ignore
texts | op.map(fetch) | op.map(parse)  # type: ignore
texts | op.map(op.retry(fetch)) | op.map(parse)  # type: ignore
op.map_async(op.retry(words))  # type: ignore
op.retry(words)  # type: ignore
op.flat_map(fetch)  # type: ignore
op.map_chunk(batch_later)  # type: ignore
bodies | op.catch(nothing_later)  # type: ignore
texts | sinks.fold(add_later, 0)  # type: ignore

# -- sinks ----------------------------------------------------------------------------------------
bodies | op.chunk(3) | sinks.each(store)  # type: ignore
bodies | sinks.fold(add, 0)  # type: ignore
texts | sinks.fold(add, "")  # type: ignore
bodies | sinks.tee(sinks.each(store), sinks.count())  # type: ignore
texts | op.chunk(3) | sinks.tee(sinks.count(), sinks.fold(add, 0))  # type: ignore
texts | op.chunk(3) | sinks.tee(sinks.each(store), Store())  # type: ignore
bodies | sinks.optional(sinks.each(store))  # type: ignore
bodies | sinks.optional(Store())  # type: ignore
bodies | sinks.route(str.lower, {})  # type: ignore
texts | sinks.route(words, {})  # type: ignore
texts | op.retry(sinks.each(store))  # type: ignore
bodies | Store()  # type: ignore
texts | sinks.count() | op.map(words)  # type: ignore
texts | sinks.count | op.map(words)  # type: ignore

# -- what is no step at all -----------------------------------------------------------------------
bodies | 5  # type: ignore
bodies | parse  # type: ignore
op.map(5)  # type: ignore
op.filter("text")  # type: ignore
op.retry(5)  # type: ignore
op.merge([1])  # type: ignore
op.concat(words)  # type: ignore
sinks.each(5)  # type: ignore
sinks.to_queue([])  # type: ignore
sinks.tee(sinks.count(), print)  # type: ignore
texts | sinks.tee(sinks.count(), op.chunk(3) | sinks.fold(add, 0))  # type: ignore
texts | op.pairwise() | op.map(words)  # type: ignore
texts | op.window(every=1.0, max_items=10) | op.map(words)  # type: ignore
texts | op.window(evry=1.0)  # type: ignore
sinks.optional(print)  # type: ignore

# -- settings -------------------------------------------------------------------------------------
op.chunk("3")  # type: ignore
op.chunk(3, timout=1.0)  # type: ignore
op.take(count=3)  # type: ignore
op.map_async(fetch, concurency=3)  # type: ignore
op.map_async(fetch, ordered="yes")  # type: ignore
op.retry(fetch, attempt=3)  # type: ignore
op.retry(op.map_async(fetch), wait=5)  # type: ignore
op.catch(nothing, only=ValueError)  # type: ignore
sinks.each(print, concurency=2)  # type: ignore
sinks.fold(add, start=0)  # type: ignore
sinks.first(defualt=None)  # type: ignore
sinks.tee(sinks.count(), sinks.count(), attempt=3)  # type: ignore
sinks.route(len, {}, defualt=sinks.count())  # type: ignore
labelled()  # type: ignore
labelled(5)  # type: ignore
labelled("a", times=3)  # type: ignore
op.operator(hold=1)  # type: ignore
