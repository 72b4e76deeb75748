"""scan and enumerate: what is handed on for a value hangs on those before it."""

import builtins
from collections.abc import Callable
from typing import Any

from ackflow.operators.functions import call_each, check_function, name
from ackflow.operators.variables import A, B
from ackflow.streams.core import (
    Context,
    Enumerating,
    Operator,
    Run,
    Step,
    is_awaitable,
    refuse_awaitable,
    shown,
)

CALL = "op.scan(f)"


class Scan(Step):
    """Hands on the state that a function makes of the one before and of each value."""

    name = "scan"

    def __init__(self, function: Callable[[Any, Any], Any], initial: Any) -> None:
        self.function = function
        self.initial = initial

    @property
    def settings(self) -> dict[str, Any]:
        return {"f": self.function, "initial": self.initial}

    def places(self, before: int) -> int:
        return 0

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        function, state = self.function, self.initial

        def advance(value: Any) -> Any:
            nonlocal state
            state = _checked(function, function(state, value))
            return state

        def apply(run: Run[Any]) -> Run[Any]:
            return Run(call_each(CALL, advance, run), run.tokens)

        advance.__name__ = name(function)
        return apply


def _checked(function: object, state: Any) -> Any:
    """Return a state; raise TypeError for an awaitable, before it becomes the next call's state."""
    if is_awaitable(type(state)):
        refuse_awaitable(CALL, function, state)
    return state


def scan(f: Callable[[B, A], B], initial: B) -> Operator[A, B]:
    """Hand on `f(state, value)` for each value, which is the state for the next one.

        in    1---2---3-|
        out   1---3---6-|        scan(operator.add, 0)

    Example:
        await (streams.of(1, 2, 3) | op.scan(lambda total, n: total + n, 0) | sinks.to_list())
        # [1, 3, 6]

    The first state handed on is the first value's: `initial` itself is not. itertools.accumulate with
    `initial=`, aiostream's `accumulate` with one and fs2's `scan` hand it on; fs2's `scan1` begins with
    the first value. `initial` is not copied: where states change in place, all runs change the same one.
    Acks: passes. When `f` raises, the value fails by itself and the state stays as it was. What comes
    again, after a failure further down or over a new connection, goes through `f` again.
    Raises TypeError, where it is written, for a coroutine function.
    """
    if not callable(f):
        raise TypeError(
            f"{CALL}: must be a function of a state and a value, got {shown(f)}; "
            "give the function itself, not what it returns"
        )
    check_function(CALL, f, instead="op.map_async(f) before or after it, which have no state")
    return Operator(Scan(f, initial))


class Enumerate(Step):
    """Puts a number before each value."""

    name = "enumerate"

    def __init__(self, start: int) -> None:
        self.start = start

    @property
    def settings(self) -> dict[str, Any]:
        return {"start": self.start}

    def places(self, before: int) -> int:
        return 0

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        following = self.start

        def apply(run: Run[Any]) -> Run[Any]:
            nonlocal following
            first, following = following, following + len(run)
            return Run(list(builtins.enumerate(run.values, first)), run.tokens)

        return apply


def enumerate(start: int = 0) -> Enumerating:
    """Put the number of each value before it, counted from `start` on.

    Example:
        await (streams.of("a", "b") | op.enumerate() | sinks.to_list())     # [(0, 'a'), (1, 'b')]

    Values that failed before have no number. What comes again gets a new one: these are numbers of
    this run of the pipeline, and no names of messages.
    Acks: passes. After `chunk` the pair of number and list is one unit.
    `start`: a whole number.
    Raises ValueError, where it is written, for a `start` that is none.
    """
    if not isinstance(start, int) or isinstance(start, bool):
        raise ValueError(
            f"op.enumerate(start): must be a whole number, got {shown(start)}; leave it out for 0"
        )
    return Enumerating(Enumerate(start))
