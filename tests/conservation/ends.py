"""What is at the end: stores that do as they are told, and dead letters."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ackflow import sinks, streams
from ackflow.streams import Requeue
from tests.conservation.journal import Journal
from tests.conservation.values import Value, number


class Store:
    """A sink that does as it is told, and remembers what it accepted."""

    def __init__(self, name: str, max_items: int, concurrency: int, *, idempotent: bool) -> None:
        self.name = name
        self.max_items = max_items
        self.concurrency = concurrency
        self.idempotent = idempotent
        self.accepted: Counter[Value] = Counter()
        self.orders: list[Any] = []

    async def write(self, items: Sequence[Any]) -> Any:
        order = self.orders.pop(0) if self.orders else None
        await asyncio.sleep(0.05)
        values = [v for item in items for v in (item if isinstance(item, list) else [item])]
        if isinstance(order, Exception):
            raise order
        errors = [order and order(v) for v in values]
        self.accepted.update(v for v, error in zip(values, errors, strict=True) if error is None)
        return errors


def refuse_even(value: Value) -> Exception | None:
    return ValueError("even") if number(value) % 2 == 0 else None


def later_odd(value: Value) -> Exception | None:
    return Requeue("odd", after=0.3) if number(value) % 2 else None


ORDERS = {
    "outage": ConnectionError("away"),
    "failure": OSError("failed"),
    "poison": ValueError("refused"),
    "refuse even": refuse_even,
    "odd later": later_odd,
}


class End(NamedTuple):
    """A sink of two stores, and who of them has to have what."""

    build: Callable[[Store, Store], Any]
    required: Callable[[Store, Store], list[Counter[Value]]]


def way(element: Any) -> int:
    return number(element[0] if isinstance(element, list) else element) % 3


ENDS: dict[str, End] = {
    "one": End(lambda one, other: one, lambda one, other: [one.accepted]),
    "tee": End(
        lambda one, other: sinks.tee(one, other, wait=lambda _: 0.4),
        lambda one, other: [one.accepted, other.accepted],
    ),
    "optional": End(
        lambda one, other: sinks.tee(one, sinks.optional(other), wait=lambda _: 0.4),
        lambda one, other: [one.accepted],
    ),
    # What has no way is a failure for good.
    "route": End(
        lambda one, other: sinks.route(way, {0: one, 1: other}),
        lambda one, other: [one.accepted + other.accepted],
    ),
    "route and default": End(
        lambda one, other: sinks.route(way, {0: one}, default=other),
        lambda one, other: [one.accepted + other.accepted],
    ),
}


class Letters(streams.Sink[streams.Delivery, streams.Summary]):
    """A dead-letter sink that refuses when it is told to."""

    name = "letters"

    def __init__(self, journal: Journal) -> None:
        self.refusals: list[Exception] = []
        self._journal = journal

    async def write(self, items: Sequence[Any]) -> None:
        if self.refusals:
            raise self.refusals.pop()
        for letter in items:
            self._journal.bury(letter.body)
