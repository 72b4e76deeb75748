"""zip_latest: the latest values of several streams side by side, whenever one comes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, TypeVar, overload

from ackflow.operators.merging import check_streams
from ackflow.operators.zipping import NOTHING, check_sources
from ackflow.streams.core import (
    END,
    GIVEN_BACK,
    SKIPPED,
    Context,
    Joined,
    Pull,
    Run,
    Stage,
    Stream,
    Token,
    Zipping,
    settle,
)

B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class ZipLatest(Stage):
    """Puts the latest values of several streams into tuples."""

    name = "zip_latest"
    holds = 1

    def __init__(self, others: tuple[Stream[Any], ...]) -> None:
        self.others = others

    @property
    def settings(self) -> dict[str, Any]:
        return {"streams": list(self.others)}

    def places(self, before: int) -> int:
        return 0

    def check(self, inputs: Sequence[Stream[Any]]) -> None:
        check_sources("op.zip_latest(*streams)", inputs)

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Latest(context, inputs).runs()


class _Latest:
    """The latest values of one `zip_latest` in one run, with the messages that no tuple has yet."""

    def __init__(self, context: Context, inputs: Sequence[AsyncIterator[Run[Any]]]) -> None:
        self.context = context
        self._session = context.session
        self._wake = asyncio.Event()
        self._pulls = dict(enumerate(Pull(upstream, self._wake) for upstream in inputs))
        self._latest = [NOTHING for _ in inputs]
        """The latest value of each stream, with its message where no tuple has that yet."""
        self._reconnects = 0

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand out a tuple for each value that comes, until all have ended or none can come."""
        self._session.joiners.append(self)
        try:
            while self._pulls and not self._hopeless():
                self._wake.clear()
                self._forget_lost()
                ready = [(index, pull) for index, pull in self._pulls.items() if pull.ready]
                for index, pull in ready:
                    tuples = self._accept(index, pull.take())
                    if tuples.values:
                        yield tuples
                if not ready:
                    await self._wait()
            await self._close()
            settle(self.parked(), GIVEN_BACK)
        finally:
            self._session.joiners.remove(self)
            await self._close()

    def _hopeless(self) -> bool:
        """Say whether some stream has ended without a value, so that no tuple will ever come."""
        return any(
            index not in self._pulls and not latest.values
            for index, latest in enumerate(self._latest)
        )

    def _forget_lost(self) -> None:
        """Leave out messages whose channel is gone: they come again."""
        reconnects = self._session.summary.reconnects
        if self._reconnects != reconnects:
            self._reconnects = reconnects
            self._latest = [latest.living() for latest in self._latest]

    def _accept(self, index: int, run: Any) -> Run[tuple[Any, ...]]:
        """Return the tuples that a run makes; without one of each stream, keep its last value."""
        if run is END:
            del self._pulls[index]
            return NOTHING
        run = run.living()
        if not run.values:
            return NOTHING
        replaced, self._latest[index] = self._latest[index], run.part(len(run) - 1)
        settle(replaced.tokens, SKIPPED)
        if all(latest.values for latest in self._latest):
            return self._tuples(index, run)
        settle(run.tokens[:-1], SKIPPED)
        self._session.relieve()
        return NOTHING

    def _tuples(self, index: int, run: Run[Any]) -> Run[tuple[Any, ...]]:
        """Make a tuple with each value; the first one has the messages that waited, too."""
        values = [latest.values[0] for latest in self._latest]
        before, after = tuple(values[:index]), tuple(values[index + 1 :])
        tokens = list(run.tokens)
        self._latest[index] = NOTHING
        members = [*self.parked(), tokens[0]]
        if len(members) > 1:
            tokens[0] = (Joined(members), 0)
        self._latest = [Run([value], []) for value in values]
        return Run([(*before, value, *after) for value in run.values], tokens)

    async def _wait(self) -> None:
        for pull in self._pulls.values():
            pull.start()
        await self._wake.wait()

    async def _close(self) -> None:
        for pull in self._pulls.values():
            await pull.close()

    # -- Joiner -----------------------------------------------------------------------------------

    def parked(self) -> Sequence[Token]:
        """Return the messages that wait for the first value of another stream."""
        return [token for latest in self._latest for token in latest.tokens]

    def flush(self, reason: str) -> bool:
        """Nothing can be let go of: what is waited for comes, or ends, by itself."""
        return False


@overload
def zip_latest(stream: Stream[B], /) -> Zipping[B]: ...
@overload
def zip_latest(second: Stream[B], third: Stream[C], /) -> Zipping[B, C]: ...
@overload
def zip_latest(second: Stream[B], third: Stream[C], fourth: Stream[D], /) -> Zipping[B, C, D]: ...
@overload
def zip_latest(*streams: Stream[Any]) -> Zipping[*tuple[Any, ...]]: ...
def zip_latest(*streams: Stream[Any]) -> Zipping[*tuple[Any, ...]]:
    """Hand on a tuple of the latest value of each stream whenever a value comes.

        this    a---------b---c-|
        other   --1-2---------------3-|
        out     --v-w-----x---y-----z-|     zip_latest(other):  v = (a, 1), w = (a, 2), x = (b, 2), …

    Example:
        orders | op.zip_latest(exchange_rates) | op.map(price)

    The first tuple comes once each stream has given a value. Fair, as `merge` is. It ends when all
    streams have ended, or one without any value. The same as RxJava's `combineLatest`;
    aiostream's `ziplatest` hands on incomplete tuples too, unless told not to.
    Acks: joins. A message goes with the first tuple that its value is in; later tuples have a copy of
    the value alone, since a stream that rarely changes would otherwise leave its last message unacked
    for ever. A message that is replaced before it was in any tuple is settled as skipped, which acks
    it. One that is in none at the end is given back. When a tuple fails, the messages that go with it
    come again by their sources' policies, and are then the latest of their streams.
    Raises TypeError or ValueError, where it is written, for what is no stream, and where it is composed,
    for streams that share a source.
    """
    check_streams("op.zip_latest(*streams)", streams)
    return Zipping(ZipLatest(streams))
