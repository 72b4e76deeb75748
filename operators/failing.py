"""catch and retry: what to do about failures before the source's policy does."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar, overload

from ackflow.operators.concurrent import MapAsync
from ackflow.operators.functions import check_function, name
from ackflow.operators.mapping import Map
from ackflow.operators.selecting import check_count
from ackflow.streams.core import (
    OUTAGES,
    Composable,
    Context,
    Operator,
    RetryState,
    Run,
    Sink,
    Step,
    Verdict,
    Wait,
    exponential,
)

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")

ExceptionTypes = type[Exception] | tuple[type[Exception], ...]


def check_types(call: str, on: object) -> None:
    """Raise TypeError unless `on` is an exception type or a tuple of them."""
    kinds = on if isinstance(on, tuple) else (on,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(f"{call}: must be an exception type or a tuple of them, got {kind!r}")


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
            return self.function(error)
        raise error


def catch(f: Callable[[Exception], A], on: ExceptionTypes = Exception) -> Operator[A, A]:
    """Put `f(error)` in the place of a value that failed in an operator before.

    Example:
        await (streams.of("1", "x") | op.map(int) | op.catch(lambda error: 0) | sinks.to_list())
        # [1, 0]

    It reaches up to the nearest `chunk`, `take`, `skip` or `flat_map`. Order is kept.
    Acks: passes. An error `f` raises fails the message; Reject, Requeue and Skip pass by.
    `on`: an exception type, or a tuple of them.
    Raises TypeError, where it is written, for settings that can't be meant.
    """
    check_function("op.catch(f)", f, instead="an ordinary function")
    check_types("op.catch(on)", on)
    return Operator(Catch(f, on))


class Retrying:
    """How to try again: how often, with which waits, after which errors."""

    def __init__(self, attempts: Any, wait: Wait | None, on: Any) -> None:
        self._stop = attempts if callable(attempts) else None
        if self._stop is None:
            check_count("op.retry(attempts)", attempts, 1)
        if wait is not None and not callable(wait):
            raise TypeError(f"op.retry(wait): must be a tenacity wait, got {wait!r}")
        if not callable(on) or isinstance(on, type):
            check_types("op.retry(on)", on)
        self._attempts = attempts
        self.wait = wait or exponential()
        self._on = on

    async def call(self, function: Callable[[], Awaitable[R]]) -> R:
        """Return what the function returns, trying again as told; raise its last error."""
        began = asyncio.get_running_loop().time()
        number = 0
        while True:
            number += 1
            try:
                return await function()
            except Exception as error:
                if isinstance(error, (Verdict, *OUTAGES)):
                    raise
                waited = asyncio.get_running_loop().time() - began
                state = RetryState(number, _Failed(error), waited)
                if not self.again(error, state):
                    raise
                await asyncio.sleep(self.wait(state))

    def again(self, error: Exception, state: RetryState) -> bool:
        """Say whether to try again after an error."""
        if self._stop is not None:
            ended = bool(self._stop(state))
        else:
            ended = state.attempt_number >= self._attempts
        if isinstance(self._on, type | tuple):
            return not ended and isinstance(error, self._on)
        return not ended and bool(self._on(state))


class _Failed:
    """An outcome as tenacity's retry objects read it."""

    failed = True

    def __init__(self, error: Exception) -> None:
        self._error = error

    def exception(self) -> Exception:
        return self._error


class RetryingSink(Sink[Any, Any]):
    """A sink whose failed elements are written again."""

    def __init__(self, sink: Sink[Any, Any], retrying: Retrying) -> None:
        self.sink = sink
        self.retrying = retrying
        self.name = f"retry({sink.name})"  # type: ignore[misc]
        self.chunks = sink.chunks  # type: ignore[misc]
        self.concurrency, self.max_items = sink.concurrency, sink.max_items
        self.idempotent = sink.idempotent

    async def open(self) -> None:
        await self.sink.open()

    async def close(self) -> None:
        await self.sink.close()

    def result(self, summary: Any) -> Any:
        return self.sink.result(summary)

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        """Write; write again what failed, and only that."""
        chunk = self.chunks and len(items) == 1
        values: list[Any] = list(items[0]) if chunk else list(items)
        result: list[Exception | None] = [None] * len(values)
        places, number = list(range(len(values))), 0
        while places:
            number += 1
            pending = [values[place] for place in places]
            answer = await self.retrying.call(partial(self._once, pending, chunk))
            for place, error in zip(places, answer, strict=True):
                result[place] = error
            places = [place for place in places if self._again(result[place], number)]
            if places:
                await asyncio.sleep(self.retrying.wait(RetryState(number)))
        return result

    def _again(self, error: Exception | None, number: int) -> bool:
        if error is None or isinstance(error, Verdict):
            return False
        return self.retrying.again(error, RetryState(number, _Failed(error)))

    async def _once(self, pending: list[Any], chunk: bool) -> Sequence[Exception | None]:
        answer = await self.sink.write([pending] if chunk else pending)
        if answer is None:
            return [None] * len(pending)
        return list(answer) * len(pending) if len(answer) == 1 else answer


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
    if isinstance(step, Sink):
        if hasattr(step, "write_messages"):
            raise TypeError(
                f"op.retry(step): {step!r} tries again by itself; give it its own settings"
            )
        return RetryingSink(step, retrying)
    if isinstance(step, Composable):
        return _retried_operator(step, retrying)
    if callable(step) and not inspect.isclass(step):
        return _retried_function(step, retrying)
    raise TypeError(
        "op.retry(step): step must be an async function, op.map, op.map_async or a sink, "
        f"got {step!r}"
    )


def _retried_operator(step: Composable, retrying: Retrying) -> Operator[Any, Any]:
    (stage, *others) = step.stages
    if others or not isinstance(stage, Map | MapAsync):
        raise TypeError(
            f"op.retry(step): step must be a single op.map or op.map_async, got {step!r}; "
            "wrap each of several by itself"
        )
    function = _retried_function(stage.function, retrying)
    if isinstance(stage, Map):
        return Operator(MapAsync(function, 1, True, None))
    return Operator(MapAsync(function, stage.concurrency, stage.ordered, stage.timeout))


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
