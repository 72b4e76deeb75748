"""Calls: several calls of a function at a time, for one stage in one run."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, NoReturn, Protocol

from ackflow.operators.functions import name
from ackflow.streams.core import (
    END,
    GIVEN_BACK,
    OUTAGES,
    Context,
    Pull,
    Run,
    Token,
    cancelled,
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
    """One call: what it is for and its task; or a failure that passes by."""

    __slots__ = ("failure", "task", "token", "value")

    def __init__(self, value: Any, token: Token | None, failure: Run[Any] | None = None) -> None:
        self.value = value
        self.token = token
        self.failure = failure
        self.task: asyncio.Task[Any] | None = None


class Calls:
    """The calls of one stage in one run: a task for each, O(1) bookkeeping per call.

    The task is that of the user's coroutine itself, with nothing around it: what an outage or an error
    asks for is done when it has ended.
    """

    def __init__(
        self,
        stage: Concurrent,
        context: Context,
        upstream: AsyncIterator[Run[Any]],
        call: Callable[[Any], Coroutine[Any, Any, Any]],
    ) -> None:
        self._stage = stage
        self._function = call
        self._context = context
        self._observer = context.session.observer
        self._circuit = context.session.circuit(repr(stage))
        self._name = f"{stage!r:.80}: a call"
        self._create_task = asyncio.get_running_loop().create_task
        self._wake = asyncio.Event()
        self._pull = Pull(upstream, self._wake)
        self._waiting: deque[tuple[Any, Token]] = deque()
        self._running: deque[_Call] = deque()
        self._finished: deque[_Call] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        context.holding(self._held)

    def _held(self) -> int:
        """Return how many values wait for a call, are in one, or have left it and are not handed on."""
        called = self._running if self._stage.ordered else [*self._tasks, *self._finished]
        return len(self._waiting) + len(called)

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
                if self._room() > 0:
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
        call = _Call(None, None, run)
        (self._running if self._stage.ordered else self._finished).append(call)

    def _room(self) -> int:
        """Return how many more calls may start; results nobody has taken yet count as calls."""
        if self._stage.ordered:
            return self._stage.concurrency - len(self._running)
        return self._stage.concurrency - len(self._tasks) - len(self._finished)

    def _start(self) -> None:
        if self._context.session.draining and self._waiting:
            settle([token for _, token in self._waiting], GIVEN_BACK)
            self._waiting.clear()
        room = self._room()
        while self._waiting and room > 0:
            value, token = self._waiting.popleft()
            if not fresh(token):
                continue
            call = _Call(value, token)
            self._begin(call, self._coroutine(value))
            if self._stage.ordered:
                self._running.append(call)
            room -= 1

    def _coroutine(self, value: Any) -> Coroutine[Any, Any, Any]:
        if self._circuit.halted:
            return self._circuit.run(partial(self._function, value))
        try:
            return self._function(value)
        except Exception as error:  # it can't be called so
            return _raising(error)

    def _begin(self, call: _Call, coroutine: Coroutine[Any, Any, Any]) -> None:
        assert call.token is not None
        context = None if self._observer is None else self._observer.context(call.token)
        task = call.task = self._create_task(coroutine, name=self._name, context=context)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, call))

    def _done(self, call: _Call, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OUTAGES) and not self._closed:
            again = self._circuit.again(partial(self._function, call.value), error)
            self._begin(call, again)
            return
        if not self._stage.ordered:
            self._finished.append(call)
        self._wake.set()

    def _results(self) -> list[Run[Any]]:
        """Take out what has finished, in the order of the input where that is asked for."""
        runs: list[Run[Any]] = []
        values: list[Any] = []
        tokens: list[Token] = []
        calls = self._running if self._stage.ordered else self._finished
        while calls and ((task := calls[0].task) is None or task.done()):
            call = calls.popleft()
            failed = self._outcome(call, values, tokens)
            if failed is not None:
                if values:
                    runs.append(Run(values, tokens))
                    values, tokens = [], []
                runs.append(failed)
        return [*runs, Run(values, tokens)] if values else runs

    def _outcome(self, call: _Call, values: list[Any], tokens: list[Token]) -> Run[Any] | None:
        """Add what a call has come to; return a failure that goes on to a `catch`."""
        task, token = call.task, call.token
        if task is None or token is None:
            return call.failure
        if task.cancelled():
            failure: BaseException | None = RuntimeError(
                f"{name(self._stage.function)} was cancelled"
            )
        else:
            failure = task.exception()
        if failure is None:
            self._answered(task.result(), token, values, tokens)
        elif not isinstance(failure, Exception):
            raise failure
        elif self._context.caught:
            return Run([call.value], [token], failure)
        else:
            self._context.session.failed([token], failure, repr(self._stage), call.value)
        return None

    def _answered(self, answer: Any, token: Token, values: list[Any], tokens: list[Token]) -> None:
        if answer is LEFT:
            settle([token], GIVEN_BACK)
        elif fresh(token):
            values.append(answer)
            tokens.append(token)

    async def _close(self) -> None:
        """Cancel the calls under way; their messages stay unsettled, and so go back."""
        self._closed = True
        try:
            await cancelled(*self._tasks)
        finally:
            await self._pull.close()


async def _raising(error: Exception) -> NoReturn:
    raise error
