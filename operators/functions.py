"""Calling a user's functions: checks, names, and calls over a whole run."""

import asyncio
import inspect
from collections.abc import Callable
from types import CoroutineType
from typing import Any

from ackflow.streams.core import Interrupted, Run


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
        raise TypeError(f"{call}: f must be a function of one value, got {function!r}")
    if inspect.iscoroutinefunction(function):
        raise TypeError(
            f"{call}: f must be an ordinary function, got the coroutine function {name(function)}; "
            f"use {instead}"
        )


def check_count(call: str, count: object, least: int) -> None:
    """Raise ValueError unless `count` is a whole number from `least` up."""
    if not isinstance(count, int) or isinstance(count, bool) or count < least:
        raise ValueError(f"{call}: must be a whole number from {least} up, got {count!r}")


def check_seconds(call: str, seconds: object) -> None:
    """Raise ValueError unless `seconds` is a number above 0, or None for no limit."""
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (number and seconds > 0):  # type: ignore[operator]
        raise ValueError(f"{call}: must be seconds above 0, or None for no limit, got {seconds!r}")


def name(function: object) -> str:
    """Return a function's own name."""
    return getattr(function, "__name__", repr(function))


def call_each(call: str, function: Callable[[Any], Any], run: Run[Any]) -> list[Any]:
    """Return what a function makes of each value; raise Interrupted where it fails."""
    results: list[Any] = []
    try:
        results.extend(map(function, run.values))
        if len(results) < len(run):
            raise RuntimeError(f"{call}: {name(function)} raised StopIteration")
        if CoroutineType in set(map(type, results)):
            raise _awaitable(call, function, results)
    except Exception as error:
        raise _stopped(error, run, results) from None
    except asyncio.CancelledError:
        cancelled = RuntimeError(f"{call}: {name(function)} raised CancelledError")
        raise _stopped(cancelled, run, results) from None
    return results


def _stopped(error: Exception, run: Run[Any], results: list[Any]) -> Interrupted:
    return Interrupted(error, Run(results, run.tokens[: len(results)]), len(results))


def _awaitable(call: str, function: object, results: list[Any]) -> TypeError:
    """Take back the results from the first coroutine on, and say what to use instead."""
    position = next(i for i, result in enumerate(results) if isinstance(result, CoroutineType))
    for result in results[position:]:
        if isinstance(result, CoroutineType):
            result.close()
    del results[position:]
    return TypeError(f"{call}: {name(function)} returned a coroutine; use op.map_async for it")
