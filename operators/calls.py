"""Calls: several calls of a function at a time, for one stage in one run."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
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
    fresh,
    settle,
)

AsyncFunction = Callable[[Any], Awaitable[Any]]

LEFT: Final[Any] = object()
"""Stands for the answer of a call that nobody took: its message is given back."""

SPREAD = 4
"""Calls that are started in a turn of the loop at most.

Calls that start together end together: they would come in bursts, with ever fewer under way in between,
and the last of a burst waits for all the others. Of 256 calls of 10 ms at a time, four in a turn bring
1.5 % more through than eight; two bring 0.3 % more, and take 5 % where calls wait for the processor.
"""


def ahead(concurrency: int) -> int:
    """Return how many values are pulled ahead: they follow what ends while a pull is under way."""
    return concurrency // 16


class Concurrent(Protocol):
    """A stage that has several calls of a function under way at a time."""

    function: Callable[[Any], Any]
    concurrency: int
    ordered: bool


class _Call:
    """One call: its value, which its answer replaces, and its task; or a failed run that passes by."""

    __slots__ = ("error", "over", "task", "token", "value")

    def __init__(self, value: Any, token: Token | None) -> None:
        self.value = value
        self.token = token
        self.over = token is None
        self.error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None


class Calls:
    """The calls of one stage in one run: a task for each, O(1) bookkeeping per call.

    A call notes by itself what it has come to. A callback of its task would do so as well, but takes
    the loop one turn more for each: a sixth of what a call costs.
    """

    def __init__(
        self,
        stage: Concurrent,
        context: Context,
        upstream: AsyncIterator[Run[Any]],
        call: Callable[[Any], Coroutine[Any, Any, Any]],
    ) -> None:
        self._stage = stage
        self._ordered = stage.ordered
        self._function = call
        self._context = context
        self._observer = context.session.observer
        self._circuit = context.circuit()
        self._most = stage.concurrency + ahead(stage.concurrency)
        self._name = f"{stage!r:.80}: a call"
        self._create_task = asyncio.get_running_loop().create_task
        self._wake = asyncio.Event()
        self._pull = Pull(upstream, self._wake)
        self._waiting: deque[tuple[Any, Token]] = deque()
        self._under_way: set[_Call] = set()
        self._leaving: deque[_Call] = deque()
        """What is handed on next: all calls in the order of the input, or those that are over."""
        self._runs: list[Run[Any]] = []
        self._values: list[Any] = []
        self._tokens: list[Token] = []
        self._closed = False
        context.holding(self._held)

    def _held(self) -> int:
        """Return how many values wait for a call, are in one, or have left it and are not handed on."""
        collected = len(self._values) + sum(map(len, self._runs))
        return len(self._waiting) + self._called() + collected

    def _called(self) -> int:
        """Return how many calls were made; results nobody has taken yet count as calls."""
        return len(self._leaving) + (0 if self._ordered else len(self._under_way))

    def _room(self) -> int:
        """Return how many more calls may start."""
        return self._stage.concurrency - self._called()

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Start calls where there is room, and hand out what has finished."""
        try:
            while True:
                self._wake.clear()
                if self._pull.ready:
                    self._accept(self._pull.take())
                self._collect()
                self._start()
                if len(self._waiting) + self._called() < self._most:
                    self._pull.start()
                if not self._over() or len(self._values) >= self._stage.concurrency:
                    for run in self._results():
                        yield run
                if self._pull.ended and not self._called():
                    return
                if self._over() or (self._waiting and self._room() > 0):
                    await asyncio.sleep(0)
                else:
                    await self._wake.wait()
        finally:
            await self._close()

    def _over(self) -> bool:
        """Say whether the call that is to be handed on next has finished."""
        return bool(self._leaving) and self._leaving[0].over

    def _accept(self, run: Any) -> None:
        if run is END:
            return
        if run.error is not None:
            self._leaving.append(_Call(run, None))
        else:
            self._waiting.extend(zip(run.values, run.tokens, strict=True))

    def _start(self) -> None:
        if self._context.session.draining and self._waiting:
            settle([token for _, token in self._waiting], GIVEN_BACK)
            self._waiting.clear()
        room = min(self._room(), SPREAD)
        while self._waiting and room > 0:
            value, token = self._waiting.popleft()
            if not fresh(token):
                continue
            call = _Call(value, token)
            (self._leaving.append if self._ordered else self._under_way.add)(call)
            context = None if self._observer is None else self._observer.context(token)
            call.task = self._create_task(self._make(call), name=self._name, context=context)
            room -= 1

    async def _make(self, call: _Call) -> None:
        try:
            call.value = await self._circuit.run(self._function, call.value)
        except asyncio.CancelledError:
            if self._closed:
                raise
            text = f"{name(self._stage.function)} was cancelled"
            call.error = RuntimeError(text)
        except BaseException as error:
            call.error = error
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise  # it ends the loop, from out of a task alone
        finally:
            self._ended(call)

    def _ended(self, call: _Call) -> None:
        call.over = True
        if not self._ordered:
            self._under_way.discard(call)
            self._leaving.append(call)
        elif self._leaving[0] is not call:
            return
        self._wake.set()

    def _collect(self) -> None:
        """Take out what has finished, not more in a turn of the loop than may be started in it."""
        for _ in range(SPREAD):
            if not self._over():
                return
            call = self._leaving.popleft()
            if call.error is None and call.token is not None:
                self._answered(call.value, call.token)
            elif (failed := self._failed(call)) is not None:
                self._runs = [*self._results(), failed]

    def _results(self) -> list[Run[Any]]:
        """Take what was collected, as few runs as can be."""
        runs, self._runs = self._runs, []
        if self._values:
            runs.append(Run(self._values, self._tokens))
            self._values, self._tokens = [], []
        return runs

    def _answered(self, answer: Any, token: Token) -> None:
        if answer is LEFT:
            settle([token], GIVEN_BACK)
        elif fresh(token):
            self._values.append(answer)
            self._tokens.append(token)

    def _failed(self, call: _Call) -> Run[Any] | None:
        """Return a failure that goes on to a `catch`; any other ends here."""
        if call.token is None:
            passing: Run[Any] = call.value
            return passing
        failure, call.error = call.error, None  # its traceback holds the call
        if not isinstance(failure, Exception):
            assert failure is not None
            assert call.task is not None
            call.task.exception()  # it counts as looked at
            raise failure
        if self._context.caught:
            return Run([call.value], [call.token], failure)
        self._context.failed(Run([call.value], [call.token], failure))
        return None

    async def _close(self) -> None:
        """Cancel the calls under way; their messages stay unsettled, and so go back."""
        self._closed = True
        try:
            await cancelled(*[call.task for call in (*self._leaving, *self._under_way)])
        finally:
            await self._pull.close()
