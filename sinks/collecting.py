"""Sinks whose result is made of the values: to_list, first, count, fold."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar, overload

from ackflow.streams.core import (
    ACCEPTED,
    GIVEN_BACK,
    Pipeline,
    Run,
    Session,
    Sink,
    Stream,
    Summary,
    call_function,
    settle,
    shown,
)

A = TypeVar("A")
D = TypeVar("D")
R = TypeVar("R")

MANY = 10_000
"""Elements that a sink in memory takes at a time."""

MISSING: Final[Any] = object()


class Fold(Sink[Any, Any]):
    """Folds the values into one result; starts anew in every run."""

    max_items = MANY

    def __init__(
        self, name: str, start: Callable[[], Any], step: Callable[[Any, Sequence[Any]], Any]
    ) -> None:
        self.name = name  # type: ignore[misc]
        self._start = start
        self._step = step
        self._state: Any = None

    async def open(self) -> None:
        self._state = self._start()

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        self._state = self._step(self._state, items)
        return None

    def result(self, summary: Summary) -> Any:
        return self._state

    @property
    def holds(self) -> int:
        return 1


def to_list() -> "ToList":
    """Collect the values into a list.

    Example:
        await (streams.of(1, 2) | sinks.to_list())      # [1, 2]

    Acks: every value is accepted when it is in the list.
    """
    return ToList()


def _extended(values: list[Any], items: Sequence[Any]) -> list[Any]:
    values += items
    return values


class ToList(Fold):
    """Collects values; `values` is the list of the run that began last."""

    def __init__(self) -> None:
        super().__init__("to_list", list, _extended)
        self._latest: list[list[Any]] = [[]]
        """Shared by the copies that runs make."""

    @property
    def values(self) -> list[Any]:
        return self._latest[0]

    async def open(self) -> None:
        await super().open()
        self._latest[0] = self._state

    def result(self, summary: Summary) -> list[Any]:
        return list(self._state)

    def __call__(self, stream: Stream[A]) -> Pipeline[list[A]]:
        return super().__call__(stream)


def count() -> Sink[object, int]:
    """Count the values.

    Example:
        await (streams.of("a", "b") | sinks.count())     # 2

    Acks: every value is accepted when it is counted.
    """
    return Fold("count", int, lambda state, items: state + len(items))


class Folding(Sink[Any, Any], Generic[A, R]):
    """Folds values one by one, so that a failing one fails alone."""

    name = "fold"
    max_items = MANY

    def __init__(self, function: Callable[[R, A], R], initial: R) -> None:
        self.function = function
        self.initial = initial
        self._state = initial

    async def open(self) -> None:
        self._state = self.initial

    async def write(self, items: Sequence[A]) -> Sequence[Exception | None] | None:
        call = f"sinks.{self.name}(f)"
        failures: dict[int, Exception] = {}
        for at, item in enumerate(items):
            try:
                self._state = call_function(call, self.function, self._state, item)
            except Exception as error:
                failures[at] = error
        return list(map(failures.get, range(len(items)))) if failures else None

    def result(self, summary: Summary) -> R:
        return self._state

    @property
    def holds(self) -> int:
        return 1


def fold(f: Callable[[R, A], R], initial: R) -> Sink[A, R]:
    """Combine the values, from `initial` on, by `f(result so far, value)`.

    Example:
        await (streams.of(1, 2, 3) | sinks.fold(lambda total, n: total + n, 0))     # 6

    Acks: a value is accepted when it is in the result; one that `f` raises for fails by itself.
    Raises TypeError, where it is written, when `f` can't be called.
    """
    if not callable(f):
        raise TypeError(
            f"sinks.fold(f): must be a function of two values, got {shown(f)}; "
            "give the function itself, not what it returns"
        )
    if inspect.iscoroutinefunction(f):
        raise TypeError(
            f"sinks.fold(f): must be an ordinary function, got the coroutine function {shown(f)}; "
            "use op.map_async(f) before, or sinks.each(f)"
        )
    return Folding(f, initial)


class First(Sink[Any, Any]):
    """Takes the first value and ends the stream."""

    name = "first"

    def __init__(self, default: Any) -> None:
        self.default = default

    def writer(self, session: Session, places: int) -> Any:
        return FirstWriter(session, self.default)

    def __call__(self, stream: Stream[A]) -> Pipeline[A]:
        return super().__call__(stream)


class FirstOr(First, Generic[D]):
    """Takes the first value, or a default where there is none."""

    def __call__(self, stream: Stream[A]) -> Pipeline[A | D]:  # type: ignore[override]
        return super().__call__(stream)


class FirstWriter:
    """Accepts one value, stops the sources, and gives back the rest."""

    def __init__(self, session: Session, default: Any) -> None:
        self._session = session
        self._value = default

    async def open(self) -> None:
        """Nothing to get ready."""

    async def put(self, run: Run[Any]) -> None:
        """Take the first value that did not fail."""
        if run.error is not None:
            self._session.failed(run, "first")
            return
        taken = 0
        if not self._session.stopping:
            self._value, taken = run.values[0], 1
            self._session.stop()
        settle(run.tokens[:taken], ACCEPTED)
        settle(run.tokens[taken:], GIVEN_BACK)

    async def finish(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing to let go of."""

    def result(self) -> Any:
        """Return the value; raise LookupError where there was none."""
        if self._value is MISSING:
            raise LookupError("sinks.first(): the stream was empty, and no default was given")
        return self._value


@overload
def first() -> First: ...
@overload
def first(default: D) -> FirstOr[D]: ...
def first(default: Any = MISSING) -> First:
    """Return the first value and end the stream.

    Example:
        await (streams.of("a", "b") | sinks.first())     # 'a'

    Acks: accepts that value, and gives back what lies beyond, untouched.
    Raises LookupError when the stream is empty and no `default` was given.
    """
    return FirstOr(default)
