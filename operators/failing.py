"""catch and retry: what to do about failures before the source's policy does."""

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from typing import Any, TypeVar, overload

from ackflow.operators.concurrent import MapAsync, within
from ackflow.operators.functions import check_count, check_function, name
from ackflow.operators.mapping import Map
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
    as_sink,
    exponential,
)

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")

ExceptionTypes = type[Exception] | tuple[type[Exception], ...]


def check_types(call: str, on: object) -> None:
    """Raise TypeError unless `on` is an exception type or a tuple of them."""
    kinds = on if isinstance(on, tuple) else (on,)
    if not kinds:
        raise ValueError(f"{call}: must name at least one exception type, got ()")
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(f"{call}: must be an exception type or a tuple of them, got {kind!r}")


def check_wait(call: str, wait: object) -> None:
    """Raise TypeError unless `wait` is None or can be asked for seconds."""
    if wait is not None and (not callable(wait) or isinstance(wait, type)):
        raise TypeError(
            f"{call}: must be a function of the retry state, such as tenacity.wait_fixed(1), "
            f"got {wait!r}"
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
        if not callable(attempts):
            check_count("op.retry(attempts)", attempts, 1)
        check_wait("op.retry(wait)", wait)
        if not callable(on) or isinstance(on, type):
            check_types("op.retry(on)", on)
        self._stop: Callable[[RetryState], object] = (
            attempts if callable(attempts) else lambda state: state.attempt_number >= attempts
        )
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
        ended = bool(self._stop(state))
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

    def __copy__(self) -> "RetryingSink":
        return RetryingSink(copy.copy(self.sink), self.retrying)

    async def open(self) -> None:
        await self.sink.open()

    async def close(self) -> None:
        await self.sink.close()

    def result(self, summary: Any) -> Any:
        return self.sink.result(summary)

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        """Write; write again what failed, and only that."""
        work = _Rewriting(self.sink, items)
        began = asyncio.get_running_loop().time()
        number = 0
        while True:
            number += 1
            await work.write()
            waited = asyncio.get_running_loop().time() - began
            if not work.keep(lambda error: self._again(error, number, waited)):  # noqa: B023
                return work.answer
            await asyncio.sleep(self.retrying.wait(RetryState(number)))

    def _again(self, error: Exception, number: int, waited: float) -> bool:
        if isinstance(error, (Verdict, *OUTAGES)):
            return False
        return self.retrying.again(error, RetryState(number, _Failed(error), waited))


class _Rewriting:
    """What one write to a sink consists of, and what of it is still to be written."""

    def __init__(self, sink: Sink[Any, Any], items: Sequence[Any]) -> None:
        self._sink = sink
        self._items = list(items)
        self._chunk = False
        self._places = list(range(len(items)))
        self._answer: list[Exception | None] = [None] * len(items)
        self._raised: Exception | None = None

    @property
    def answer(self) -> list[Exception | None]:
        """One entry per element or member; raises what the sink raised about all of them."""
        if self._raised is not None and len(self._places) == len(self._answer):
            raise self._raised
        return self._answer

    async def write(self) -> None:
        """Write what is pending, and note what the sink says about it."""
        pending = [self._items[place] for place in self._places]
        self._raised = None
        try:
            answer = await self._sink.write([pending] if self._chunk else pending)
        except Exception as error:
            self._raised = error
            self._note([error] * len(pending))
            return
        self._note([None] * len(pending) if answer is None else list(answer))

    def _note(self, answer: list[Exception | None]) -> None:
        if len(answer) != len(self._places):
            answer = self._fitted(answer)
        for place, error in zip(self._places, answer, strict=True):
            self._answer[place] = error

    def _fitted(self, answer: list[Exception | None]) -> list[Exception | None]:
        """Fit an answer about a chunk as a whole, or about members that were one element so far."""
        if self._chunk and len(answer) == 1:
            return answer * len(self._places)
        members = self._items[0] if len(self._items) == 1 and not self._chunk else ()
        if isinstance(members, Sequence) and len(answer) == len(members):
            self._chunk, self._items = True, list(members)
            self._places = list(range(len(answer)))
            self._answer = [None] * len(answer)
            return answer
        raise RuntimeError(
            f"{self._sink.name}.write(items) must return None or one entry per element or member of "
            f"a chunk: {len(self._places)} were written, {len(answer)} entries came back"
        )

    def keep(self, again: Callable[[Exception], bool]) -> bool:
        """Keep what failed and is worth another write pending; say whether there is any."""
        errors = {place: self._answer[place] for place in self._places}
        places = [p for p, error in errors.items() if error is not None and again(error)]
        if places:
            self._places = places
        return bool(places)


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
                f"op.retry(step): {step!r} sees to its elements one by one; use its own settings, "
                "or retry the sinks inside it"
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
