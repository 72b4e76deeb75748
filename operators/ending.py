"""take_while and take_until: streams that end with a value."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from time import perf_counter
from typing import Any, overload

from ackflow.operators.functions import FAILED, Calling, OfFunction, check_function, name
from ackflow.operators.variables import A
from ackflow.streams.core import (
    GIVEN_BACK,
    Context,
    Operator,
    Run,
    Same,
    Stage,
    Token,
    close,
    is_awaitable,
    settle,
)

WORK = 0.005
"""Seconds of a function's work after which what it let through is handed on."""


class Prefix(OfFunction, Stage):
    """Hands on values until a function recognizes the last one, or the first one too many."""

    def __init__(self, name: str, function: Callable[[Any], Any], inclusive: bool) -> None:
        """`inclusive`: the first yes is the last value; otherwise the first no is one too many."""
        super().__init__(function)
        self.name = name  # type: ignore[misc]
        self.inclusive = inclusive

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        call = Calling(f"op.{self.name}(f)", _answering(self.function), context)
        try:
            async for run in upstream:
                rest = run
                while rest.values:
                    kept, rest, ended = await self._advance(rest, call)
                    if ended:
                        await close(upstream)
                        settle(rest.tokens, GIVEN_BACK)
                    if kept.values:
                        yield kept
                    if ended:
                        return
        finally:
            await close(upstream)

    async def _advance(self, run: Run[Any], call: Calling) -> tuple[Run[Any], Run[Any], bool]:
        """Return what to hand on after some milliseconds, the rest, and whether that lies beyond."""
        kept: list[Any] = []
        tokens: list[Token] = []
        began = perf_counter()
        for position, (value, token) in enumerate(zip(run.values, run.tokens, strict=True)):
            answer = await call(value, token)
            ended = answer is self.inclusive
            if answer is not FAILED and (self.inclusive or not ended):
                kept.append(value)
                tokens.append(token)
            if ended:
                return Run(kept, tokens), run.part(position + self.inclusive), True
            if perf_counter() - began > WORK:
                await asyncio.sleep(0)
                return Run(kept, tokens), run.part(position + 1), False
        return Run(kept, tokens), Run([], []), False


def _answering(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the function with True and False as its answers, or awaitables, which are none."""

    def answer(value: Any) -> Any:
        found = function(value)
        return found if is_awaitable(type(found)) else bool(found)

    answer.__name__ = name(function)
    return answer


@overload
def take_while(  # pyright: ignore[reportOverlappingOverload]  # what takes any value comes first
    f: Callable[[object], object],
) -> Same: ...
@overload
def take_while(f: Callable[[A], object]) -> Operator[A, A]: ...
def take_while(f: Callable[[Any], object]) -> Same | Operator[Any, Any]:
    """Hand on values for as long as `f(value)` is true, then end the stream.

    Example:
        await (streams.of(1, 2, 9, 1) | op.take_while(lambda n: n < 5) | sinks.to_list())   # [1, 2]

    `f` is called value by value, and never for one beyond the end. The same as itertools.takewhile,
    aiostream's `takewhile` and fs2's `takeWhile`.
    Acks: gives back the first value for which `f` is not true and all that lies beyond, untouched. A
    value that `f` raises for fails by itself and ends nothing; an outage halts and is tried again.
    Raises TypeError, where it is written, for a coroutine function.
    """
    return _prefix("take_while", f, inclusive=False)


@overload
def take_until(  # pyright: ignore[reportOverlappingOverload]  # what takes any value comes first
    f: Callable[[object], object],
) -> Same: ...
@overload
def take_until(f: Callable[[A], object]) -> Operator[A, A]: ...
def take_until(f: Callable[[Any], object]) -> Same | Operator[Any, Any]:
    """Hand on values up to the first for which `f(value)` is true, and that one too; then end.

    Example:
        await (streams.of(1, 2, 0, 3) | op.take_until(lambda n: n == 0) | sinks.to_list())
        # [1, 2, 0]

    `f` is called value by value, and never for one beyond the end. The same as aiostream's `until` and
    fs2's `takeThrough` with the opposite question.
    Acks: gives back what lies beyond, untouched. A value that `f` raises for fails by itself and ends
    nothing; an outage halts and is tried again.
    Raises TypeError, where it is written, for a coroutine function.
    """
    return _prefix("take_until", f, inclusive=True)


def _prefix(name: str, f: Callable[[Any], object], *, inclusive: bool) -> Operator[Any, Any]:
    check_function(f"op.{name}(f)", f, instead="op.map_async(f), and one of these on its result")
    return Operator(Prefix(name, f, inclusive))
