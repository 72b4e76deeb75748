"""switch_map: several values of each, until the next one comes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any

from ackflow.operators.functions import OfFunction, check_function
from ackflow.operators.splitting import Parts, verdict
from ackflow.operators.variables import A, B
from ackflow.streams.core import (
    ACCEPTED,
    END,
    GIVEN_BACK,
    SKIPPED,
    Context,
    Operator,
    Outcome,
    Pull,
    Run,
    Split,
    Stage,
    Token,
    fresh,
    settle,
    to_the_end,
)


class SwitchMap(OfFunction, Stage):
    """Hands on the parts that a function makes of the latest value."""

    name = "switch_map"
    holds = 2
    """The value whose parts are made, and the one that takes its place."""

    def places(self, before: int) -> int:
        return 0

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Switch(self, context, inputs[0]).runs()


class _Making:
    """The parts of one value, and the shares they have in its message."""

    def __init__(self, value: Any, token: Token, parts: Parts, wake: asyncio.Event) -> None:
        self.value = value
        self.token = token
        self.parts = parts
        self.split = Split(token)
        self.pull = Pull(parts.portions(), wake)

    async def close(self) -> None:
        """Close what the function made; raise what that raises."""
        await self.pull.close()
        if self.parts.failure is not None:
            raise self.parts.failure


class _Switch:
    """The value of one `switch_map` whose parts are made in one run, and those that come after it."""

    def __init__(
        self, stage: SwitchMap, context: Context, upstream: AsyncIterator[Run[Any]]
    ) -> None:
        self._stage = stage
        self._context = context
        self._session = context.session
        self._circuit = context.circuit()
        self._wake = asyncio.Event()
        self._pull = Pull(upstream, self._wake)
        self._arrived: deque[tuple[Any, Token]] = deque()
        self._making: _Making | None = None

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand on the parts of the latest value."""
        self._session.sleepers.add(self._wake)
        try:
            while self._making is not None or self._arrived or not self._pull.ended:
                self._wake.clear()
                await self._turn()
                await self._advance()
                run = self._parts()
                if run is not None:
                    yield run
                elif self._waits():
                    await self._wake.wait()
        finally:
            self._session.sleepers.discard(self._wake)
            await self._close()
            await self._pull.close()

    async def _turn(self) -> None:
        """Have the next parts made and the next value come, where they are there at once."""
        if not self._arrived:
            self._pull.start()
        if self._making is not None:
            self._making.pull.start()
        await asyncio.sleep(0)
        if self._pull.ready:
            self._accept(self._pull.take())

    def _accept(self, run: Any) -> None:
        if run is END:
            return
        if run.error is not None:
            self._context.failed(run)
        else:
            self._arrived.extend(zip(run.values, run.tokens, strict=True))

    async def _advance(self) -> None:
        """Go on to the next value where there is one; stop where the run does."""
        if self._session.stopping:
            settle([token for _, token in self._arrived], GIVEN_BACK)
            self._arrived.clear()
            await self._leave(GIVEN_BACK)
        elif self._making is not None and not fresh(self._making.token):
            await self._leave(SKIPPED)
        if self._arrived and not self._halted:
            await self._leave(SKIPPED)
            value, token = self._arrived.popleft()
            if fresh(token):
                parts = Parts("op.switch_map(f)", self._stage.function, value, self._circuit)
                self._making = _Making(value, token, parts, self._wake)
            await self._turn()

    @property
    def _halted(self) -> bool:
        """Whether an outage keeps parts back: then nothing takes their place (contract 5)."""
        return self._making is not None and self._making.parts.halted

    def _waits(self) -> bool:
        """Say whether nothing can be done before something wakes it."""
        if self._making is None:
            return not (self._arrived or self._pull.ended)
        return self._halted or not self._arrived

    def _parts(self) -> Run[Any] | None:
        """Take what was made; settle the message's own share where that is all, or it failed."""
        making = self._making
        if making is None or not making.pull.ready:
            return None
        try:
            some = making.pull.take()
        except Exception as error:
            self._making = None
            self._failed(making, error)
            return None
        if some is END:
            self._making = None
            making.split.seal()
            return None
        return Run(some, [making.split.part() for _ in some])

    async def _leave(self, outcome: Outcome) -> None:
        """Close what makes parts; unless it had ended by itself, `outcome` is that of the rest."""
        making, self._making = self._making, None
        if making is None:
            return
        try:
            if making.pull.ready and making.pull.take() is END:
                outcome = ACCEPTED
            await to_the_end(making.close())
        except Exception as error:
            self._failed(making, error)
        else:
            making.split.seal(outcome)

    async def _close(self) -> None:
        """Close what makes parts, without a verdict: the message goes back."""
        making, self._making = self._making, None
        if making is None:
            return
        try:
            if making.pull.ready:
                making.pull.take()
            await making.close()
        except Exception as error:
            self._session.record(error, self._context.name, making.value)

    def _failed(self, making: _Making, error: Exception) -> None:
        self._session.record(error, self._context.name, making.value)
        making.split.seal(verdict(making.split, error))


def switch_map(f: Callable[[A], Iterable[B] | AsyncIterable[B]]) -> Operator[A, B]:
    """Hand on what `f(value)` yields until the next value comes, and then what that one's yields.

        in    a-------b---------|
        out   --a1-a2---b1-b2-b3|        a3 and a4 are not made any more

    Example:
        settings | op.switch_map(lambda each: readings(each.sensor)) | sinks.each(show)

    What `f` made for the value before is closed; parts of it that were not handed on are dropped. Of
    an ordinary iterable what a few milliseconds bring is handed on, 256 at most, before the next value
    is looked at: lists come whole. The last value's parts are taken to their end, which may never come;
    then a drain ends them.
    Acks: splits: settled when the last part that was handed on is, with the worst outcome; skipped
    where the next value came before the last part. When `f` raises half way, the parts before go their
    way and the message fails with the error; an outage (ConnectionError, TimeoutError, Unavailable)
    before the first part halts and is tried again, and no value takes the place of one that is. A
    message whose parts a drain ends is given back. One with endless parts is not settled before the
    next value comes: see that prefetch is 2 at least.
    Raises TypeError, where it is written, for a coroutine function.
    Source: `switchMap` of ReactiveX (https://reactivex.io/documentation/operators/flatmap.html),
    `switchmap` of aiostream.
    """
    check_function("op.switch_map(f)", f, instead="an async generator function, or op.map_async")
    return Operator(SwitchMap(f))
