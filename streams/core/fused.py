"""Fused: stages that need no time, run as one loop over what is there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from ackflow.streams.core.errors import OUTAGES
from ackflow.streams.core.run import WORK, Run, concatenate
from ackflow.streams.core.session import Session
from ackflow.streams.core.stage import Context, Step

SLICE = 4096
"""Messages at most between two looks at the clock."""

Apply = Callable[[Run[Any]], Run[Any]]


def _apply(step: Step, context: Context) -> Apply:
    """Return what a step does, counted where anybody wants to know."""
    apply = step.bind(context)
    return apply if context.meter is None else context.meter.around(apply)


class Interrupted(Exception):
    """A step met an error at the message at `position`; `done` is what became of those before it."""

    def __init__(self, error: Exception, done: Run[Any], position: int) -> None:
        super().__init__(error)
        self.error = error
        self.done = done
        self.position = position


class Fused:
    """Neighbouring steps, run one after the other over slices of a run."""

    def __init__(
        self, session: Session, steps: Sequence[Step], contexts: Sequence[Context]
    ) -> None:
        self._session = session
        self._steps = steps
        self._contexts = contexts
        self._applies = [_apply(s, c) for s, c in zip(steps, contexts, strict=True)]
        self._circuit = session.circuit(" | ".join(step.name for step in steps))
        self._slice = 16

    async def runs(self, upstream: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        """Hand out what the steps make of the runs that come."""
        try:
            async for run in upstream:
                if run.error is not None:
                    for failed, index in self._after_failure(run, 0):
                        for piece in await self._advance(failed, index):
                            yield piece
                    continue
                start = 0
                while start < len(run):
                    start, pieces = await self._stretch(run, start)
                    for piece in pieces:
                        yield piece
        finally:
            await upstream.aclose()  # type: ignore[attr-defined]

    async def _stretch(self, run: Run[Any], start: int) -> tuple[int, list[Run[Any]]]:
        """Work on a run from `start` on, for a few milliseconds; say where it stopped."""
        pieces: list[Run[Any]] = []
        began = perf_counter()
        while start < len(run):
            end = start + self._slice
            whole = start == 0 and end >= len(run)
            pieces += await self._advance(run if whole else run.part(start, end), 0)
            start = end
            worked = perf_counter() - began
            self._slice = max(1, self._slice // 4) if worked > WORK else min(SLICE, self._slice * 2)
            if worked > WORK:
                await asyncio.sleep(0)
                break
        if len(pieces) > 1 and all(piece.error is None for piece in pieces):
            pieces = [concatenate(pieces)]
        return start, pieces

    async def _advance(self, run: Run[Any], first: int) -> list[Run[Any]]:
        """Take a run through the steps from `first` on; failed messages leave it where they fail."""
        pieces: list[Run[Any]] = []
        todo = [(run, first)]
        while todo:
            run, index = todo.pop()
            while index < len(self._applies) and run.values and run.error is None:
                try:
                    run = self._applies[index](run)
                except Interrupted as stop:
                    todo.append((run.part(stop.position + 1), index))
                    culprit = run.part(stop.position, stop.position + 1)
                    todo += reversed(await self._failed(culprit, stop.error, index))
                    run = stop.done
                index += 1
            if run.values:
                pieces.append(run)
        return pieces

    async def _failed(
        self, culprit: Run[Any], error: Exception, index: int
    ) -> list[tuple[Run[Any], int]]:
        """Return the runs, and the step each goes on with, that a failed message leads to."""
        if isinstance(error, OUTAGES):
            meter = self._contexts[index].meter
            try:
                with nullcontext() if meter is None else meter.working():
                    run = await self._circuit.run(self._again, culprit, index)
                return [(run, index + 1)]
            except Exception as other:
                error = other
        return self._after_failure(Run(culprit.values, culprit.tokens, error), index)

    async def _again(self, culprit: Run[Any], index: int) -> Run[Any]:
        try:
            return self._applies[index](culprit)
        except Interrupted as stop:
            raise stop.error from None

    def _after_failure(self, failed: Run[Any], index: int) -> list[tuple[Run[Any], int]]:
        """Find the catch that takes a failed message, or settle it where there is none.

        It goes on behind the catch in its turn, not at once: steps there may have a state.
        """
        assert failed.error is not None
        for catch in range(index, len(self._steps)):
            step: Any = self._steps[catch]
            if not step.catches:
                continue
            try:
                value = step.recover(failed.error)
            except Exception as error:
                failed = Run(failed.values, failed.tokens, error)
                continue
            if (meter := self._contexts[catch].meter) is not None:
                meter.given += 1
            return [(Run([value], failed.tokens), catch + 1)]
        if self._contexts[-1].caught:
            return [(failed, len(self._applies))]
        assert failed.error is not None
        self._contexts[min(index, len(self._steps) - 1)].failed(failed)
        return []
