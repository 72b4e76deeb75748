"""Merge and Concat: several streams into one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ackflow.streams.core.pulling import END, Pull
from ackflow.streams.core.run import Run
from ackflow.streams.core.session import OVER
from ackflow.streams.core.stage import Context, Stage
from ackflow.streams.core.token import Token

if TYPE_CHECKING:
    from ackflow.streams.core.stream import Stream


class Merge(Stage):
    """Interleaves streams, fairly."""

    name = "merge"
    passes_failures = True

    def __init__(self, others: "tuple[Stream[Any], ...]") -> None:
        self.others = others

    @property
    def settings(self) -> dict[str, Any]:
        return {"streams": list(self.others)}

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Inputs(context, inputs, begun=len(inputs)).runs()


class Concat(Merge):
    """Hands on the values of several streams, one stream after another."""

    name = "concat"

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        one_by_one = _OneByOne(context, inputs, begun=1)
        context.session.joiners.append(one_by_one)
        try:
            async with aclosing(one_by_one.runs()) as runs:
                async for run in runs:
                    yield run
        finally:
            context.session.joiners.remove(one_by_one)


class _Inputs:
    """The streams that flow into one stage in one run, of which the first ones have begun."""

    def __init__(
        self, context: Context, inputs: Sequence[AsyncIterator[Run[Any]]], begun: int
    ) -> None:
        self._whole = context
        self._wake = asyncio.Event()
        self._pulls = [Pull(upstream, self._wake) for upstream in inputs]
        self._begin(begun)

    def _begin(self, count: int) -> None:
        self._begun = count
        self.context = replace(self._whole, inputs=self._whole.inputs[:count])

    def begin_next(self) -> bool:
        """Begin one stream more; say whether there is one."""
        if self._begun == len(self._pulls):
            return False
        self._begin(self._begun + 1)
        self._wake.set()
        return True

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand out what comes: each stream that has something has its turn before any has another."""
        try:
            while (going := self._going()) or self.begin_next():
                self._wake.clear()
                for pull in going:
                    pull.start()
                ready = [pull for pull in going if pull.ready]
                if going and not ready:
                    await self._wake.wait()
                for pull in ready:
                    run = pull.take()
                    if run is not END:
                        yield run
        finally:
            for pull in self._pulls:
                await pull.close()

    def _going(self) -> list[Pull[Run[Any]]]:
        return [pull for pull in self._pulls[: self._begun] if not pull.ended]


class _OneByOne(_Inputs):
    """Streams of which each begins when those before it have nothing more to give.

    A Joiner that keeps nothing back itself: the last message of a queue may wait further down for the
    next one, and the queue's stream ends only when that message is settled.
    """

    def parked(self) -> Sequence[Token]:
        """Return nothing: all is handed on as it comes."""
        return ()

    def flush(self, reason: str) -> bool:
        """Begin the next stream."""
        return reason == OVER and self.begin_next()
