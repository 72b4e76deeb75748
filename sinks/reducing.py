"""Sinks whose result is a value of the stream, or made of values alone: reduce, last."""

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from ackflow.sinks.collecting import MISSING, Fold, Folding
from ackflow.streams.core import Pipeline, Sink, Stream, Summary, function_name, shown

A = TypeVar("A")
D = TypeVar("D")


class Reducing(Folding[Any, Any]):
    """Folds the values one by one, from the first on."""

    name = "reduce"

    def __init__(self, function: Callable[[Any, Any], Any], default: Any) -> None:
        super().__init__(_from_the_first(function), MISSING)
        self.default = default

    def result(self, summary: Summary) -> Any:
        return _found("sinks.reduce(f)", super().result(summary), self.default)


def _from_the_first(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the function, with the first value as what it makes of nothing and that value."""

    def combine(total: Any, value: Any) -> Any:
        return value if total is MISSING else function(total, value)

    combine.__name__ = function_name(function)
    return combine


def _found(call: str, value: Any, default: Any) -> Any:
    """Return the value, or the default where there was none; raise LookupError without either."""
    if value is MISSING and default is MISSING:
        raise LookupError(f"{call}: the stream was empty, and no default was given")
    return default if value is MISSING else value


@overload
def reduce(f: Callable[[A, A], A]) -> Sink[A, A]: ...
@overload
def reduce(f: Callable[[A, A], A], default: D) -> Sink[A, A | D]: ...
def reduce(f: Callable[[Any, Any], Any], default: Any = MISSING) -> Sink[Any, Any]:
    """Combine the values, from the first one on, by `f(result so far, value)`.

    Example:
        await (streams.of(3, 9, 4) | sinks.reduce(max))     # 9

    The same as functools.reduce without an initial value; `fold` has one.
    Acks: a value is accepted when it is in the result; one that `f` raises for fails by itself, and the
    result stays as it was.
    Raises TypeError, where it is written, when `f` can't be called, and LookupError at the end when no
    value was accepted and no `default` was given.
    """
    if not callable(f):
        raise TypeError(
            f"sinks.reduce(f): must be a function of two values, got {shown(f)}; "
            "give the function itself, not what it returns"
        )
    if inspect.iscoroutinefunction(f):
        raise TypeError(
            f"sinks.reduce(f): must be an ordinary function, got the coroutine function {shown(f)}; "
            "use op.map_async(f) before, or sinks.each(f)"
        )
    return Reducing(f, default)


class Last(Fold):
    """Keeps the value that came last."""

    def __init__(self, default: Any) -> None:
        super().__init__("last", lambda: MISSING, lambda state, items: items[-1])
        self.default = default

    def result(self, summary: Summary) -> Any:
        return _found("sinks.last()", super().result(summary), self.default)

    def __call__(self, stream: Stream[A]) -> Pipeline[A]:
        return super().__call__(stream)


class LastOr(Last, Generic[D]):
    """Keeps the value that came last, or a default where there is none."""

    def __call__(self, stream: Stream[A]) -> Pipeline[A | D]:  # type: ignore[override]
        return super().__call__(stream)


@overload
def last() -> Last: ...
@overload
def last(default: D) -> LastOr[D]: ...
def last(default: Any = MISSING) -> Last:
    """Return the last value.

    Example:
        await (streams.of("a", "b") | sinks.last())     # 'b'

    That is the one accepted last: a value that failed and came again counts when it came again.
    Acks: every value is accepted; those before the last are gone.
    Raises LookupError at the end when there was no value and no `default` was given.
    """
    return LastOr(default)
