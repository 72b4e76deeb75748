"""Operators whose results are known beforehand: each with what it makes of values."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from ackflow import operators as op
from tests.conservation.values import Value, handing, number

Model = Callable[[list[Value]], list[Value]]


class Step(NamedTuple):
    """An operator, and what it makes of the values of one message."""

    build: Callable[[], Any]
    model: Model


async def soon(value: Value) -> Value:
    await asyncio.sleep(number(value) % 3 / 10)
    return value


class Stumbling:
    """An async function that fails at every third call, whatever it is called with."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, value: Value) -> Value:
        self.calls += 1
        if self.calls % 3 == 0:
            raise OSError("stumbled")
        await asyncio.sleep(0.01)
        return value


class Caught(Exception):
    """An error that knows its value."""

    def __init__(self, value: Value) -> None:
        super().__init__(f"caught {value}")
        self.value = value


def raise_thirds(value: Value) -> Value:
    if number(value) % 3 == 0:
        raise Caught(value)
    return value


def instead(error: Any) -> Value:
    caught: Caught = error
    return caught.value.marked("c")


def thirds(value: Value) -> list[Value]:
    return [value.marked(f"/{index}") for index in range(number(value) % 3)]


def second(pair: tuple[int, Value]) -> Value:
    return pair[1]


def keep(value: Value) -> bool:
    return number(value) % 4 != 1


def same(values: list[Value]) -> list[Value]:
    return values


def each(f: Callable[[Value], list[Value]]) -> Model:
    return lambda values: [made for value in values for made in f(value)]


STEPS: dict[str, Step] = {
    "map": Step(
        lambda: op.map(lambda value: value.marked("m")), each(lambda value: [value.marked("m")])
    ),
    "map_async": Step(lambda: op.map_async(soon, concurrency=3), same),
    "unordered": Step(lambda: op.map_async(soon, concurrency=3, ordered=False), same),
    "retry": Step(lambda: op.map_async(op.retry(Stumbling(), wait=lambda _: 0.5)), same),
    "stumble": Step(lambda: op.map_async(Stumbling(), concurrency=2), same),
    "catch": Step(
        lambda: op.map(raise_thirds) | op.catch(instead, on=Caught),
        each(lambda value: [value if number(value) % 3 else value.marked("c")]),
    ),
    "filter": Step(lambda: op.filter(keep), each(lambda value: [value] if keep(value) else [])),
    "flat_map": Step(lambda: op.flat_map(thirds), each(thirds)),
    "chunks": Step(lambda: op.chunk(3, timeout=2.0) | op.unchunk(), same),
    "untimed chunks": Step(lambda: op.chunk(2, timeout=None) | op.unchunk(), same),
    "keyed chunks": Step(lambda: op.chunk(2, key=lambda v: number(v) % 2) | op.unchunk(), same),
    "chunks in chunks": Step(lambda: op.chunk(2) | op.chunk(2) | op.flatten() | op.flatten(), same),
    "windows": Step(lambda: op.window(every=1.0, max_items=3) | op.unchunk(), same),
    "counted": Step(lambda: op.enumerate() | op.map(second), same),
    "partition": Step(
        lambda: op.partition(lambda v: number(v) % 3, op.map_async(soon, concurrency=2), keys=2),
        same,
    ),
    "strict": Step(
        lambda: op.partition(lambda v: number(v) % 2, op.map_async(soon), strict=True, keys=2),
        same,
    ),
    "broadcast": Step(
        lambda: op.broadcast(
            op.map(lambda value: value.marked("a")),
            op.map(lambda value: value.marked("b"))
            | op.chunk(2)
            | op.map_chunk(list)
            | op.unchunk(),
        ),
        each(lambda value: [value.marked("a"), value.marked("b")]),
    ),
    "twice": Step(
        lambda: op.broadcast(op.map_async(soon), op.map(lambda value: value)),
        each(lambda value: [value, value]),
    ),
    "buffer": Step(lambda: op.buffer(2), same),
    "delay": Step(lambda: op.delay(0.5), same),
    "rate_limit": Step(lambda: op.rate_limit(3, per=1.0), same),
    # These end the run and give back what lies beyond; who is acked has gone through.
    "take": Step(lambda: op.take(3), same),
    "take_while": Step(lambda: op.take_while(lambda value: handing(value) % 4 != 3), same),
    "take_until": Step(lambda: op.take_until(lambda value: number(value) % 5 == 4), same),
}
"""`twice` makes equal parts, which a gate could not tell apart: none may come after it."""
