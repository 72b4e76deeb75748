"""Lane: a stream within a stream, fed by the stage or sink that opened it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeVar

from ackflow.streams.core.outcome import ACCEPTED, GIVEN_BACK, SKIPPED, Kind, Outcome
from ackflow.streams.core.pipeline import Pipeline
from ackflow.streams.core.pulling import Bell
from ackflow.streams.core.run import Run
from ackflow.streams.core.session import Session
from ackflow.streams.core.stage import Context, Demand, Shape, Stage, demand
from ackflow.streams.core.stream import Stream
from ackflow.streams.core.token import Split, Token

S = TypeVar("S", Stream[Any], Pipeline[Any])


class Inflow(Stage):
    """The beginning of a lane: hands out what is put into it, until it is ended."""

    name = "lane"

    def __init__(self, shape: Shape, places: int, bell: Bell | None) -> None:
        self.waiting: deque[Run[Any]] = deque()
        self.ended = False
        self.left = False
        """Whether nobody takes anything any more."""
        self.filled = asyncio.Event()
        self.taken = asyncio.Event()
        self._bell = bell
        self._shape = shape
        self._places = places

    def shape(self, before: Shape) -> Shape:
        return self._shape

    def places(self, before: int) -> int:
        return self._places

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        try:
            while not self.ended or self.waiting:
                if self.waiting:
                    run = self.waiting.popleft()
                    self._ring()
                    yield run
                else:
                    self.filled.clear()
                    await self.filled.wait()
        finally:
            self.left = True
            self._ring()

    def _ring(self) -> None:
        """Say that something was taken, or that nothing is any more."""
        self.taken.set()
        if self._bell is not None:
            self._bell.set()


class Lane(Generic[S]):
    """A way of its own for a part of a stream: put runs in, and iterate what is made of them.

    Stages and sinks open lanes where their messages part: a lane per key, per branch. `way` is what a
    message takes in it: an operator, or an operator and a sink. A lane is part of the session of the
    pipeline that opened it, so that its chunks flush and drain with all others. What a closed lane
    has not handed out stays unsettled.
    """

    def __init__(
        self,
        way: Callable[[Stream[Any]], S],
        shape: Shape,
        places: int,
        taken: Bell | None = None,
    ) -> None:
        """`taken` rings whenever something that was put in is taken, or nothing is any more."""
        self._inflow = Inflow(shape, places, taken)
        self.end_piece: S = way(Stream(self._inflow))
        """The stream or pipeline that the way made of the lane."""

    @property
    def waiting(self) -> int:
        """How many messages were put in and not taken."""
        return sum(map(len, self._inflow.waiting))

    @property
    def left(self) -> bool:
        """Whether what is put in is not taken any more."""
        return self._inflow.left

    def put(self, run: Run[Any]) -> None:
        """Put messages in."""
        self._inflow.waiting.append(run)
        self._inflow.filled.set()

    async def room(self) -> None:
        """Wait until all that was put in is taken, or nothing is any more."""
        while self._inflow.waiting and not self.left:
            self._inflow.taken.clear()
            await self._inflow.taken.wait()

    def end(self) -> None:
        """Say that nothing more is put in: the lane ends when it has handed out what it holds."""
        self._inflow.ended = True
        self._inflow.filled.set()

    def rest(self) -> list[Token]:
        """Take out what was put in and not taken."""
        tokens = [token for run in self._inflow.waiting for token in run.tokens]
        self._inflow.waiting.clear()
        return tokens


def lane_demand(lane: Lane[Pipeline[Any]]) -> Demand:
    """Return how many of its elements a lane that ends in a sink holds at once."""
    stream: Stream[Any] = lane.end_piece.stream
    path: list[Any] = [lane.end_piece.sink]
    while stream.inputs:
        path.insert(0, stream.stage)
        (stream, *_) = stream.inputs
    return demand(tuple(path))


class Parted(Split):
    """The account of a message in lanes, one part in each.

    A lane that has ended gives back what it no longer takes. That is no reason for the message to
    come again while its source goes on: its other parts decide, and without any it is dropped on
    purpose, or given back where `over` says that no lane is left and the source is being stopped.
    Once `closed` says that whoever opened the lanes is closed, what comes back comes from further down,
    from a `take` there: then it does count.
    """

    __slots__ = ("_closed", "_over", "_session", "_wanted")

    def __init__(
        self,
        token: Token,
        session: Session,
        over: Callable[[], bool] = lambda: False,
        closed: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(token)
        self._session = session
        self._over = over
        self._closed = closed
        self._wanted = False

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        """Settle parts; those that are given back do not count while the run goes on."""
        left = outcome.kind is Kind.REQUEUE and not outcome.processed
        if left and not self._session.stopping and not self._closed():
            outcome = ACCEPTED
        elif tags[0] >= 0:
            self._wanted = True
        super().settle(tags, outcome)

    def _whole(self) -> Outcome:
        if self._wanted:
            return super()._whole()
        return GIVEN_BACK if self._over() else SKIPPED
