"""map_async: several calls of an async function at a time."""

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from ackflow.operators.functions import check_count, check_seconds, name
from ackflow.operators.variables import A, B
from ackflow.streams.core import (
    END,
    GIVEN_BACK,
    CallTimeout,
    Context,
    Operator,
    Pull,
    Run,
    Stage,
    Token,
    concatenate,
    fresh,
    settle,
)

AsyncFunction = Callable[[Any], Awaitable[Any]]


class MapAsync(Stage):
    """Calls an async function with each value, several at a time."""

    name = "map_async"
    passes_failures = True

    def __init__(
        self, function: AsyncFunction, concurrency: int, ordered: bool, timeout: float | None
    ) -> None:
        self.function = function
        self.concurrency = concurrency
        self.ordered = ordered
        self.timeout = timeout
        self.holds = concurrency

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"f": self.function, "concurrency": self.concurrency}
        if not self.ordered:
            settings["ordered"] = False
        return settings if self.timeout is None else {**settings, "timeout": self.timeout}

    def places(self, before: int) -> int:
        return 0

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Calls(self, context, inputs[0]).runs()


async def within(function: AsyncFunction, value: Any, timeout: float | None) -> Any:
    """Return what a call returns; raise CallTimeout when it takes longer than `timeout`."""
    awaitable = function(value)
    if not inspect.isawaitable(awaitable):
        raise TypeError(
            f"op.map_async(f): {name(function)} must return an awaitable, got {awaitable!r:.100}; "
            "use op.map for an ordinary function"
        )
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            return await awaitable
    except TimeoutError as error:
        if not scope.expired():
            raise
        text = f"op.map_async(f): {name(function)} took longer than timeout={timeout} s"
        raise CallTimeout(text) from error


class _Call:
    """One call: what it is for, and its task, or None for a failure that passes by."""

    __slots__ = ("run", "task")

    def __init__(self, run: Run[Any], task: "asyncio.Task[Any] | None") -> None:
        self.run = run
        self.task = task


class _Calls:
    """The calls of one `map_async` in one run: a task for each, O(1) bookkeeping per call."""

    def __init__(
        self, stage: MapAsync, context: Context, upstream: AsyncIterator[Run[Any]]
    ) -> None:
        self._stage = stage
        self._context = context
        self._circuit = context.session.circuit(repr(stage))
        self._wake = asyncio.Event()
        self._pull = Pull(upstream, self._wake)
        self._waiting: deque[tuple[Any, Token]] = deque()
        self._running: deque[_Call] = deque()
        self._finished: deque[_Call] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Start calls where there is room, and hand out what has finished."""
        try:
            while True:
                self._wake.clear()
                if self._pull.ready:
                    self._accept(self._pull.take())
                self._start()
                results = self._results()
                if results:
                    for run in results:
                        yield run
                    continue
                if self._room():
                    if self._waiting:
                        continue
                    self._pull.start()
                if self._pull.ended and not self._running and not self._tasks:
                    return
                await self._wake.wait()
        finally:
            await self._close()

    def _accept(self, run: Any) -> None:
        if run is END:
            return
        if run.error is not None:
            self._pass_by(run)
        else:
            self._waiting.extend(zip(run.values, run.tokens, strict=True))

    def _pass_by(self, run: Run[Any]) -> None:
        call = _Call(run, None)
        (self._running if self._stage.ordered else self._finished).append(call)

    def _room(self) -> bool:
        """Say whether one more call may start; results nobody has taken yet count as calls."""
        if self._stage.ordered:
            return len(self._running) < self._stage.concurrency
        return len(self._tasks) + len(self._finished) < self._stage.concurrency

    def _start(self) -> None:
        if self._context.session.draining and self._waiting:
            settle([token for _, token in self._waiting], GIVEN_BACK)
            self._waiting.clear()
        while self._waiting and self._room():
            value, token = self._waiting.popleft()
            if not fresh(token):
                continue
            task = asyncio.create_task(self._call(value))
            self._tasks.add(task)
            call = _Call(Run([value], [token]), task)
            if self._stage.ordered:
                self._running.append(call)
            task.add_done_callback(partial(self._done, call))

    async def _call(self, value: Any) -> Any:
        stage = self._stage
        return await self._circuit.run(lambda: within(stage.function, value, stage.timeout))

    def _done(self, call: _Call, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not self._stage.ordered:
            self._finished.append(call)
        self._wake.set()

    def _results(self) -> list[Run[Any]]:
        """Take out what has finished, in the order of the input where that is asked for."""
        done: list[Run[Any]] = []
        calls = self._running if self._stage.ordered else self._finished
        while calls and (calls[0].task is None or calls[0].task.done()):
            run = self._outcome(calls.popleft())
            if run is not None:
                done.append(run)
        return [concatenate(done)] if done and all(r.error is None for r in done) else done

    def _outcome(self, call: _Call) -> Run[Any] | None:
        run, task = call.run, call.task
        if task is None:
            return run
        error = RuntimeError(f"{name(self._stage.function)} was cancelled")
        failure = error if task.cancelled() else task.exception()
        if failure is None:
            return Run([task.result()], run.tokens) if fresh(run.tokens[0]) else None
        if not isinstance(failure, Exception):
            raise failure
        if self._context.caught:
            return Run(run.values, run.tokens, failure)
        self._context.session.failed(run.tokens, failure, repr(self._stage), run.values[0])
        return None

    async def _close(self) -> None:
        """Cancel the calls under way; their messages stay unsettled, and so go back."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._pull.close()


def map_async(
    f: Callable[[A], Awaitable[B]],
    concurrency: int = 8,
    ordered: bool = True,
    timeout: float | None = None,
) -> Operator[A, B]:
    """Replace each value by what the coroutine `f(value)` returns, several at a time.

    Example:
        urls | op.map_async(fetch, concurrency=32, ordered=False, timeout=10)

    Acks: passes. A value that `f` raises for, or takes longer than `timeout` seconds for, fails by
    itself; an outage (ConnectionError, TimeoutError, Unavailable) halts and is tried again.
    `concurrency`: calls under way at once, 1 and up; look-ahead is the same number. `ordered=False`
    hands on what is finished first.
    Raises ValueError or TypeError, where it is written, for settings that can't be meant.
    """
    if not callable(f):
        raise TypeError(f"op.map_async(f): f must be an async function of one value, got {f!r}")
    if inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f):
        raise TypeError(
            f"op.map_async(f): f must be an async function, got the generator {name(f)}; "
            "use op.flat_map for several values of each"
        )
    check_count("op.map_async(concurrency)", concurrency, 1)
    check_seconds("op.map_async(timeout)", timeout)
    return Operator(MapAsync(f, concurrency, ordered, timeout))
