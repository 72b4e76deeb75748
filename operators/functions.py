"""Calling a user's functions: checks, names, and calls over a whole run."""

import inspect
from collections.abc import Callable
from types import CoroutineType
from typing import Any

from ackflow.streams.core import Interrupted, Run


def check_function(call: str, function: object, *, instead: str) -> None:
    """Raise TypeError for what can't be called, or is a coroutine function."""
    if not callable(function):
        raise TypeError(f"{call}: f must be a function, got {function!r}")
    if inspect.iscoroutinefunction(function):
        raise TypeError(
            f"{call}: f must be an ordinary function, got the coroutine function {name(function)}; "
            f"use {instead}"
        )


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
        done = Run(results, run.tokens[: len(results)])
        raise Interrupted(error, done, len(results)) from None
    return results


def _awaitable(call: str, function: object, results: list[Any]) -> TypeError:
    """Take back the results from the first coroutine on, and say what to use instead."""
    position = next(i for i, result in enumerate(results) if isinstance(result, CoroutineType))
    for result in results[position:]:
        if isinstance(result, CoroutineType):
            result.close()
    del results[position:]
    return TypeError(f"{call}: {name(function)} returned a coroutine; use op.map_async for it")
