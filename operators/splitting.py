"""flat_map: several values of each."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
)
from contextlib import aclosing
from itertools import islice
from time import perf_counter
from typing import Any

from ackflow.operators.functions import OfFunction, check_function, name
from ackflow.operators.variables import A, B
from ackflow.streams.core import (
    END,
    OUTAGES,
    Circuit,
    Context,
    Kind,
    Operator,
    Outcome,
    Run,
    Split,
    Stage,
    Token,
    close,
    is_awaitable,
    refuse_awaitable,
    shown,
)

PARTS = 256
"""Parts that are handed on together at most: an iterable may be endless."""
WORK = 0.005
"""Seconds of work on parts after which fewer are taken at a time."""


class FlatMap(OfFunction, Stage):
    """Hands on the parts that a function makes of each value."""

    name = "flat_map"

    def places(self, before: int) -> int:
        return 0

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        circuit = context.circuit()
        try:
            async for run in upstream:
                if run.error is not None:
                    context.failed(run)
                    continue
                async with aclosing(self._parts(context, circuit, run)) as parts:
                    async for part in parts:
                        yield part
        finally:
            await close(upstream)

    async def _parts(
        self, context: Context, circuit: Circuit, run: Run[Any]
    ) -> AsyncGenerator[Run[Any]]:
        """Hand on the parts of the messages in a run, many at a time where they are there."""
        values: list[Any] = []
        tokens: list[Token] = []
        for value, token in zip(run.values, run.tokens, strict=True):
            split = Split(token)
            parts = Parts("op.flat_map(f)", self.function, value, circuit)
            try:
                while some := await parts.take():
                    values += some
                    tokens += [split.part() for _ in some]
                    if parts.slow or len(values) >= PARTS:
                        yield Run(values, tokens)
                        values, tokens = [], []
                        await asyncio.sleep(0)
            except Exception as error:
                context.session.record(error, context.name, value)
                split.seal(verdict(split, error))
            else:
                split.seal()
            finally:
                await parts.close()
        if values:
            yield Run(values, tokens)


def verdict(split: Split, error: Exception) -> Outcome:
    """Say what an error makes of the message; an outage half way spends none of its attempts."""
    return Outcome(Kind.REQUEUE, error) if isinstance(error, OUTAGES) else split.judge(error)


class Parts:
    """What a function makes of one value, taken as it comes."""

    def __init__(
        self, call: str, function: Callable[[Any], Any], value: Any, circuit: Circuit
    ) -> None:
        self.slow = False
        """Whether its parts come one by one, so that none may wait for the next."""
        self.halted = False
        """Whether an outage keeps back the first, or has and it was not handed on yet."""
        self.failure: Exception | None = None
        """What the function raised, or what it made."""
        self._call = call
        self._function = function
        self._value = value
        self._circuit = circuit
        self._iterator: Any = None
        self._begun = False
        self._size = 16
        self._error: Exception | None = None

    async def portions(self) -> AsyncGenerator[list[Any]]:
        """Hand on the parts, as many at a time as there are, and close what the function made."""
        try:
            while some := await self.take():
                yield some
        except Exception as error:
            self.failure = error
            raise
        finally:
            await self.close()

    async def take(self) -> list[Any]:
        """Return the next parts, none at the end; an outage before the first halts."""
        self.halted = self._circuit.halted and not self._begun
        try:
            some = await (self._more() if self._begun else self._circuit.run(self._first))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            text = f"{self._call}: {name(self._function)} raised CancelledError"
            raise RuntimeError(text) from None
        self._begun = True
        return some

    async def _first(self) -> list[Any]:
        try:
            return await self._begin()
        except OUTAGES:
            self.halted = True
            raise

    async def _begin(self) -> list[Any]:
        await self.close()
        parts = self._function(self._value)
        if is_awaitable(type(parts)):
            refuse_awaitable(self._call, self._function, parts)
        if isinstance(parts, AsyncIterable):
            self._iterator, self.slow = aiter(parts), True
        elif isinstance(parts, Iterable):
            self._iterator = iter(parts)
        else:
            raise TypeError(
                f"{self._call}: {name(self._function)} must return an iterable or async iterable, "
                f"got {shown(parts)}; use op.map, or op.map_async, for one value each"
            )
        return await self._more()

    async def _more(self) -> list[Any]:
        if self.slow:
            self.halted = False
            part = await anext(self._iterator, END)
            return [] if part is END else [part]
        if self._error is not None:
            raise self._error
        return self._slice()

    def _slice(self) -> list[Any]:
        """Take parts for a few milliseconds; an error comes after the parts before it."""
        some: list[Any] = []
        began, wanted = perf_counter(), 0
        try:
            # At least once, however late it is by now: none would mean that there are no more.
            while len(some) == wanted:
                wanted = min(PARTS, wanted + self._size)
                some.extend(islice(self._iterator, wanted - len(some)))
                if wanted == PARTS or perf_counter() - began >= WORK:
                    break
        except Exception as error:
            if not some or (isinstance(error, OUTAGES) and not self._begun):
                raise
            self._error = error
        slow = perf_counter() - began > WORK
        self._size = max(1, self._size // 4) if slow else min(PARTS, self._size * 2)
        return some

    async def close(self) -> None:
        """Close what the function made, unless it is a collection of the user's."""
        iterator, self._iterator = self._iterator, None
        if isinstance(iterator, AsyncIterator):
            await close(iterator)
        elif isinstance(iterator, Generator):
            iterator.close()


def flat_map(f: Callable[[A], Iterable[B] | AsyncIterable[B]]) -> Operator[A, B]:
    """Hand on every value that `f(value)` yields.

    Example:
        await (streams.of("to be", "or") | op.flat_map(str.split) | sinks.to_list())
        # ['to', 'be', 'or']

    Acks: splits: settled when the last part is, with the worst outcome; no parts at all is accepted.
    When `f` raises half way, the parts before go their way and the message fails with the error; an
    outage (ConnectionError, TimeoutError, Unavailable) halts and is tried again.
    Raises TypeError, where it is written, for a coroutine function.
    """
    check_function("op.flat_map(f)", f, instead="an async generator function, or op.map_async")
    return Operator(FlatMap(f))
