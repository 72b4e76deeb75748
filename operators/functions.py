"""Calling a user's functions: checks, names, and calls over a whole run."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Final, NoReturn

from ackflow.streams.core import (
    NOBODY,
    OUTAGES,
    Context,
    Interrupted,
    Run,
    Token,
    close_coroutines,
    function_name,
    is_awaitable,
    refuse_awaitable,
    shown,
)

FAILED: Final[Any] = object()
"""Stands for the answer of a function that failed; its message is settled."""
name = function_name


class OfFunction:
    """The settings of a stage that is given one function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    @property
    def settings(self) -> dict[str, Any]:
        """The function, under the name it has in the operator's signature."""
        return {"f": self.function}


def check_function(call: str, function: object, *, instead: str) -> None:
    """Raise TypeError for what can't be called, or is a coroutine function."""
    if not callable(function):
        raise TypeError(
            f"{call}: must be a function of one value, got {shown(function)}; "
            "give the function itself, not what it returns"
        )
    if inspect.iscoroutinefunction(function):
        raise TypeError(
            f"{call}: must be an ordinary function, got the coroutine function {name(function)}; "
            f"use {instead}"
        )


class Calling:
    """Calls a user's function for one value at a time, where a whole run would be too far ahead.

    What it raises is that message's own; an outage halts and is tried again.
    """

    def __init__(self, call: str, function: Callable[[Any], Any], context: Context) -> None:
        self._call = call
        self._function = function
        self._context = context
        self._circuit = context.circuit()

    async def __call__(self, value: Any, token: Token) -> Any:
        """Return the function's answer, or FAILED when the message was settled as failed."""
        try:
            try:
                return self._now(value)
            except OUTAGES:
                return await self._circuit.run(self._later, value)
        except Exception as error:
            self._context.failed(Run([value], [token], error))
            return FAILED

    async def _later(self, value: Any) -> Any:
        return self._now(value)

    def _now(self, value: Any) -> Any:
        try:
            return call_each(self._call, self._function, Run([value], [(NOBODY, 0)]))[0]
        except Interrupted as stop:
            raise stop.error from None


def call_each(call: str, function: Callable[[Any], Any], run: Run[Any]) -> list[Any]:
    """Return what a function makes of each value; raise Interrupted where it fails."""
    return call_each_of(call, function, run)[0]


def call_each_of(
    call: str, function: Callable[[Any], Any], run: Run[Any]
) -> tuple[list[Any], set[type]]:
    """Return what a function makes of each value, and the types that are among it."""
    results: list[Any] = []
    try:
        results.extend(map(function, run.values))
        if len(results) < len(run):
            raise RuntimeError(f"{call}: {name(function)} raised StopIteration")
        kinds = set(map(type, results))
        if any(map(is_awaitable, kinds)):
            _refuse(call, function, results)
    except Exception as error:
        raise _stopped(error, run, results) from None
    except asyncio.CancelledError:
        cancelled = RuntimeError(f"{call}: {name(function)} raised CancelledError")
        raise _stopped(cancelled, run, results) from None
    return results, kinds


def _stopped(error: Exception, run: Run[Any], results: list[Any]) -> Interrupted:
    return Interrupted(error, Run(results, run.tokens[: len(results)]), len(results))


def _refuse(call: str, function: object, results: list[Any]) -> NoReturn:
    """Take back the results from the first awaitable on, and say what to use instead."""
    position = next(i for i, result in enumerate(results) if is_awaitable(type(result)))
    beyond = results[position:]
    del results[position:]
    close_coroutines(beyond)
    refuse_awaitable(call, function, beyond[0])
