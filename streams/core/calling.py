"""Calling a user's function: what it may not answer with, and what it may not raise."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn

from ackflow.streams.core.errors import shown
from ackflow.streams.core.pipeline import Pipeline
from ackflow.streams.core.stream import Stream

DESCRIPTIONS = (Stream, Pipeline)
"""Ours can be awaited, or say how, and are values like others."""

ORDINARY = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict, set})
"""Types that are surely no awaitables, as nearly all answers are: to look is what takes time."""


def function_name(function: object) -> str:
    """Return a function's own name."""
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else shown(function)


def call_function(text: str, function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function answers; raise RuntimeError or TypeError for what would pass for more.

    A StopIteration would end the iterator that calls, a CancelledError the run, and an awaitable would
    go on as a value that nobody awaits.
    """
    try:
        answer = function(*args)
    except (StopIteration, asyncio.CancelledError) as error:
        raise RuntimeError(
            f"{text}: {function_name(function)} raised {type(error).__name__}"
        ) from error
    if type(answer) not in ORDINARY and is_awaitable(type(answer)):
        refuse_awaitable(text, function, answer)
    return answer


def is_awaitable(kind: type) -> bool:
    """Say whether values of a type are awaitables, and no descriptions of streams or pipelines."""
    return hasattr(kind, "__await__") and not issubclass(kind, DESCRIPTIONS)


def refuse_awaitable(text: str, function: object, answer: object) -> NoReturn:
    """Raise TypeError for an awaitable that an ordinary function answered with."""
    close_coroutines([answer])
    what = (
        "a coroutine" if isinstance(answer, Coroutine) else f"an awaitable {type(answer).__name__}"
    )
    raise TypeError(f"{text}: {function_name(function)} returned {what}; use op.map_async for it")


def close_coroutines(answers: Iterable[object]) -> None:
    """Close the coroutines among answers that nobody will await."""
    for answer in answers:
        if isinstance(answer, Coroutine):
            answer.close()
