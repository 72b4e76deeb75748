"""Course: what happens in one run of a pipeline, from the opening to the closing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ackflow.streams.core.cancelling import end_if_cancelled, to_the_end
from ackflow.streams.core.pulling import close
from ackflow.streams.core.run import Run
from ackflow.streams.core.session import Session

if TYPE_CHECKING:
    from ackflow.streams.core.pipeline import Pipeline

R_co = TypeVar("R_co", covariant=True)


class Course(Generic[R_co]):
    """Opens, writes what comes until nothing more does, and closes, whatever happens on the way."""

    def __init__(
        self, pipeline: "Pipeline[R_co]", session: Session, timer: asyncio.TimerHandle | None
    ) -> None:
        """`timer`: what is to drain it in time; it means nothing any more once it closes."""
        self.opened = False
        self._pipeline = pipeline
        self._session = session
        self._timer = timer
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._opening: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Begin to drain, or leave off opening."""
        self._session.drain()
        if self._opening is not None:
            self._opening.cancel()

    def clock(self) -> None:
        """Bring the summary up to now."""
        summary = self._session.summary
        summary.seconds = self._loop.time() - self._began
        summary.stages = self._session.stages

    async def run(self) -> R_co:
        """Run to the end, and return the sink's result; raise what ended it."""
        session, pipeline = self._session, self._pipeline
        writer = pipeline.sink.writer(session, pipeline.stream.places)
        runs = pipeline.stream.attach(session, (pipeline.sink,))
        abort = False
        try:
            # CPython 3.11 traces nothing behind an await that raised inside: the other way is tested.
            if await self._open(writer):  # pragma: no branch
                self._measure(writer)
                async for run in runs:
                    await writer.put(run)
                await writer.finish()
        except asyncio.CancelledError:
            abort = True
            raise
        finally:
            await to_the_end(self._close(writer, runs, abort))
        if session.error is not None:
            raise session.error
        result: R_co = writer.result()
        return result

    async def _open(self, writer: Any) -> bool:
        """Open the sink, then the sources; False when a drain came before that was done."""
        self._opening = asyncio.create_task(self._open_all(writer))
        if self._session.stopping:  # before there was anything to stop
            self._loop.call_soon(self.stop)
        try:
            with suppress(asyncio.CancelledError):
                await self._opening
        finally:
            opening, self._opening = self._opening, None
        # Whoever cancelled the run means it, even where everything was open in that very turn.
        end_if_cancelled()
        return not opening.cancelled()

    async def _open_all(self, writer: Any) -> None:
        await writer.open()
        await self._session.open()
        self.opened = True

    async def _close(self, writer: Any, runs: AsyncIterator[Run[Any]], abort: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._session.meters is not None:
            self._session.meters.end()
        async with AsyncExitStack() as stack:
            stack.callback(self.clock)
            stack.push_async_callback(self._session.close, abort=abort)
            stack.push_async_callback(writer.close)
            stack.push_async_callback(close, runs)

    def _measure(self, writer: Any) -> None:
        """Begin to count how long who waits for whom."""
        if self._session.meters is not None:
            self._session.meters.begin(getattr(writer, "under_way", None))
