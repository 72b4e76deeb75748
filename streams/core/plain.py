"""Plain sources: they can be read, but nothing can be given back to them."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
    Set,
    Sized,
)
from time import perf_counter
from typing import Any, TypeVar

from ackflow.streams.core.cancelling import end_if_cancelled
from ackflow.streams.core.delivery import Delivery
from ackflow.streams.core.errors import AckflowError, Reject, SourceError, shown
from ackflow.streams.core.inlet import Inlet
from ackflow.streams.core.letters import cause_headers
from ackflow.streams.core.outcome import Kind, Outcome
from ackflow.streams.core.pulling import END, Pull, Ready
from ackflow.streams.core.run import WORK, Run
from ackflow.streams.core.session import Session
from ackflow.streams.core.stage import Source
from ackflow.streams.core.stream import Stream
from ackflow.streams.core.token import Nobody, RootToken, Stretch, Token, for_good
from ackflow.streams.core.watching import Heard, Watchers

A = TypeVar("A")

Lists = Callable[[], AsyncIterator[list[A]] | Iterator[list[A]]]
ON_ERROR = ("raise", "skip")


def from_lists(
    lists: Lists[A],
    *,
    name: str,
    settings: Mapping[str, Any] | None = None,
    on_error: Any = "raise",
) -> Stream[A]:
    """Make a stream of an async generator function of lists: what is there at a time.

    An ordinary generator function does as well, where there is nothing to wait for.

    Example:
        async def pages():
            async for page in client.pages():
                yield page.rows

        from_lists(pages, name="pages")

    Acks: there is nothing to ack. What fails ends the run (`on_error="raise"`: it drains, then raises
    the original error), is counted and dropped ("skip"), or goes to a dead-letter sink.
    """
    _check_lists(lists, name, settings)
    check_on_error(f"{name}(on_error)", on_error)
    return Stream(Plain(lists, name, settings or {}, on_error))


def _check_lists(lists: object, name: object, settings: object) -> None:
    if not callable(lists):
        raise TypeError(
            "streams.from_lists(lists): must be an async generator function of lists, "
            f"got {shown(lists)}; give the function itself, not what it returns"
        )
    if not isinstance(name, str):
        raise TypeError(
            f"streams.from_lists(name): must be a text, got {shown(name)}; reprs and errors show it"
        )
    if not isinstance(settings, Mapping | None):
        raise TypeError(
            "streams.from_lists(settings): must be a mapping of names to values, "
            f"got {shown(settings)}; leave it out for none"
        )


def check_on_error(call: str, on_error: object) -> None:
    """Raise ValueError for what is not to become of the values that fail."""
    if not (hasattr(on_error, "writer") or (isinstance(on_error, str) and on_error in ON_ERROR)):
        raise ValueError(
            f'{call}: on_error must be "raise", "skip" or a sink, got {shown(on_error)}; '
            'leave it out for "raise"'
        )


class Plain(Source):
    """A source of lists that can't take anything back."""

    name = "from_lists"

    def __init__(
        self,
        lists: Lists[Any],
        name: str,
        settings: Mapping[str, Any],
        on_error: Any,
        values: object = None,
    ) -> None:
        """`values`: what the lists are of, where it may know how many they are."""
        self.lists = lists
        self.name = name  # type: ignore[misc]
        self.on_error = on_error
        self._settings = settings
        self.values = values

    @property
    def size(self) -> int | None:
        return len(self.values) if isinstance(self.values, Sized) else None

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
        self._position = self._settled = 0
        self._open: dict[int, Any] = {}
        self._letters: Any = None
        self._failures: list[Run[Any]] = []
        self._watchers = Watchers()

    @property
    def in_flight(self) -> int:
        return self._position - self._settled

    async def open(self) -> None:
        """Open the dead-letter sink, where there is one."""
        if hasattr(self._source.on_error, "writer"):
            self._letters = self._source.on_error.writer(self._session, False)
            await self._letters.open()

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand out lists as they come; an error of the source ends the run."""
        lists = self._source.lists()
        pull = Ready(lists) if isinstance(lists, Iterator) else Pull(lists, self._wake)
        turn = perf_counter()
        try:
            while not self._stopped:
                self._wake.clear()
                if perf_counter() - turn > WORK:
                    await asyncio.sleep(0)  # what never waits must let others in
                    turn = perf_counter()
                if pull.ready and not self._paused:
                    values = pull.take()
                    if values is END:
                        break
                    run = self._run(values)
                    if run.values:
                        yield run
                    await self._write_letters()
                elif self._session.limit == 0:
                    break
                else:
                    pull.start()
                    await self._wake.wait()
        except asyncio.CancelledError:
            end_if_cancelled()
            self._session.fail(SourceError(f"{self._source!r}: its iterator raised CancelledError"))
        except Exception as error:
            self._session.fail(error)
        finally:
            self.over = True
            self._session.relieve()  # another source may be over, and wait for this one
            await self._close(pull)

    async def _close(self, pull: Pull[list[Any]] | Ready[list[Any]]) -> None:
        """Close the iterator; where that fails, what came before goes its way."""
        try:
            await pull.close()
        except Exception as error:
            self._session.fail(error)

    def _run(self, values: list[Any]) -> Run[Any]:
        if not isinstance(values, list):
            raise TypeError(
                f"{self._source.name}: must yield lists, got {shown(values)}; [value] is one"
            )
        allowed = self._session.allow(len(values))
        values = values if allowed == len(values) else values[:allowed]
        tags = range(self._position, self._position + len(values))
        self._position += len(values)
        self._session.summary.delivered += len(values)
        if self._letters is not None:
            self._open.update(zip(tags, values, strict=True))
        return Run(values, Stretch(self, tags))

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def woken(self) -> None:
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
        self._settled += len(tags)
        failed = outcome.kind is Kind.REJECT or (outcome.processed and outcome.kind is Kind.REQUEUE)
        if failed and self._source.on_error == "raise":
            self._session.fail(outcome.cause or AckflowError("a message failed"))
        for tag in tags if self._letters is not None else ():
            value = self._open.pop(tag)
            if failed:
                self._failures.append(self._letter(value, outcome.cause))
        if self._watchers:
            self._watchers.tell(tags)
        self.eased()

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
        return for_good(error)

    def eased(self) -> None:
        """Have who waits for the end of this source look again."""
        if self.over:
            self._session.relieve()

    def wholes(self, tags: Set[int]) -> Sequence[Token]:
        return ()

    def roots(self, tag: int) -> Iterator[RootToken]:
        yield (self, tag)

    def watch(self, tag: int, heard: Heard) -> None:
        self._watchers.add(tag, heard)

    def delivery(self, tag: int) -> Delivery | None:
        if tag not in self._open:
            return None
        return Delivery(self._open[tag], source=self._source.name)


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
