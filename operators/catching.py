"""catch: a value in the place of one that failed."""

from collections.abc import Callable
from typing import Any, TypeVar

from ackflow.operators.functions import check_function
from ackflow.streams.core import Context, Operator, Run, Step, Verdict, call_function, shown

A = TypeVar("A")

ExceptionTypes = type[Exception] | tuple[type[Exception], ...]


def check_types(call: str, on: object) -> None:
    """Raise TypeError unless `on` is an exception type or a tuple of them."""
    kinds = on if isinstance(on, tuple) else (on,)
    if not kinds:
        raise ValueError(
            f"{call}: must name at least one exception type, got (); leave it out for all of them"
        )
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(
                f"{call}: must be an exception type or a tuple of them, got {shown(kind)}; "
                "leave it out for Exception"
            )


class Catch(Step):
    """Takes messages that failed further up, and puts a value in their place."""

    name = "catch"
    catches = True

    def __init__(self, function: Callable[[Any], Any], on: ExceptionTypes) -> None:
        self.function = function
        self.on = on

    @property
    def settings(self) -> dict[str, Any]:
        return {"f": self.function, "on": self.on}

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        return lambda run: run

    def recover(self, error: Exception) -> Any:
        """Return a value in place of the failed one; raise `error` where it is none of its."""
        if isinstance(error, self.on) and not isinstance(error, Verdict):
            return call_function("op.catch(f)", self.function, error)
        raise error


def catch(f: Callable[[Exception], A], on: ExceptionTypes = Exception) -> Operator[A, A]:
    """Put `f(error)` in the place of a value that failed in an operator before.

    Example:
        await (streams.of("1", "x") | op.map(int) | op.catch(lambda error: 0) | sinks.to_list())
        # [1, 0]

    It reaches up to the nearest stage that joins, splits or counts (`chunk`, `take`, `flat_map`,
    `partition`, `debounce`, …). Order is kept.
    Acks: passes. An error `f` raises fails the message; Reject, Requeue and Skip pass by.
    `on`: an exception type, or a tuple of them.
    Raises TypeError, where it is written, for settings that can't be meant.
    """
    check_function("op.catch(f)", f, instead="an ordinary function")
    check_types("op.catch(on)", on)
    return Operator(Catch(f, on))
