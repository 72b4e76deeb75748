"""Calls: several calls of a function at a time, for one stage in one run."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

from ackflow.operators.functions import name
from ackflow.streams.core import (
    END,
    GIVEN_BACK,
    Context,
    Pull,
    Run,
    Token,
    cancelled,
    concatenate,
    fresh,
    settle,
)

AsyncFunction = Callable[[Any], Awaitable[Any]]

LEFT: Final[Any] = object()
"""Stands for the answer of a call that nobody took: its message is given back."""


class Concurrent(Protocol):
    """A stage that has several calls of a function under way at a time."""

    function: Callable[[Any], Any]
    concurrency: int
    ordered: bool


class _Call:
    """One call: what it is for, and its task, or None for a failure that passes by."""

    __slots__ = ("run", "task")

    def __init__(self, run: Run[Any], task: "asyncio.Task[Any] | None") -> None:
        self.run = run
        self.task = task


class Calls:
    """The calls of one stage in one run: a task for each, O(1) bookkeeping per call."""

    def __init__(
        self,
        stage: Concurrent,
        context: Context,
        upstream: AsyncIterator[Run[Any]],
        call: AsyncFunction,
    ) -> None:
        self._stage = stage
        self._function = call
        self._context = context
        self._circuit = context.session.circuit(repr(stage))
        self._name = f"{stage!r:.80}: a call"
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
            task = asyncio.create_task(self._call(value), name=self._name)
            self._tasks.add(task)
            call = _Call(Run([value], [token]), task)
            if self._stage.ordered:
                self._running.append(call)
            task.add_done_callback(partial(self._done, call))

    async def _call(self, value: Any) -> Any:
        return await self._circuit.run(lambda: self._function(value))

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
            return self._answered(run, task.result())
        if not isinstance(failure, Exception):
            raise failure
        if self._context.caught:
            return Run(run.values, run.tokens, failure)
        self._context.session.failed(run.tokens, failure, repr(self._stage), run.values[0])
        return None

    def _answered(self, run: Run[Any], answer: Any) -> Run[Any] | None:
        if answer is LEFT:
            settle(run.tokens, GIVEN_BACK)
            return None
        return Run([answer], run.tokens) if fresh(run.tokens[0]) else None

    async def _close(self) -> None:
        """Cancel the calls under way; their messages stay unsettled, and so go back."""
        try:
            await cancelled(*self._tasks)
        finally:
            await self._pull.close()
