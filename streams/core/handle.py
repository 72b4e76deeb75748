"""Handle: a run of a pipeline."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ackflow.streams.core.cancelling import cancelled
from ackflow.streams.core.course import Course
from ackflow.streams.core.errors import shown
from ackflow.streams.core.meter import Meters, StageCount
from ackflow.streams.core.roster import Roster
from ackflow.streams.core.session import Halt, Session
from ackflow.streams.core.settings import is_duration
from ackflow.streams.core.summary import Summary

if TYPE_CHECKING:
    from ackflow.streams.core.figure import Figure
    from ackflow.streams.core.inlet import Inlet
    from ackflow.streams.core.observer import Observer
    from ackflow.streams.core.pipeline import Pipeline

R_co = TypeVar("R_co", covariant=True)

ABORT_DEADLINE = 4.0
"""Seconds an abort may take: less than what is left of 30 after a drain's deadline."""
DRAIN_DEADLINE = 25.0
"""Seconds a drain may take: Kubernetes kills 30 s after SIGTERM (terminationGracePeriodSeconds)."""


class Interrupted(asyncio.CancelledError):
    """A cell that awaited a run, or looked at a stream, was interrupted, and ends."""

    def _render_traceback_(self) -> list[str]:
        """Have IPython show what became of it: where it was awaited is where the cell is."""
        return str(self).splitlines()


def unnoted(awaited: object) -> AbstractContextManager[Callable[[], bool]]:
    """Know of no interrupts."""
    return nullcontext(lambda: False)


