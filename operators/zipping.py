"""zip: the values of several streams side by side."""

import asyncio
import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, TypeVar, overload

from ackflow.operators.merging import check_streams
from ackflow.streams.core import (
    END,
    GIVEN_BACK,
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

NOTHING: Run[Any] = Run([], [])


class Zip(Stage):
    """Puts the values of several streams into tuples, one of each."""

    name = "zip"
    holds = 1
    pairs = True

    def __init__(self, others: tuple[Stream[Any], ...]) -> None:
        self.others = others

    @property
    def settings(self) -> dict[str, Any]:
        return {"streams": list(self.others)}

    def places(self, before: int) -> int:
        return 0

    def check(self, inputs: Sequence[Stream[Any]]) -> None:
        check_sources("op.zip(*streams)", inputs)

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Zipper(context, inputs).runs()


class _Zipper:
    """What one `zip` has in hand in one run: of each stream, what it has pulled and not handed on."""

    def __init__(self, context: Context, inputs: Sequence[AsyncIterator[Run[Any]]]) -> None:
        self.context = context
        self._session = context.session
        self._wake = asyncio.Event()
        self._pulls = [Pull(upstream, self._wake) for upstream in inputs]
        self._hands = [NOTHING for _ in inputs]
        self._reconnects = 0

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand out tuples, as many at a time as there are, until one stream has ended."""
        self._session.joiners.append(self)
        try:
            while True:
                self._wake.clear()
                self._take()
                if all(hand.values for hand in self._hands):
                    yield self._cut()
                elif any(pull.ended for pull in self._pulls):
                    await self._close()
                    settle(self.parked(), GIVEN_BACK)
                    return
                else:
                    await self._wait()
        finally:
            self._session.joiners.remove(self)
            await self._close()

    def _take(self) -> None:
        """Take what was pulled, and leave out messages whose channel is gone: they come again."""
        reconnects = self._session.summary.reconnects
        lost, self._reconnects = reconnects != self._reconnects, reconnects
        for index, pull in builtins.enumerate(self._pulls):
            if pull.ready:
                self._accept(index, pull.take())
            elif lost:
                self._hands[index] = self._hands[index].living()

    def _accept(self, index: int, run: Any) -> None:
        if run is not END:
            self._hands[index] = run.living()
            self._session.relieve()

    def _cut(self) -> Run[tuple[Any, ...]]:
        """Take out as many tuples as can be made."""
        size = min(map(len, self._hands))
        heads = [hand.part(0, size) for hand in self._hands]
        self._hands = [hand.part(size) for hand in self._hands]
        tokens: list[Token] = [
            (Joined(members), 0)
            for members in builtins.zip(*(head.tokens for head in heads), strict=True)
        ]
        return Run(list(builtins.zip(*(head.values for head in heads), strict=True)), tokens)

    async def _wait(self) -> None:
        """Pull where nothing is in hand, and nowhere else: that is the bound."""
        for hand, pull in builtins.zip(self._hands, self._pulls, strict=True):
            if not hand.values:
                pull.start()
        await self._wake.wait()

    async def _close(self) -> None:
        for pull in self._pulls:
            await pull.close()

    # -- Joiner -----------------------------------------------------------------------------------

    def parked(self) -> Sequence[Token]:
        """Return what waits for values of other streams."""
        return [token for hand in self._hands for token in hand.tokens]

    def flush(self, reason: str) -> bool:
        """Nothing can be let go of: what is waited for comes, or ends, by itself."""
        return False


@overload
def zip(stream: Stream[B], /) -> Zipping[B]: ...
@overload
def zip(second: Stream[B], third: Stream[C], /) -> Zipping[B, C]: ...
@overload
def zip(second: Stream[B], third: Stream[C], fourth: Stream[D], /) -> Zipping[B, C, D]: ...
@overload
def zip(*streams: Stream[Any]) -> Zipping[*tuple[Any, ...]]: ...
def zip(*streams: Stream[Any]) -> Zipping[*tuple[Any, ...]]:
    """Put the values of this stream and of others side by side: a tuple of one of each.

        this    a-----b---c-|
        other   --1-2---3---4-|
        out     --x---y---z-|       zip(other):  x = (a, 1), y = (b, 2), z = (c, 3)

    Example:
        await (streams.of("a", "b") | op.zip(streams.of(1, 2, 3)) | sinks.to_list())
        # [('a', 1), ('b', 2)]

    It ends with the shortest stream. No stream is pulled while a value of it waits for the others.
    Two branches of one source can't be zipped: they would take its messages from each other.
    Acks: joins: what becomes of a tuple becomes of every message in it. What was pulled beyond the
    shortest stream is given back, untouched. When a tuple fails, each of its messages comes again by
    its own source's policy, and may find others beside it then.
    Raises TypeError or ValueError, where it is written, for what is no stream, and where it is composed,
    for streams that share a source, and before a strict `partition`, where the messages of a tuple that
    fails could wait for each other.
    """
    check_streams("op.zip(*streams)", streams)
    return Zipping(Zip(streams))


def check_sources(call: str, inputs: Sequence[Stream[Any]]) -> None:
    """Raise ValueError where two streams share a source."""
    seen: set[int] = set()
    for stream in inputs:
        sources = {id(source): source for source, _ in stream.paths()}
        for number in sources.keys() & seen:
            raise ValueError(
                f"{call}: each stream must have a source of its own, but {sources[number]!r} is behind "
                "two of them, which would take its messages from each other; make both values of a "
                "message in one op.map(f), or give each stream a source of its own"
            )
        seen |= sources.keys()
