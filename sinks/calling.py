"""Sinks that hand values on to something else: each, to_queue."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from ackflow.streams.core import (
    Message,
    Session,
    Sink,
    Summary,
    Writer,
    check_count,
    check_flag,
    shown,
)

A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)

QUEUED = 10_000
"""Messages that `to_queue` lets stand in a memory queue before it waits."""


class Each(Sink[Any, Summary]):
    """Calls a function with each element."""

    name = "each"

    def __init__(self, function: Callable[[Any], Any], concurrency: int, idempotent: bool) -> None:
        self.function = function
        self.concurrency = concurrency
        self.idempotent = idempotent

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        for item in items:
            result = self.function(item)
            if inspect.isawaitable(result):
                await result
        return None

    @property
    def shown_settings(self) -> dict[str, Any]:
        return {"f": self.function}


def each(
    f: Callable[[A], Awaitable[object] | object], concurrency: int = 1, idempotent: bool = False
) -> Sink[A, Summary]:
    """Call `f`, an ordinary or an async function, with each element.

    Example:
        queue | op.chunk(100) | sinks.each(store, concurrency=4, idempotent=True)

    After `chunk` one element is one whole chunk.
    Acks: an element is accepted when `f` returns; when it raises, it fails by its source's policy. A
    chunk fails as one, unless `idempotent=True` says that storing twice does no harm: then it is
    bisected until the members that can't be stored are found.
    `concurrency`: calls under way at once, 1 and up.
    Raises ValueError or TypeError, where it is written, for settings that can't be meant.
    """
    if not callable(f):
        raise TypeError(
            f"sinks.each(f): must be a function of one element, got {shown(f)}; "
            "give the function itself, not what it returns"
        )
    check_count("sinks.each(concurrency)", concurrency, 1, "leave it out for 1")
    check_flag("sinks.each(idempotent)", idempotent)
    return Each(f, concurrency, idempotent)


class ToQueue(Sink[Any, Summary]):
    """Puts elements into a queue."""

    name = "to_queue"
    max_items = 256

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        if hasattr(self.queue, "room"):
            await self.queue.room(QUEUED)
            self.queue.put(*items)
            return None
        answer: list[Exception | None] = []
        for item in items:
            try:
                await self.queue.put(item)
                answer.append(None)
            except Exception as error:
                answer.append(error)
        return answer

    def writer(self, session: Session, places: int) -> Any:
        if session.observer is not None and hasattr(self.queue, "room"):
            return Writer(Carrying(self.queue), session, places)
        return super().writer(session, places)


class Carrying(ToQueue):
    """Puts elements into a queue in memory with the headers of their traces."""

    async def write_messages(self, messages: Sequence[Message[Any]]) -> None:
        """Put elements, each with headers of its own."""
        await self.queue.room(QUEUED)
        for message in messages:
            self.queue.put(message.value, headers=message.trace_headers)
            message.accept()


class Queue(Protocol[A_contra]):
    """An asyncio.Queue or a memory queue."""

    def put(self, item: A_contra, /) -> Awaitable[None] | None:
        """Append an item, or return what does when there is room."""
        ...


def to_queue(queue: Queue[A]) -> Sink[A, Summary]:
    """Put each element into an asyncio.Queue or a `streams.memory.queue`.

    Example:
        streams.http.lines(url) | sinks.to_queue(queue)

    Waits where the queue is full (a memory queue: where 10,000 messages are ready).
    Acks: an element is accepted when it is in the queue.
    Raises TypeError, where it is written, for other kinds of queue.
    """
    if not isinstance(queue, asyncio.Queue) and not hasattr(queue, "room"):
        raise TypeError(
            "sinks.to_queue(queue): must be an asyncio.Queue or a streams.memory.queue, "
            f"got {shown(queue)}; sinks.each(queue.put) takes others"
        )
    return ToQueue(queue)
