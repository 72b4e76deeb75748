"""Slice: part of a stream."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ackflow.streams.core.outcome import GIVEN_BACK, SKIPPED
from ackflow.streams.core.pulling import close
from ackflow.streams.core.run import Run
from ackflow.streams.core.stage import Context, Stage
from ackflow.streams.core.token import Token, settle


class Slice(Stage):
    """Hands on the values from `start` up to `stop`, every `step`th; ends the stream at `stop`."""

    def __init__(self, name: str, start: int, stop: int | None, step: int = 1) -> None:
        self.name = name  # type: ignore[misc]
        self.start = start
        self.stop = stop
        self.step = step

    @property
    def settings(self) -> dict[str, Any]:
        if self.name == "slice":
            return {"start": self.start, "stop": self.stop, "step": self.step}
        return {"n": self.start if self.stop is None else self.stop}

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        position = 0
        try:
            while self.stop is None or position < self.stop:
                run = await anext(upstream, None)
                if run is None:
                    return
                if run.error is not None:
                    context.failed(run)
                    continue
                kept, beyond = self._cut(run, position)
                position += len(run)
                if self.stop is not None and position >= self.stop:
                    await close(upstream)
                    settle(beyond, GIVEN_BACK)
                if kept.values:
                    yield kept
        finally:
            await close(upstream)

    def _cut(self, run: Run[Any], position: int) -> tuple[Run[Any], list[Token]]:
        """Return what of a run is kept and what lies beyond; settle the rest as skipped."""
        first = max(0, self.start - position)
        if self.step > 1 and position > self.start:
            first = -(position - self.start) % self.step
        end = len(run) if self.stop is None else min(len(run), self.stop - position)
        if first == 0 and end == len(run) and self.step == 1:
            return run, []
        keep = range(min(first, end), end, self.step)
        kept = set(keep)
        settle([run.tokens[index] for index in range(end) if index not in kept], SKIPPED)
        values = [run.values[index] for index in keep]
        return Run(values, [run.tokens[index] for index in keep]), list(run.tokens[end:])
