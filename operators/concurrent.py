"""map_async: several calls of an async function at a time."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from ackflow.operators.calls import AsyncFunction, Calls, ahead
from ackflow.operators.functions import name
from ackflow.operators.variables import A, B
from ackflow.streams.core import (
    CallTimeout,
    Context,
    Operator,
    Run,
    Stage,
    check_count,
    check_flag,
    check_seconds,
    shown,
)


class MapAsync(Stage):
    """Calls an async function with each value, several at a time."""

    name = "map_async"
    passes_failures = True

    def __init__(
        self, function: AsyncFunction, concurrency: int, ordered: bool, timeout: float | None
    ) -> None:
        self.function = function
        self.concurrency = concurrency
        self.ordered = ordered
        self.timeout = timeout
        self.holds = concurrency + ahead(concurrency)

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"f": self.function, "concurrency": self.concurrency}
        if not self.ordered:
            settings["ordered"] = False
        return settings if self.timeout is None else {**settings, "timeout": self.timeout}

    def places(self, before: int) -> int:
        return 0

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        plain = self.timeout is None and inspect.iscoroutinefunction(self.function)
        call: Any = self.function if plain else self._call
        return Calls(self, context, inputs[0], call).runs()

    def _call(self, value: Any) -> Coroutine[Any, Any, Any]:
        return within(self.function, value, self.timeout)


async def within(function: AsyncFunction, value: Any, timeout: float | None) -> Any:
    """Return what a call returns; raise CallTimeout when it takes longer than `timeout`."""
    awaitable = function(value)
    if not inspect.isawaitable(awaitable):
        raise TypeError(
            f"op.map_async(f): {name(function)} must return an awaitable, got {shown(awaitable)}; "
            "use op.map for an ordinary function"
        )
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            return await awaitable
    except TimeoutError as error:
        if not scope.expired():
            raise
        text = f"op.map_async(f): {name(function)} took longer than timeout={timeout} s"
        raise CallTimeout(text) from error


def map_async(
    f: Callable[[A], Awaitable[B]],
    concurrency: int = 8,
    ordered: bool = True,
    timeout: float | None = None,
) -> Operator[A, B]:
    """Replace each value by what the coroutine `f(value)` returns, several at a time.

    Example:
        urls | op.map_async(fetch, concurrency=32, ordered=False, timeout=10)

    Acks: passes. A value that `f` raises for, or takes longer than `timeout` seconds for, fails by
    itself; an outage (ConnectionError, TimeoutError, Unavailable) halts and is tried again.
    `concurrency`: calls under way at once, 1 and up; look-ahead is a sixteenth more. `ordered=False`
    hands on what is finished first.
    Raises ValueError or TypeError, where it is written, for settings that can't be meant.
    """
    if not callable(f):
        raise TypeError(
            f"op.map_async(f): must be an async function of one value, got {shown(f)}; "
            "give the function itself, not what it returns"
        )
    if inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f):
        raise TypeError(
            f"op.map_async(f): must be an async function, got the generator {name(f)}; "
            "use op.flat_map for several values of each"
        )
    check_count("op.map_async(concurrency)", concurrency, 1, "leave it out for 8")
    check_flag("op.map_async(ordered)", ordered)
    check_seconds("op.map_async(timeout)", timeout)
    return Operator(MapAsync(f, concurrency, ordered, timeout))
