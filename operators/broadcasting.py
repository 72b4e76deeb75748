"""broadcast: every value through several operators side by side."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from math import prod
from typing import Any

from ackflow.operators.variables import A, B
from ackflow.streams.core import (
    END,
    GIVEN_BACK,
    Branches,
    Composable,
    Context,
    Lane,
    Operator,
    OperatorLike,
    Parted,
    Pull,
    Run,
    Session,
    Shape,
    Stage,
    Stream,
    demand,
    fork,
    settle,
    shown,
)

AHEAD = 64
"""Messages by which one branch may be ahead of the slowest, beside what it works on."""


class Broadcast(Stage):
    """Sends every value through several steps, and hands on what all of them hand out."""

    name = "broadcast"

    def __init__(self, steps: tuple[Any, ...]) -> None:
        self.steps = steps
        needs = [demand(step.stages) for step in steps]
        unknown = any(needed.unknown for needed in needs)
        self.holds = None if unknown else AHEAD + sum(needed.sum for needed in needs)
        self.keeps = max(step.keeps for step in steps)

    @property
    def settings(self) -> dict[str, Any]:
        return {"steps": list(self.steps)}

    @property
    def branches(self) -> Branches:
        return [("", step) for step in self.steps]

    def shape(self, before: Shape) -> Shape:
        return max((step.shape(before) for step in self.steps), key=prod)

    def places(self, before: int) -> int:
        places: int = min(step.places(before) for step in self.steps)
        return places

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Branches(self, context, inputs[0]).runs()


class _Branches:
    """The branches of one `broadcast` in one run."""

    def __init__(
        self, stage: Broadcast, context: Context, upstream: AsyncIterator[Run[Any]]
    ) -> None:
        self._context = context
        self._session: Session = context.session
        self._closed = False
        self._wake = asyncio.Event()
        self._pull = Pull(upstream, self._wake)
        self._lanes: list[Lane[Stream[Any]]] = [
            Lane(step, (), context.places, taken=self._wake) for step in stage.steps
        ]
        self._pulls: dict[Pull[Run[Any]], Lane[Stream[Any]]] = {
            Pull(lane.end_piece.attach(context.session, (), context), self._wake): lane
            for lane in self._lanes
        }

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Put every run into all branches, and hand on what they hand out, fairly."""
        try:
            while self._pulls:
                self._wake.clear()
                if self._pull.ready:
                    await self._accept(self._pull.take())
                ready = self._ready()
                for pull in ready:
                    run = pull.take()
                    if run is not END:
                        yield run
                    else:
                        settle(self._pulls.pop(pull).rest(), GIVEN_BACK)
                if not ready and self._pulls and not self._wake.is_set():
                    await self._wait()
        finally:
            self._closed = True
            for pull in self._pulls:
                await pull.close()
            await self._pull.close()

    def _ready(self) -> list[Pull[Run[Any]]]:
        for pull in self._pulls:
            pull.start()
        return [pull for pull in self._pulls if pull.ready]

    async def _accept(self, run: Any) -> None:
        if run is END:
            for lane in self._lanes:
                lane.end()
        elif run.error is not None:
            self._context.failed(run)
        else:
            await self._put(run)

    async def _put(self, run: Run[Any]) -> None:
        """Put a run into the branches that are left; without any it goes back."""
        lanes = [lane for lane in self._lanes if not lane.left]
        if not lanes:
            await self._pull.close()
            settle(run.tokens, GIVEN_BACK)
            return
        forks = [fork(token, len(lanes), self._parted) for token in run.tokens]
        for index, lane in enumerate(lanes):
            lane.put(Run(list(run.values), [tokens[index] for tokens in forks]))

    def _parted(self, token: Any) -> Parted:
        return Parted(
            token,
            self._session,
            over=lambda: all(lane.left for lane in self._lanes),
            closed=lambda: self._closed,
        )

    async def _wait(self) -> None:
        if max(lane.waiting for lane in self._pulls.values()) < AHEAD:
            self._pull.start()
        await self._wake.wait()


def broadcast(*steps: OperatorLike[A, B]) -> Operator[A, B]:
    """Send every value through each of several operators, and hand on what all of them hand out.

    Example:
        texts | op.broadcast(op.filter(str.isupper), op.map(str.upper) | op.chunk(10) | op.unchunk())

    Each branch goes at its own pace; the slowest sets that of the stream, with others at most 64
    values ahead. One that ends (`take` in it) takes no further part; the stream ends when all have.
    `sinks.tee(operator | sink, …)` does the same for branches that end in sinks of their own.
    Acks: splits: settled when every branch has, with the worst outcome; a message that fails in one
    branch comes again in all. What a branch that has ended gives back is left to the others.
    Raises TypeError or ValueError, where it is written, for what is no operator, and for fewer than two.
    Source: `broadcastThrough` of fs2.
    """
    if len(steps) < 2:
        raise ValueError(
            f"op.broadcast(*steps): must be given two operators or more, got {len(steps)}; "
            "a single one needs no broadcast: stream | operator"
        )
    for step in steps:
        if not isinstance(step, Composable):
            raise TypeError(
                f"op.broadcast(*steps): each must be an operator, got {shown(step)}; "
                "op.map(function) makes one of a function, sinks.tee takes branches with sinks"
            )
    return Operator(Broadcast(steps))
