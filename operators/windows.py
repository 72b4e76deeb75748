"""The windows of one run, and the values that are kept for them.

At any time all that is kept is in the window that ends next; what has left that one is in none.
"""

from abc import abstractmethod
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ackflow.operators.keeping import Keeper, now
from ackflow.streams.core import (
    CREDIT,
    OVER,
    SKIPPED,
    Context,
    Joined,
    Run,
    Split,
    Stage,
    Token,
    fresh,
    settle,
)

PORTION = 256
"""Values in windows that are handed on together, about: windows that overlap are much of few values."""


class Windows(Keeper):
    """What is kept, shared out to windows. A Joiner that never lets go early for want of credit."""

    def __init__(
        self, stage: Stage, context: Context, upstream: AsyncIterator[Run[Any]], most: int
    ) -> None:
        """`most`: values that are kept at most."""
        super().__init__(stage, context, upstream)
        self.values: list[Any] = []
        self.tokens: list[Token] = []
        self.times: list[float] = []
        """When the values that are kept came."""
        self.splits: list[Split] = []
        """The accounts of those that were handed on before, which are the first ones."""
        self._arrived: deque[tuple[float, Run[Any]]] = deque()
        self._start = 0
        self._out: list[tuple[Any, list[Token]]] = []
        self._size = 0
        self._most = most
        self._over = False

    @abstractmethod
    def take_in(self, at: float, run: Run[Any], start: int) -> int:
        """Take in values of a run that came at this time, from `start` on; say where it stopped."""

    @abstractmethod
    def finish(self) -> None:
        """Let go of everything: nothing more comes, unless something is tried again."""

    def close_due(self) -> None:
        """Hand on what has ended by now."""

    # -- values out -------------------------------------------------------------------------------

    def hand_on(self, leaving: int, reason: str) -> None:
        """Hand on a window of all that is kept, the first of which leave with it.

        A message in several windows is split: it is settled when all of them are.
        """
        tokens = self.tokens[:]
        if self.splits or leaving < len(tokens):
            self.splits += map(Split, tokens[len(self.splits) :])
            tokens = [split.part() for split in self.splits]
        self._out.append((self.join(self.values), tokens))
        self._size += len(tokens)
        flushes = self.session.summary.flushes
        flushes[reason] = flushes.get(reason, 0) + 1
        self.leave(leaving)

    def join(self, values: list[Any]) -> Any:
        """Return what is handed on for the values of a window."""
        return values[:]

    def leave(self, count: int) -> None:
        """Let go of the first values: they are in no window that is still to come."""
        for split in self.splits[:count]:
            split.seal()
        for each in (self.values, self.tokens, self.times, self.splits):
            del each[:count]

    # -- Keeper -----------------------------------------------------------------------------------

    def begin(self) -> None:
        super().begin()
        self.session.joiners.append(self)

    def end(self) -> None:
        super().end()
        self.session.joiners.remove(self)

    def held(self) -> int:
        return len(self.values)

    def has_room(self) -> bool:
        arrived = sum(len(run) for _, run in self._arrived) - self._start
        return len(self.values) + arrived < self._most

    def accept(self, run: Run[Any]) -> None:
        if run.error is not None:
            self.context.failed(run)
            return
        self._arrived.append((now(), run))
        self._over = False
        self.session.relieve()

    def keep(self, at: float, run: Run[Any]) -> None:
        """Keep values that came at this time."""
        self.values += run.values
        self.tokens += run.tokens
        self.times += [at] * len(run)

    def purge(self) -> None:
        kept = [index for index, token in enumerate(self.tokens) if fresh(token)]
        self.splits = [self.splits[index] for index in kept if index < len(self.splits)]
        self.values = [self.values[index] for index in kept]
        self.tokens = [self.tokens[index] for index in kept]
        self.times = [self.times[index] for index in kept]
        arrived, self._start = self._rest(), 0
        self._arrived = deque((at, run) for at, each in arrived if (run := each.living()).values)

    def ready(self) -> Run[Any] | None:
        while self._arrived and self._size < PORTION:
            at, run = self._arrived[0]
            self._start = self.take_in(at, run, self._start)
            if self._start == len(run):
                self._arrived.popleft()
                self._start = 0
        if not self._arrived:
            if self.ended or self._over:
                self.finish()
            else:
                self.close_due()
        out, self._out, self._size = self._out, [], 0
        if not out:
            return None
        return Run([value for value, _ in out], [(Joined(tokens), 0) for _, tokens in out])

    def due(self) -> float | None:
        return None

    def _rest(self) -> list[tuple[float, Run[Any]]]:
        """Return what has come and was not taken in."""
        skip = self._start
        return [
            (at, run.part(skip) if index == 0 else run)
            for index, (at, run) in enumerate(self._arrived)
        ]

    # -- Joiner -----------------------------------------------------------------------------------

    def parked(self) -> Sequence[Token]:
        """Return what is kept: of what was handed on before, what is still to be."""
        kept = [split.rest() for split in self.splits] + self.tokens[len(self.splits) :]
        return [*kept, *(token for _, run in self._rest() for token in run.tokens)]

    def flush(self, reason: str) -> bool:
        if reason != OVER or not (self.values or self._arrived):
            return False
        self._over = True
        self.wake.set()
        return True


