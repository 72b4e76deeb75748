"""Pool: the calls of one `map_in` in one run, in an executor whose workers may die."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from ackflow.operators.calls import LEFT
from ackflow.operators.executors import Broke, Executors, Unusable, explained, refusal, told
from ackflow.operators.functions import name
from ackflow.streams.core import (
    PipelineError,
    Run,
    Session,
    WorkerDied,
    close,
    is_awaitable,
    refuse_awaitable,
    shown,
)


class Pool:
    """Calls a function in an executor.

    Which call broke an executor nobody can tell, so all that were in it are suspects. They are called
    again one at a time, and one that breaks the next executor with nothing else in it has done it.
    """

    def __init__(self, function: Callable[[Any], Any], executor: Any, session: Session) -> None:
        self._function = function
        self._executors = Executors(executor)
        self._session = session
        self._gone = False
        """Whether there is no executor any more."""
        self._proven = False
        """Whether the executor in the place of a broken one works at all."""
        self._running: dict[asyncio.Future[None], Future[Any]] = {}
        self._abandoned: list[Future[Any]] = []
        """What still ran when its call was cancelled."""
        self._suspects = 0
        self._calm = asyncio.Event()
        self._alone = asyncio.Lock()

    async def until_gone(self, upstream: AsyncIterator[Run[Any]]) -> AsyncIterator[Run[Any]]:
        """Hand on what comes, as long as there is an executor for it."""
        try:
            async for run in upstream:
                if self._gone:
                    return
                yield run
        finally:
            await close(upstream)

    async def call(self, value: Any) -> Any:
        """Return the function's answer; LEFT when the message is to be given back."""
        try:
            return await self._call(value)
        except Unusable as error:
            self._gone = True
            failure = PipelineError(f"op.map_in(executor): {error}")
            failure.__cause__ = error.__cause__
            self._session.fail(failure)
            return LEFT

    async def close(self) -> None:
        """Shut down what was made here; where a call still runs, without waiting for its end."""
        await self._executors.close(wait=all(future.done() for future in self._abandoned))

    def set(self) -> None:
        """Take back the calls that have not begun, when the run drains: the session rings."""
        if self._session.draining:
            for future in list(self._running.values()):
                future.cancel()

    # -- suspects ---------------------------------------------------------------------------------

    async def _call(self, value: Any) -> Any:
        while self._suspects:
            await self._calm.wait()
        try:
            return await self._run(self._function, value)
        except Broke:
            self._suspects += 1
            self._calm.clear()
        try:
            async with self._alone:
                return await self._run_alone(value)
        finally:
            self._suspects -= 1
            if not self._suspects:
                self._calm.set()

    async def _run_alone(self, value: Any) -> Any:
        """Call with nothing else in the executor; raise WorkerDied when that breaks it as well."""
        if self._running:
            await asyncio.wait(self._running)
        if not self._proven:
            await self._prove()
        try:
            return await self._run(self._function, value)
        except Broke:
            self._proven = False
            raise WorkerDied(
                f"op.map_in(f): {name(self._function)} was called with this value alone, and its "
                "worker died: it exits, crashes, is killed (for its memory?), or can't be imported "
                "there, where f must be a function at the top level of a module"
            ) from None

    async def _prove(self) -> None:
        """Raise Unusable where an executor breaks at an empty call: it is nobody's fault then."""
        try:
            await self._run(int)
        except Broke as error:
            raise Unusable(
                f"an executor that was just made breaks at an empty call ({error}); its initializer "
                "fails, or the script lacks `if __name__ == '__main__':` before what it runs"
            ) from None
        self._proven = True

    # -- one call ---------------------------------------------------------------------------------

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return a call's answer; raise what it raised, or Broke or Unusable where it got none."""
        if self._gone or self._session.draining:
            return LEFT
        executor = self._executors.current()
        try:
            future = executor.submit(function, *args)
        except RecursionError:
            raise
        except RuntimeError as error:
            raise self._executors.refused(executor, error) from error
        if not isinstance(future, Future):
            raise Unusable(
                f"its submit must return a concurrent.futures.Future, got {shown(future)}; "
                "of Dask's clients give client.get_executor(pure=False)"
            )
        await self._finished(future)
        return self._answer(executor, future)

    async def _finished(self, future: "Future[Any]") -> None:
        done = told(future)
        self._running[done] = future
        try:
            await done
        finally:
            del self._running[done]
            if not (future.cancel() or future.done()):
                self._abandoned.append(future)

    def _answer(self, executor: Executor, future: "Future[Any]") -> Any:
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, BrokenExecutor):
            no = refusal(executor)
            if no is not None:
                raise self._executors.refused(executor, no) from no
        if isinstance(error, KeyboardInterrupt) or (future.cancelled() and self._session.draining):
            return LEFT
        call = f"op.map_in(f): {name(self._function)}"
        if future.cancelled():
            raise RuntimeError(f"{call} was cancelled before it began")
        if error is not None:
            raise explained(call, error, executor)
        answer = future.result()
        if is_awaitable(type(answer)):
            refuse_awaitable("op.map_in(f)", self._function, answer)
        return answer
