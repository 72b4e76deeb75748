"""Lane: a stream within a stream, fed by the stage that opened it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ackflow.streams.core.operator import Composable
from ackflow.streams.core.pulling import Pull
from ackflow.streams.core.run import Run
from ackflow.streams.core.session import Session
from ackflow.streams.core.stage import Context, Demand, Shape, Stage, demand
from ackflow.streams.core.stream import Stream
from ackflow.streams.core.token import Token


class Inflow(Stage):
    """The beginning of a lane: hands out what is put into it, until it is ended."""

    name = "lane"

    def __init__(self, shape: Shape, places: int) -> None:
        self.waiting: deque[Run[Any]] = deque()
        self.ended = False
        self.wake = asyncio.Event()
        self._shape = shape
        self._places = places

    def shape(self, before: Shape) -> Shape:
        return self._shape

    def places(self, before: int) -> int:
        return self._places

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        while True:
            self.wake.clear()
            while self.waiting:
                yield self.waiting.popleft()
            if self.ended:
                return
            await self.wake.wait()


class Lane:
    """One step, fed by hand in a run that is under way: put runs in, pull what it makes of them.

    A stage opens lanes where parts of its stream go ways of their own: a lane per key, per branch.
    They are part of its pipeline's session, so that their chunks flush and drain with all others.
    What a closed lane had not handed out stays unsettled.
    """

    def __init__(self, step: Any, session: Session, places: int, wake: asyncio.Event) -> None:
        """`places` as in the stage's context; `wake` is set when there may be something to take."""
        self._inflow = Inflow((), places)
        stream: Stream[Any] = step(Stream(self._inflow))
        self.places: int = stream.places
        self.pull: Pull[Run[Any]] = Pull(stream.attach(session, ()), wake)
        self.pull.start()

    @property
    def waiting(self) -> int:
        """How many messages were put in and not taken by the step."""
        return sum(map(len, self._inflow.waiting))

    def put(self, run: Run[Any]) -> None:
        """Put messages in."""
        self._inflow.waiting.append(run)
        self._inflow.wake.set()

    def end(self) -> None:
        """Say that nothing more is put in: the lane ends when it has handed out what it holds."""
        self._inflow.ended = True
        self._inflow.wake.set()

    def rest(self) -> list[Token]:
        """Take out what was put in and not taken by the step."""
        tokens = [token for run in self._inflow.waiting for token in run.tokens]
        self._inflow.waiting.clear()
        return tokens


def lane_demand(call: str, step: Any) -> Demand:
    """Add up what one lane holds; raise TypeError for a step that can't be one."""
    if not isinstance(step, Composable):
        raise TypeError(
            f"{call}: must be an operator, or several composed with |, got {step!r}; "
            "op.map(function) makes one of a function"
        )
    return demand(step.stages)
