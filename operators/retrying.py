"""retry: try a function, an operator or a sink again."""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, TypeVar, overload

from ackflow.operators.again import Retrying
from ackflow.operators.concurrent import MapAsync, within
from ackflow.operators.functions import name
from ackflow.operators.mapping import Map
from ackflow.operators.rewriting import RetryingSink
from ackflow.streams.core import Composable, Operator, Sink, Wait, as_sink, shown

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")


@overload
def retry(  # type: ignore[overload-overlap]  # sinks and operators are callables of streams
    step: Sink[A, R], attempts: Any = 5, wait: Wait | None = None, on: Any = Exception
) -> Sink[A, R]: ...
@overload
def retry(  # type: ignore[overload-overlap]
    step: Operator[A, B], attempts: Any = 5, wait: Wait | None = None, on: Any = Exception
) -> Operator[A, B]: ...
@overload
def retry(
    step: Callable[[A], Awaitable[B]],
    attempts: Any = 5,
    wait: Wait | None = None,
    on: Any = Exception,
) -> Callable[[A], Awaitable[B]]: ...
def retry(step: Any, attempts: Any = 5, wait: Wait | None = None, on: Any = Exception) -> Any:
    """Try again what failed: an async function, an operator that makes one value of one, or a sink.

    Example:
        op.map_async(op.retry(fetch, attempts=3))
        op.retry(op.map_async(fetch, concurrency=16), wait=tenacity.wait_exponential(max=10))
        op.retry(sinks.each(store), on=OSError)

    Only what failed is run again. Reject, Requeue, Skip and outages pass by: they are no failures of
    a kind that trying again mends.
    Acks: passes; the message stays unacked while it is tried, and fails with the last error.
    `attempts`: tries in all, 1 and up, or a tenacity stop; `wait`: a tenacity wait, by default
    exponential with jitter from 1 s to 60 s; `on`: exception types, or a tenacity retry.
    Raises TypeError, where it is written, for anything else than those three.
    """
    retrying = Retrying(attempts, wait, on)
    if not isinstance(step, Sink | type) and hasattr(step, "write"):
        step = as_sink(step)
    if isinstance(step, Sink):
        if hasattr(step, "write_messages") or type(step).writer is not Sink.writer:
            raise TypeError(
                f"op.retry(step): must be a sink that is written to as a whole, got {shown(step)}; "
                "use its own settings, or retry the sinks inside it"
            )
        return RetryingSink(step, retrying)
    if isinstance(step, Composable):
        return _retried_operator(step, retrying)
    if callable(step) and not inspect.isclass(step):
        return _retried_function(step, retrying)
    raise TypeError(
        "op.retry(step): must be an async function, op.map, op.map_async or a sink, "
        f"got {shown(step)}; wrap what fails by itself"
    )


def _retried_operator(step: Composable, retrying: Retrying) -> Operator[Any, Any]:
    (stage, *others) = step.stages
    if others or not isinstance(stage, Map | MapAsync):
        raise TypeError(
            f"op.retry(step): must be a single op.map or op.map_async, got {shown(step)}; "
            "wrap each of several by itself"
        )
    if isinstance(stage, Map):
        return Operator(MapAsync(_retried_function(stage.function, retrying), 1, True, None))
    limited = wraps(stage.function)(partial(within, stage.function, timeout=stage.timeout))
    function = _retried_function(limited, retrying)
    return Operator(MapAsync(function, stage.concurrency, stage.ordered, None))


def _retried_function(
    function: Callable[[Any], Any], retrying: Retrying
) -> Callable[[Any], Awaitable[Any]]:
    async def retried(value: Any) -> Any:
        async def once() -> Any:
            result = function(value)
            return await result if inspect.isawaitable(result) else result

        return await retrying.call(once)

    retried.__name__ = f"retry({name(function)})"
    return retried
