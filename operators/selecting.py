"""Operators that let some values through and not others."""

from collections.abc import Callable
from typing import Any, overload

from ackflow.operators.functions import OfFunction, call_each, call_each_of, check_function
from ackflow.operators.variables import A
from ackflow.streams.core import (
    SKIPPED,
    Context,
    Interrupted,
    Operator,
    Run,
    Same,
    Slice,
    Step,
    check_count,
    settle,
    unselected,
)

CALL = "op.filter(f)"


class Filter(OfFunction, Step):
    """Drops values for which a function says no."""

    name = "filter"

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        def apply(run: Run[Any]) -> Run[Any]:
            stop: Interrupted | None = None
            kinds: set[type] = set()
            try:
                answers, kinds = call_each_of(CALL, self.function, run)
            except Interrupted as interrupted:
                stop, answers = interrupted, interrupted.done.values
            mask = answers
            if kinds != {bool}:
                try:
                    mask = call_each(CALL, bool, Run(answers, run.tokens[: len(answers)]))
                except Interrupted as interrupted:
                    stop, mask = interrupted, interrupted.done.values
            if stop is None:
                return self._select(run, mask)
            done = self._select(run.part(0, stop.position), mask)
            raise Interrupted(stop.error, done, stop.position)

        return apply

    def _select(self, run: Run[Any], mask: list[bool]) -> Run[Any]:
        if False not in mask:
            return run
        settle(unselected(run.tokens, mask), SKIPPED)
        return run.select(mask)


@overload
def filter(  # pyright: ignore[reportOverlappingOverload]  # what takes any value comes first
    f: Callable[[object], object],
) -> Same: ...
@overload
def filter(f: Callable[[A], object]) -> Operator[A, A]: ...
def filter(f: Callable[[Any], object]) -> Same | Operator[Any, Any]:
    """Keep the values for which `f(value)` is true.

    Example:
        await (streams.of(1, 2, 3) | op.filter(lambda n: n % 2) | sinks.to_list())    # [1, 3]

    Acks: settles what it drops as skipped, which acks it. A value that `f` raises for fails.
    Raises TypeError, where it is written, for a coroutine function.
    """
    check_function(CALL, f, instead="op.map_async(f) and a filter on its result")
    return Operator(Filter(f))


def take(n: int) -> Same:
    """Hand on the first `n` values and end the stream.

    Example:
        await (streams.of("a", "b", "c") | op.take(2) | sinks.to_list())     # ['a', 'b']

    Acks: gives back what lies beyond, untouched.
    Raises ValueError, where it is written, unless `n` is a whole number from 0 up.
    """
    check_count(
        "op.take(n)", n, 0, "the end of a stream is known to sinks only, such as sinks.last()"
    )
    return Same(Slice("take", 0, n))


def skip(n: int) -> Same:
    """Drop the first `n` values.

    Example:
        await (streams.of("header", "row") | op.skip(1) | sinks.to_list())    # ['row']

    Acks: settles what it drops as skipped.
    Raises ValueError, where it is written, unless `n` is a whole number from 0 up.
    """
    check_count(
        "op.skip(n)", n, 0, "the end of a stream is known to sinks only, such as sinks.last()"
    )
    return Same(Slice("skip", n, None))
