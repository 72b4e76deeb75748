"""Streams of what is in this process: values, iterables, asyncio queues."""

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import islice
from time import perf_counter
from typing import Any, TypeVar

from ackflow.streams.core.errors import SourceError, shown
from ackflow.streams.core.plain import Lists, Plain, check_on_error, from_lists
from ackflow.streams.core.run import WORK
from ackflow.streams.core.stream import Stream

A = TypeVar("A")

RUN = 4096
"""Values that a synchronous iterable is read ahead by at most."""


def of(*values: A) -> Stream[A]:
    """Make a stream of the values given.

    Example:
        await (streams.of(1, 2, 3) | sinks.to_list())      # [1, 2, 3]

    Acks: there is nothing to ack; a failing value ends the run with its error.
    """
    return from_iterable(values, _name="of", _settings={"values": len(values)})


def from_iterable(
    values: Iterable[A] | AsyncIterable[A],
    *,
    on_error: Any = "raise",
    _name: str = "from_iterable",
    _settings: Mapping[str, Any] | None = None,
) -> Stream[A]:
    """Make a stream of any iterable or async iterable.

    Example:
        await (streams.from_iterable(range(3)) | sinks.to_list())     # [0, 1, 2]

    A synchronous iterable is read ahead by what it yields within a few milliseconds, and by at most
    4,096 values; an asynchronous one not at all. An iterator, such as a generator, is read by one run
    only: a second one raises SourceError.
    Acks: there is nothing to ack; `on_error` is "raise", "skip" or a dead-letter sink.
    Raises TypeError, where it is written, for what can't be iterated.
    """
    if not isinstance(values, Iterable | AsyncIterable):
        raise TypeError(
            "streams.from_iterable(values): must be an iterable or async iterable, "
            f"got {shown(values)}; streams.of(value) makes a stream of single values"
        )
    check_on_error("streams.from_iterable(on_error)", on_error)
    lists = _asynchronous(values) if isinstance(values, AsyncIterable) else _synchronous(values)
    return Stream(Plain(lists, _name, _settings or {}, on_error, values))


class _Beginning:
    """Begins to iterate; once only where the values are an iterator, which can't begin anew."""

    def __init__(self, values: Any) -> None:
        self._values = values
        self._begun = False

    def __call__(self, begin: Callable[[Any], Any]) -> Any:
        iterator = begin(self._values)
        if iterator is self._values and self._begun:
            raise SourceError(
                "streams.from_iterable(values): an iterator must be read by one run only, and another "
                f"has begun with {shown(self._values)}; give a list, or make a new stream of a new one"
            )
        self._begun = True
        return iterator


def _synchronous(values: Iterable[A]) -> Lists[A]:
    begin = _Beginning(values)

    def lists() -> Iterator[list[A]]:
        iterator: Iterator[A] = begin(iter)
        size = 1
        while True:
            some: list[A] = []
            began = perf_counter()
            try:
                some.extend(islice(iterator, size))
            except Exception:
                if some:
                    yield some
                raise
            slow = perf_counter() - began > WORK
            if not some:
                return
            yield some
            size = max(1, size // 4) if slow else min(RUN, size * 2)

    return lists


def _asynchronous(values: AsyncIterable[A]) -> Lists[A]:
    begin = _Beginning(values)

    async def lists() -> AsyncIterator[list[A]]:
        iterator: Any = begin(aiter)
        try:
            async for value in iterator:
                yield [value]
        finally:
            if hasattr(iterator, "aclose"):
                await iterator.aclose()

    return lists


def from_queue(queue: "asyncio.Queue[A]", *, on_error: Any = "raise") -> Stream[A]:
    """Make a stream of an asyncio.Queue; it ends when the queue is shut down, where it can be.

    Example:
        streams.from_queue(queue) | sinks.each(print)

    Acks: `queue.task_done()` is not called; what is taken out is gone.
    Raises TypeError, where it is written, for other kinds of queue.
    """
    if not inspect.iscoroutinefunction(getattr(queue, "get", None)):
        raise TypeError(
            f"streams.from_queue(queue): must be an asyncio.Queue, got {shown(queue)}; "
            "streams.from_iterable(…) takes iterables, streams.memory.queue has acks"
        )
    check_on_error("streams.from_queue(on_error)", on_error)

    async def lists() -> AsyncIterator[list[A]]:
        while True:
            try:
                some = [await queue.get()]
                while not queue.empty() and len(some) < RUN:
                    some.append(queue.get_nowait())
            except SHUT_DOWN:
                return
            yield some

    return from_lists(lists, name="from_queue", on_error=on_error)


SHUT_DOWN: tuple[type[Exception], ...] = (
    (getattr(asyncio, "QueueShutDown"),)  # noqa: B009 - unknown to checkers for Python 3.11
    if hasattr(asyncio, "QueueShutDown")
    else ()
)
"""Python 3.13 and later can shut a queue down."""
