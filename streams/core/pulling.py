"""Pull: one pull in flight, which a timer never cancels."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

from ackflow.streams.core.cancelling import cancelled

T = TypeVar("T")

END: Final[Any] = object()
"""Stands for the end of a source."""


class Bell(Protocol):
    """What rings when there may be something to take: an asyncio.Event, or who tells apart what rang."""

    def set(self) -> None:
        """Ring."""
        ...


class Taking(ABC, Generic[T]):
    """Items of a source one at a time, until one that stands for its end."""

    ended = False

    def take(self) -> T:
        """Return what there is, or END; raise what the source raised."""
        try:
            item = self._item()
        except BaseException:
            self.ended = True
            raise
        self.ended = item is END
        return item

    @abstractmethod
    def _item(self) -> T:
        """Return the next item, or END."""


class Pull(Taking[T]):
    """Pulls from a source one item at a time, in a task, so that the wait for it can be interrupted.

    Cancelling `anext` ends most sources; here the pull stays in flight while its owner does
    something else, and its end sets `wake`.
    """

    def __init__(self, source: AsyncIterator[T], wake: Bell) -> None:
        self._source = source
        self._wake = wake
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        """Put a pull in flight unless there is one, or the source has ended."""
        if self._task is None and not self.ended:
            self._task = asyncio.create_task(self._next(), name="a pull")

    async def _next(self) -> T:
        try:
            return await anext(self._source, END)
        finally:
            # In here, not in a callback of the task, which would take the loop one turn more: whoever is
            # woken finds the task done, which ends in this turn.
            self._wake.set()

    @property
    def ready(self) -> bool:
        """Whether `take` has something to return or raise."""
        return self._task is not None and self._task.done()

    def _item(self) -> T:
        assert self._task is not None
        task, self._task = self._task, None
        return task.result()

    async def close(self) -> None:
        """Cancel the pull in flight and close the source, unless that goes on regardless."""
        self.ended = True
        task, self._task = self._task, None
        try:
            await cancelled(task)
        finally:
            if task is None or task.done():
                await close(self._source)


class Ready(Taking[T]):
    """Takes from an iterator that has nothing to wait for, by the calls of a Pull and without a task."""

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source

    def start(self) -> None:
        """Do nothing: there is nothing to wait for."""

    @property
    def ready(self) -> bool:
        """Whether `take` has something to return or raise."""
        return not self.ended

    def _item(self) -> T:
        return next(self._source, END)

    async def close(self) -> None:
        """Close the iterator, where it can be closed."""
        self.ended = True
        end = getattr(self._source, "close", None)
        if end is not None:
            end()


async def close(source: AsyncIterator[Any]) -> None:
    """Close an iterator that can be closed."""
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()