class Handle(Generic[R_co]):
    """A run of a pipeline: look at it, pause it, drain it, await it.

    In a notebook `handle` at the end of a cell shows the run in place for as long as it goes on.
    """

    shows: ClassVar[Callable[[Any], object]] = staticmethod(print)
    """Shows a run in a notebook; ackflow.streams puts what can draw here."""

    interrupts: ClassVar[Callable[[Any], AbstractContextManager[Callable[[], bool]]]] = (
        staticmethod(unnoted)
    )
    """Says whether a cell that awaits something was interrupted, rather than cancelled by a program."""

    def __init__(
        self,
        pipeline: "Pipeline[R_co]",
        limit: int | None,
        timeout: float | None,
        measure: bool,
        observer: "Observer | None" = None,
    ) -> None:
        self.pipeline = pipeline
        """What runs."""
        self._session = Session(roster := Roster(pipeline.stream, pipeline.sink))
        self._session.limit = limit
        self._session.meters = Meters(pipeline, roster) if measure else None
        self._session.observer = observer
        size = pipeline.stream.size
        self.total = limit if size is None else min(size, limit or size)
        """How many deliveries there are in all, where the limit or the sources say so beforehand."""
        pipeline.summary = self._session.summary
        self._loop = asyncio.get_running_loop()
        timer = None if timeout is None else self._loop.call_later(timeout, self._expire)
        self._expiring: asyncio.Task[None] | None = None
        self._overdue = ""
        """The state of a run that its timeout had to abort."""
        self._left: asyncio.Future[None] = self._loop.create_future()
        """Done when what goes on although it was cancelled is left behind."""
        self._course = Course(pipeline, self._session, timer)
        self._task = asyncio.create_task(self._course.run(), name=f"pipeline {pipeline!r:.80}")

    # -- for users --------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self._task.done() or self._left.done()

    @property
    def state(self) -> str:
        """`running`, `draining`, `halted: …` with the reason, or `done`."""
        return "done" if self.done else self._session.state

    @property
    def oldest_unacked(self) -> float:
        """The age in seconds of the oldest delivery that is not settled."""
        return max((inlet.oldest for inlet in self._session.inlets), default=0.0)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs in; only there it may be looked at and told things."""
        return self._loop

    @property
    def opened(self) -> bool:
        """Whether the sink and every source have been opened."""
        return self._course.opened

    @property
    def draining(self) -> bool:
        """Whether the sources hand out nothing more."""
        return self._session.stopping

    @property
    def in_flight(self) -> int:
        """How many deliveries are handed out and not settled; those held after a failure are not."""
        return sum(inlet.in_flight for inlet in self._session.inlets)

    @property
    def inlets(self) -> "Sequence[Inlet[Any]]":
        """Its sources as they run, those of the pipeline first, in the order in which they open."""
        return tuple(self._session.inlets)

    @property
    def halts(self) -> Sequence[Halt]:
        """What is halted: sinks and functions whose service is away, sources without a connection."""
        return self._session.halted_parts(self._loop.time())

    @property
    def observer(self) -> "Observer | None":
        """Who hears what becomes of its deliveries, such as a `Tracing`."""
        return self._session.observer

    @property
    def stages(self) -> Sequence[StageCount]:
        """What each stage has done so far, the sources first; nothing without `measure=True`."""
        return self._session.stages

    def figures(self) -> "Sequence[Figure]":
        """Return what the sink counts."""
        return tuple(self.pipeline.sink.figures())

    def stats(self) -> Summary:
        """Return the counts so far."""
        if not self.done:
            self._course.clock()
        return self._session.summary

    def pause(self) -> None:
        """Have the sources hand out nothing until `resume`; what is under way goes on."""
        for inlet in self._session.inlets:
            inlet.pause(True)

    def resume(self) -> None:
        """Go on after `pause`."""
        for inlet in self._session.inlets:
            inlet.pause(False)

    def stop(self) -> None:
        """Begin to drain, without waiting for the end."""
        self._course.stop()

    async def drain(self, deadline: float = DRAIN_DEADLINE) -> Summary:
        """Finish what is under way, give back the rest, and return the summary.

        What has not finished after `deadline` seconds is left unacked: the broker hands it out again.
        """
        if not (is_duration(deadline) or deadline == 0):
            raise ValueError(
                f"handle.drain(deadline): must be seconds from 0 up, got {shown(deadline)}; "
                "leave it out for 25 s"
            )
        if not await self._drained(deadline):
            await self.abort()
        return self._session.summary

    async def abort(self) -> None:
        """End at once; what is not settled stays with the broker.

        A function that swallows its cancellation is left behind, with a warning, after 4 seconds.
        """
        if not await cancelled(self._task, within=ABORT_DEADLINE):
            self._left.cancel()
            await self._session.close(abort=True)

    def give_up(self) -> None:
        """Begin to abort, without waiting for the end."""
        self._expiring = asyncio.create_task(self.abort(), name="an abort")

    def when_done(self, act: Callable[[], object]) -> None:
        """Call back once the run has ended."""
        for end in (self._task, self._left):
            end.add_done_callback(lambda _: act())

    def _ipython_display_(self) -> None:
        Handle.shows(self)

    def _expire(self) -> None:
        self._expiring = asyncio.create_task(self._end_in_time(), name="the end of a timeout")

    async def _end_in_time(self) -> None:
        if not await self._drained(DRAIN_DEADLINE):
            self._overdue = self.state
            await self.abort()

    async def _drained(self, deadline: float) -> bool:
        """Drain, and say whether that was done within so many seconds."""
        self.stop()
        _, pending = await asyncio.wait([self._task], timeout=deadline)
        return not pending

    def __await__(self) -> Generator[Any, Any, R_co]:
        return self._result().__await__()

    async def _result(self) -> R_co:
        with Handle.interrupts(self) as interrupted:
            try:
                return await self._ended()
            except asyncio.CancelledError:
                if not self.done:
                    await self._end(drained=interrupted())
                if self._overdue:
                    raise TimeoutError(
                        f"pipeline.run(timeout): the drain was not done after {DRAIN_DEADLINE:g} s "
                        f"({self._overdue}); what was under way is left unacked, and comes again"
                    ) from None
                if interrupted():
                    raise Interrupted(f"interrupted: {self.stats()}") from None
                raise
            finally:
                if self._expiring is not None:
                    await asyncio.wait([self._expiring])

    async def _ended(self) -> R_co:
        ends: list[asyncio.Future[Any]] = [self._task, self._left]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not self._task.done():
            raise asyncio.CancelledError("aborted")
        return self._task.result()

    async def _end(self, *, drained: bool) -> None:
        """End the run: with a drain that an interrupt asks for, or at once."""
        try:
            if drained:
                await self.drain()
        finally:
            if not self.done:
                await self.abort()
