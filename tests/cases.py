"""Every public operator with its list model: one row each, from which the laws of test_laws run."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiostream

from ackflow import operators as op
from ackflow import streams
from ackflow.streams import Message

Function = Callable[[int], int]
EXTRA = [1007, 1008]
"""What the second stream of `merge` and `concat` holds."""


@dataclass(frozen=True)
class Case:
    """An operator, what it is to be on lists, and which laws say something about it.

    `make` gets a user's function to call, which hands back what it gets or raises.
    """

    make: Callable[[Function], Any]
    model: Callable[[list[int]], list[Any]]
    calls: bool = True
    """Whether it calls the function once for each value, and a failure is that value's alone."""
    ordered: bool = True
    elementwise: bool = True
    """Whether what comes out for a value does not hang on the values before it."""
    back: Callable[[list[int]], list[int]] = lambda xs: []
    """Which values are given back."""
    skipped: Callable[[list[int]], int] = lambda xs: 0
    """How many values are dropped on purpose."""
    extra: int = 0
    """How many values come from a second stream."""


def chunks(xs: Sequence[int], size: int = 3) -> list[list[int]]:
    return [list(xs[i : i + size]) for i in range(0, len(xs), size)]


def flat(values: Sequence[Any]) -> list[Any]:
    return [v for value in values for v in (flat(value) if isinstance(value, list) else [value])]


def integers(chunk: Sequence[str]) -> list[int]:
    return [int(text) for text in chunk]


def odd(f: Function) -> Callable[[int], bool]:
    return lambda x: bool(f(x) % 2)


def repeated(f: Function) -> Callable[[int], list[int]]:
    return lambda x: [f(x)] * (x % 3)


def as_async(f: Function) -> Callable[[int], Any]:
    async def call(x: int) -> int:
        return f(x)

    return call


def entries(f: Function) -> Callable[[Sequence[int]], list[int | Exception]]:
    def entry(x: int) -> int | Exception:
        try:
            return f(x)
        except ValueError as error:
            return error

    return lambda chunk: [entry(x) for x in chunk]


@op.operator(holds=0)
async def halved(messages: AsyncIterator[Message[int]], f: Function) -> AsyncIterator[Message[int]]:
    async for message in messages:
        try:
            value = f(message.value)
        except ValueError as error:
            message.fail(error)
        else:
            yield message.with_value(value // 2)


def not_below_zero(x: int) -> int:
    if x < 0:
        raise LookupError(x)
    return x


CASES: dict[str, Case] = {
    "catch": Case(
        lambda f: op.map(not_below_zero) | op.catch(lambda error: 0, on=LookupError),
        lambda xs: [max(0, x) for x in xs],
        calls=False,
    ),
    "chunk": Case(lambda f: op.chunk(3, timeout=None), chunks, calls=False),
    "chunk of bytes": Case(
        lambda f: op.map(str) | op.chunk(3, max_bytes=1) | op.map_chunk(integers),
        lambda xs: chunks(xs, 1),
        calls=False,
    ),
    "concat": Case(
        lambda f: op.concat(streams.of(*EXTRA)), lambda xs: xs + EXTRA, calls=False, extra=2
    ),
    "filter": Case(
        lambda f: op.filter(odd(f)),
        lambda xs: [x for x in xs if x % 2],
        skipped=lambda xs: sum(x % 2 == 0 for x in xs),
    ),
    "flat_map": Case(
        lambda f: op.flat_map(repeated(f)), lambda xs: [x for x in xs for _ in range(x % 3)]
    ),
    "flatten": Case(
        lambda f: op.map(repeated(f)) | op.flatten(),
        lambda xs: [x for x in xs for _ in range(x % 3)],
    ),
    "lift": Case(lambda f: op.lift(aiostream.stream.map, f), lambda xs: xs),
    "map": Case(lambda f: op.map(f), lambda xs: xs),
    "map_async": Case(lambda f: op.map_async(as_async(f), concurrency=3), lambda xs: xs),
    "map_async unordered": Case(
        lambda f: op.map_async(as_async(f), concurrency=3, ordered=False),
        lambda xs: xs,
        ordered=False,
    ),
    "map_chunk": Case(lambda f: op.chunk(3) | op.map_chunk(entries(f)), chunks),
    "merge": Case(
        lambda f: op.merge(streams.of(*EXTRA)),
        lambda xs: xs + EXTRA,
        calls=False,
        ordered=False,
        extra=2,
    ),
    "operator": Case(lambda f: halved(f), lambda xs: [x // 2 for x in xs]),
    "pipe": Case(lambda f: op.pipe(op.map(f), op.map(str)), lambda xs: [str(x) for x in xs]),
    "retry": Case(lambda f: op.retry(op.map(f), attempts=2), lambda xs: xs),
    "skip": Case(
        lambda f: op.skip(2),
        lambda xs: xs[2:],
        calls=False,
        elementwise=False,
        skipped=lambda xs: min(2, len(xs)),
    ),
    "take": Case(
        lambda f: op.take(3),
        lambda xs: xs[:3],
        calls=False,
        elementwise=False,
        back=lambda xs: xs[3:],
    ),
    "tap": Case(lambda f: op.tap(f), lambda xs: xs),
    "unchunk": Case(lambda f: op.chunk(3) | op.unchunk(), lambda xs: xs, calls=False),
}
"""A row per public operator, by its name; rows for more of its settings say which in their names."""
