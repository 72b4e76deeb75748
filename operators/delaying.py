"""delay: every value later."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ackflow.operators.keeping import Keeper, now
from ackflow.streams.core import (
    GIVEN_BACK,
    Context,
    Run,
    Same,
    Stage,
    check_count,
    check_duration,
    concatenate,
    settle,
)


class Delay(Stage):
    """Hands on each value a while after it came."""

    name = "delay"
    passes_failures = True

    def __init__(self, seconds: float, max_items: int) -> None:
        self.seconds = seconds
        self.max_items = max_items
        self.holds = max_items
        self.keeps = seconds

    @property
    def settings(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "max_items": self.max_items}

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Delayed(self, context, inputs[0]).runs()


class _Delayed(Keeper):
    """The values on their way through one `delay` in one run, each run with its time."""

    stage: Delay

    def __init__(self, stage: Delay, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        super().__init__(stage, context, upstream)
        self._waiting: deque[tuple[float, Run[Any]]] = deque()
        self._count = 0

    def held(self) -> int:
        return self._count

    def has_room(self) -> bool:
        return self._count < self.stage.max_items

    def accept(self, run: Run[Any]) -> None:
        self._waiting.append((now() + self.stage.seconds, run))
        self._count += len(run)

    def purge(self) -> None:
        kept = [(due, run) for due, each in self._waiting if (run := each.living()).values]
        self._waiting = deque(kept)
        self._count = sum(len(run) for _, run in kept)

    def ready(self) -> Run[Any] | None:
        if self.session.draining:
            settle([token for _, run in self._waiting for token in run.tokens], GIVEN_BACK)
            self._waiting.clear()
            self._count = 0
        runs: list[Run[Any]] = []
        while self._is_next(runs):
            _, run = self._waiting.popleft()
            self._count -= len(run)
            runs.append(run)
        return concatenate(runs) if runs else None

    def _is_next(self, runs: list[Run[Any]]) -> bool:
        """Say whether what waits first is due, and goes with these; a failure goes by itself."""
        if not self._waiting or now() < self._waiting[0][0]:
            return False
        return not runs or (runs[-1].error is None and self._waiting[0][1].error is None)

    def due(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None


def delay(seconds: float, max_items: int = 1000) -> Same:
    """Hand on each value `seconds` after it came, in the same order.

        in    1-2-----3-|
        out   ------1-2-----3|        delay(6)

    Example:
        await (streams.of(1, 2) | op.delay(0.1) | sinks.to_list())     # [1, 2], a little later

    The same as RxPY's `delay` and Reactor's `delaySequence` with their queue bounded; aiostream's
    `delay` and fs2's `delayBy` put off the beginning only.
    Acks: passes. A drain gives back what waits, untouched, rather than wait for it; a stream that ends
    hands it on in time.
    `seconds`: above 0, and on a queue within what its consumer timeout leaves; `max_items`: values kept
    at most, 1 and up; while so many wait, nothing more is pulled.
    Raises ValueError, where it is written, for settings that can't be meant.
    """
    check_duration("op.delay(seconds)", seconds, "leave the delay out for none")
    check_count("op.delay(max_items)", max_items, 1, "leave it out for 1,000")
    return Same(Delay(float(seconds), max_items))
