"""throttle and debounce: of values that come close together one is handed on."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from math import inf
from typing import Any

from ackflow.operators.keeping import Keeper, now
from ackflow.streams.core import (
    OVER,
    SKIPPED,
    Context,
    Run,
    Same,
    Stage,
    Token,
    check_duration,
    close,
    fresh,
    settle,
)


class Throttle(Stage):
    """Drops what comes too soon after a value that was handed on."""

    name = "throttle"
    passes_failures = True

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @property
    def settings(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        opens = -inf
        try:
            async for run in upstream:
                if run.error is not None:
                    yield run
                    continue
                run = run.living()
                first = 1 if run.values and now() >= opens else 0
                settle(run.tokens[first:], SKIPPED)
                if first:
                    opens = now() + self.seconds
                    yield run.part(0, 1)
        finally:
            await close(upstream)


class Debounce(Stage):
    """Hands on a value once nothing came for a while."""

    name = "debounce"
    holds = 1

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.keeps = seconds

    @property
    def settings(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Last(self, context, inputs[0]).runs()


class _Last(Keeper):
    """The value that came last, in one run of a `debounce`: a Joiner, since it waits for the next."""

    stage: Debounce

    def __init__(
        self, stage: Debounce, context: Context, upstream: AsyncIterator[Run[Any]]
    ) -> None:
        super().__init__(stage, context, upstream)
        self._last: Run[Any] | None = None
        self._due = inf
        self._over = False

    def held(self) -> int:
        return int(self._last is not None)

    def begin(self) -> None:
        super().begin()
        self.session.joiners.append(self)

    def end(self) -> None:
        super().end()
        self.session.joiners.remove(self)

    def has_room(self) -> bool:
        """Say whether none waits that was quiet long enough: it is not to be replaced any more."""
        return self._last is None or now() < self._due

    def accept(self, run: Run[Any]) -> None:
        if run.error is not None:
            self.context.failed(run)
            return
        settle([*self.parked(), *run.tokens[:-1]], SKIPPED)
        self._last = run.part(len(run) - 1)
        self._due = now() + self.stage.seconds
        self._over = False
        self.session.relieve()

    def purge(self) -> None:
        if self._last is not None and not fresh(self._last.tokens[0]):
            self._last = None

    def ready(self) -> Run[Any] | None:
        if not (self.ended or self._over or now() >= self._due):
            return None
        run, self._last = self._last, None
        return run

    def due(self) -> float | None:
        return None if self._last is None else self._due

    def parked(self) -> Sequence[Token]:
        return [] if self._last is None else self._last.tokens

    def flush(self, reason: str) -> bool:
        if reason != OVER or self._last is None:
            return False
        self._over = True
        self.wake.set()
        return True


def throttle(seconds: float) -> Same:
    """Hand on a value, then drop what comes within `seconds` after it.

        in    1-2-3-----4-5-|
        out   1---------4---|        throttle(5)

    Example:
        await (streams.of(1, 2, 3) | op.throttle(0.1) | sinks.to_list())     # [1]

    A value comes when it is pulled: while the consumer works, nothing does. What comes exactly when
    the time is up is handed on. The same as RxPY's `throttle_first` and Reactor's `sampleFirst`.
    Acks: settles what it drops as skipped, which acks it. What comes again after a failure or a lost
    connection counts as every other value, and may be dropped.
    `seconds`: above 0.
    Raises ValueError, where it is written, for seconds that can't be meant.
    """
    check_duration("op.throttle(seconds)", seconds, "leave the throttle out to drop nothing")
    return Same(Throttle(float(seconds)))


def debounce(seconds: float) -> Same:
    """Hand on a value once nothing came for `seconds` after it; drop those that others replaced.

        in    1-2-3-----4-5-|
        out   ---------3----(5|)        debounce(4)

    Example:
        await (streams.of(1, 2, 3) | op.debounce(0.1) | sinks.to_list())     # [3]

    The last value comes out at once at the end of the stream, on a drain, and when no source has
    anything more to give. What was quiet for long enough waits for the consumer, is not replaced any
    more, and nothing is pulled past it. The same as fs2's and RxPY's `debounce`, and Reactor's
    `sampleTimeout`.
    Acks: settles what it drops as skipped, which acks it. A value that failed before it fails here: a
    `catch` further down doesn't reach it.
    `seconds`: above 0.
    Raises ValueError, where it is written, for seconds that can't be meant.
    """
    check_duration("op.debounce(seconds)", seconds, "leave the debounce out to drop nothing")
    return Same(Debounce(float(seconds)))