class TimeWindows(Windows):
    """Windows by the time at which values come."""

    stage: Any

    def __init__(self, stage: Any, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        super().__init__(stage, context, upstream, stage.max_items)
        self._plan = stage.plan()

    def take_in(self, at: float, run: Run[Any], start: int) -> int:
        self._close(at)
        if not self._plan.enter(at):
            settle(run.tokens[start:], SKIPPED)
            return len(run)
        stop: int = min(len(run), start + self.stage.max_items - len(self.values))
        self.keep(at, run.part(start, stop))
        if len(self.values) >= self.stage.max_items:
            self._let_go("size")
        return stop

    def _close(self, at: float) -> None:
        while self.values and self._plan.end <= at:
            self.hand_on(bisect_left(self.times, self._plan.begin(1)), "time")
            if self.values:
                self._plan.enter(self._plan.end)

    def _let_go(self, reason: str) -> None:
        """Hand on what has come so far in each window that has begun."""
        further = 0
        while self.values:
            further += 1
            self.hand_on(bisect_left(self.times, self._plan.begin(further)), reason)

    def close_due(self) -> None:
        self._close(now())

    def finish(self) -> None:
        self._close(now())
        self._let_go("end")

    def due(self) -> float | None:
        return self._plan.end if self.values else None


class CountWindows(Windows):
    """Windows by the number of values."""

    stage: Any

    def __init__(self, stage: Any, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        super().__init__(stage, context, upstream, stage.count)
        self._skip = 0
        """Values to come that lie between two windows."""

    def take_in(self, at: float, run: Run[Any], start: int) -> int:
        if self._skip:
            stop = min(len(run), start + self._skip)
            settle(run.tokens[start:stop], SKIPPED)
            self._skip -= stop - start
            return stop
        count: int = self.stage.count
        stop = min(len(run), start + count - len(self.values))
        self.keep(at, run.part(start, stop))
        if len(self.values) >= count:
            self.hand_on(min(self.stage.step, count), "size")
            self._skip = max(0, self.stage.step - count)
        return stop

    def finish(self) -> None:
        """Hand on a last, shorter window where it holds what was in none before."""
        if len(self.splits) < len(self.values):
            self.hand_on(len(self.values), "end")
        self.leave(len(self.values))

    def flush(self, reason: str) -> bool:
        if reason == CREDIT and self.session.looker is not None:
            # Who looks settles nothing, and no time will end the window.
            self.session.looker.exhausted()
        return super().flush(reason)
