"""Plain sources: they can be read, but nothing can be given back to them."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from itertools import islice, repeat
from typing import Any, TypeVar

from ackflow.streams.core.delivery import Delivery
from ackflow.streams.core.errors import AckflowError, Reject, Skip
from ackflow.streams.core.inlet import Inlet
from ackflow.streams.core.letters import cause_headers
from ackflow.streams.core.outcome import SKIPPED, Kind, Outcome
from ackflow.streams.core.pulling import END, Pull
from ackflow.streams.core.run import Run
from ackflow.streams.core.session import Session
from ackflow.streams.core.stage import Source
from ackflow.streams.core.stream import Stream
from ackflow.streams.core.token import Nobody, RootToken
from ackflow.streams.core.watching import Heard, Watchers

A = TypeVar("A")

RUN = 256
"""Values that a synchronous iterable is read ahead by at most."""

Lists = Callable[[], AsyncIterator[list[A]]]


def from_lists(
    lists: Lists[A],
    *,
    name: str,
    settings: Mapping[str, Any] | None = None,
    on_error: Any = "raise",
) -> Stream[A]:
    """Make a stream of an async generator function of lists: what is there at a time.

    Example:
        async def pages():
            async for page in client.pages():
                yield page.rows

        from_lists(pages, name="pages")

    Acks: there is nothing to ack. What fails ends the run (`on_error="raise"`: it drains, then raises
    the original error), is counted and dropped ("skip"), or goes to a dead-letter sink.
    """
    if on_error not in ("raise", "skip") and not hasattr(on_error, "writer"):
        raise ValueError(
            f'{name}(on_error): on_error must be "raise", "skip" or a sink, got {on_error!r}'
        )
    return Stream(Plain(lists, name, settings or {}, on_error))


class Plain(Source):
    """A source of lists that can't take anything back."""

    name = "from_lists"

    def __init__(
        self, lists: Lists[Any], name: str, settings: Mapping[str, Any], on_error: Any
    ) -> None:
        self.lists = lists
        self.name = name  # type: ignore[misc]
        self.on_error = on_error
        self._settings = settings

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._settings

    def inlet(self, session: Session, prefetch: int) -> "PlainInlet":
        return PlainInlet(session, self)


class PlainInlet(Inlet[Any]):
    """A plain source in one run; its own account, whose tags are positions."""

    closed = False

    def __init__(self, session: Session, source: Plain) -> None:
        self._session = session
        self._source = source
        self._wake = asyncio.Event()
        self._stopped = self._paused = False
        self._position = 0
        self._open: dict[int, Any] = {}
        self._letters: Any = None
        self._failures: list[Run[Any]] = []
        self._watchers = Watchers()

    async def open(self) -> None:
        """Open the dead-letter sink, where there is one."""
        if hasattr(self._source.on_error, "writer"):
            self._letters = self._source.on_error.writer(self._session, False)
            await self._letters.open()

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand out lists as they come; an error of the source ends the run."""
        pull = Pull(self._source.lists(), self._wake)
        try:
            while not self._stopped:
                self._wake.clear()
                if pull.ready and not self._paused:
                    values = pull.take()
                    if values is END:
                        break
                    values = values[: self._session.allow(len(values))]
                    if values:
                        yield self._run(values)
                    await self._write_letters()
                elif self._session.limit == 0:
                    break
                else:
                    pull.start()
                    await self._wake.wait()
        except Exception as error:
            self._session.fail(error)
        finally:
            self.over = True
            await pull.close()

    def _run(self, values: list[Any]) -> Run[Any]:
        tags = range(self._position, self._position + len(values))
        self._position += len(values)
        self._session.summary.delivered += len(values)
        if self._letters is not None:
            self._open.update(zip(tags, values, strict=True))
        return Run(values, list(zip(repeat(self), tags)))

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def pause(self, paused: bool) -> None:
        self._paused = paused
        self._wake.set()

    async def close(self, *, abort: bool = False) -> None:
        """Write the dead letters that are left, and close their sink."""
        if self._letters is not None:
            if not abort:
                await self._write_letters()
                await self._letters.finish()
            await self._letters.close()

    # -- Account ----------------------------------------------------------------------------------

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        """Count; do with failures what `on_error` says."""
        self._session.settled(outcome.kind, len(tags))
        failed = outcome.kind is Kind.REJECT or (outcome.processed and outcome.kind is Kind.REQUEUE)
        if failed and self._source.on_error == "raise":
            self._session.fail(outcome.cause or AckflowError("a message failed"))
        for tag in tags if self._letters is not None else ():
            value = self._open.pop(tag)
            if failed:
                self._failures.append(self._letter(value, outcome.cause))
        if self._watchers:
            self._watchers.tell(tags)

    def _letter(self, value: Any, cause: Exception | None) -> Run[Any]:
        headers = cause_headers(cause or Reject("failed"), self._source.name)
        return Run(
            [Delivery(value, headers=headers, source=self._source.name)],
            [(_Letters(self._session), 0)],
        )

    async def _write_letters(self) -> None:
        failures, self._failures = self._failures, []
        for run in failures:
            await self._letters.put(run)

    def judge(self, error: Exception) -> Outcome:
        return SKIPPED if isinstance(error, Skip) else Outcome(Kind.REJECT, error)

    def roots(self, tag: int) -> Iterator[RootToken]:
        yield (self, tag)

    def watch(self, tag: int, heard: Heard) -> None:
        self._watchers.add(tag, heard)

    def delivery(self, tag: int) -> Delivery | None:
        value = self._open.get(tag)
        return None if value is None else Delivery(value, source=self._source.name)


class _Letters(Nobody):
    """The account of a plain source's dead letters: one that nobody takes ends the run."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        """Count the letters that were taken; fail the run for the others, which can't be kept."""
        if outcome.kind > Kind.SKIPPED:
            self._session.fail(outcome.cause or AckflowError("a dead letter was not accepted"))
        else:
            self._session.summary.dead_lettered += len(tags)


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

    A synchronous iterable is read ahead by at most 256 values, an asynchronous one not at all.
    Acks: there is nothing to ack; `on_error` is "raise", "skip" or a dead-letter sink.
    Raises TypeError, where it is written, for what can't be iterated.
    """
    if not isinstance(values, Iterable | AsyncIterable):
        raise TypeError(
            f"from_iterable(values): values must be an iterable or async iterable, got {values!r}; "
            "streams.of(value) makes a stream of single values"
        )
    lists = _asynchronous(values) if isinstance(values, AsyncIterable) else _synchronous(values)
    return from_lists(lists, name=_name, settings=_settings, on_error=on_error)


def _synchronous(values: Iterable[A]) -> Lists[A]:
    async def lists() -> AsyncIterator[list[A]]:
        iterator = iter(values)
        size = 1
        while some := list(islice(iterator, size)):
            yield some
            size = min(RUN, size * 2)

    return lists


def _asynchronous(values: AsyncIterable[A]) -> Lists[A]:
    async def lists() -> AsyncIterator[list[A]]:
        iterator: Any = aiter(values)
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
    """

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
