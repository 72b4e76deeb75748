"""Meters: what each stage of one run took in and handed out, and how long the others waited for it.

There are none unless somebody asks (`measure=True`): a run that nobody looks at has nothing around
its stages.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ackflow.streams.core.pulling import END, close
from ackflow.streams.core.run import Run
from ackflow.streams.core.stage import Source, Step

if TYPE_CHECKING:
    from ackflow.streams.core.inlet import Inlet
    from ackflow.streams.core.pipeline import Pipeline
    from ackflow.streams.core.roster import Roster
    from ackflow.streams.core.stream import Stream
    from ackflow.streams.core.summary import Summary

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class StageCount:
    """What a stage has done so far in one run; elements are values, or chunks of them.

    `taken`, `given`: elements that came and that left, for a sink the deliveries accepted; `held`:
    those inside now, for a source its unsettled deliveries, None where that is not known; `failed`:
    failures in it; `waited`: seconds in which the run waited for this stage and no other.
    """

    name: str
    kind: str
    taken: int
    given: int
    held: int | None
    failed: int
    waited: float
    oldest: float = 0.0
    """Age in seconds of a source's oldest unsettled delivery."""


class Meter:
    """What one stage took and gave, in its place in the pipeline."""

    __slots__ = (
        "_clock",
        "_since",
        "_waited",
        "given",
        "held",
        "inlet",
        "inputs",
        "part",
        "worked",
    )

    def __init__(self, part: Any, inputs: "Sequence[Meter]", clock: Clock) -> None:
        self.part = part
        self.inputs = inputs
        self.given = 0
        self.worked = 0.0
        """Seconds spent inside a step."""
        self.held: Callable[[], int] | None = None
        self.inlet: Inlet[Any] | None = None
        self._clock = clock
        self._waited = 0.0
        self._since: float | None = None

    @property
    def taken(self) -> int:
        """How many elements have come: those that the stages before it have handed out."""
        return self.given if not self.inputs else sum(meter.given for meter in self.inputs)

    @property
    def waited(self) -> float:
        """Seconds for which the next stage has waited for it, and so for all before it as well."""
        return self._waited + (0.0 if self._since is None else self._clock() - self._since)

    def asked(self) -> None:
        """Note that the next stage waits."""
        self._since = self._clock()

    def answered(self, given: int) -> None:
        """Note that it does no longer, and what it got."""
        self.given += given
        self._waited, self._since = self.waited, None

    def around(self, work: Callable[[Run[Any]], Run[Any]]) -> Callable[[Run[Any]], Run[Any]]:
        """Return a step's work, with the time it takes counted."""

        def counted(run: Run[Any]) -> Run[Any]:
            try:
                with self.working():
                    run = work(run)
            except Exception as stop:
                self.given += len(getattr(stop, "done", ()))
                raise
            self.given += len(run)
            return run

        return counted

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time that a step takes."""
        began = self._clock()
        try:
            yield
        finally:
            self.worked += self._clock() - began


class Metered:
    """The runs of a stage, counted on their way out."""

    def __init__(self, runs: AsyncIterator[Run[Any]], meter: Meter) -> None:
        self._runs = runs
        self._meter = meter
        self._counts = not isinstance(meter.part, Step)
        """Steps count by themselves: several of them share one way out."""

    def __aiter__(self) -> "Metered":
        return self

    async def __anext__(self) -> Run[Any]:
        run: Any = None
        self._meter.asked()
        try:
            run = await anext(self._runs, END)
        finally:
            counts = self._counts and isinstance(run, Run) and run.error is None
            self._meter.answered(len(run) if counts else 0)
        if run is END:
            raise StopAsyncIteration
        return run  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close what is counted."""
        await close(self._runs)


class Meters:
    """The meters of one run: one for each stage that a pipeline shows, branches within stages left out.

    A run is one chain of who waits for whom: the sink for the stage before it, that for the one before.
    So the time for which the sink waits less that for which the stage before it waits itself is that
    stage's own, and what the sink does not wait is the sink's. Of stages that flow together, all are
    waited for at once.
    """

    def __init__(self, pipeline: "Pipeline[Any]", roster: "Roster") -> None:
        self._clock = asyncio.get_running_loop().time
        self._began: float | None = None
        self._ended: float | None = None
        self._names = roster.names
        self._streams: dict[int, Meter] = {}
        for stream in roster.streams:
            before = [self._streams[id(each)] for each in stream.inputs]
            self._streams[id(stream)] = Meter(stream.stage, before, self._clock)
        self.sink = Meter(pipeline.sink, [self._streams[id(pipeline.stream)]], self._clock)

    def begin(self, writes: Callable[[], int] | None) -> None:
        """Note that all is open; `writes` tells how many of the sink's are under way."""
        self.sink.held = writes
        self._began = self._clock()

    def end(self) -> None:
        """Note that all is written."""
        self._ended = self._clock()

    def of(self, stream: "Stream[Any]") -> Meter | None:
        """Return the meter of a stream's last stage; None for one inside a stage."""
        return self._streams.get(id(stream))

    def counts(self, summary: "Summary") -> "tuple[StageCount, ...]":
        """Return what is known of each stage, the sources first."""
        failures: dict[str, int] = {}
        for failure in summary.failures.values():
            for stage, count in failure.stages.items():
                failures[stage] = failures.get(stage, 0) + count
        own = dict(self._own())
        *names, name = self._names
        found = [
            _count(name, meter, failures, own.get(meter, 0.0))
            for name, meter in zip(names, self._streams.values(), strict=True)
        ]
        waited = own.get(self.sink, 0.0)
        failed = failures.get(self.sink.part.name, 0)
        taken, held = self.sink.taken, self.sink.held
        inside = None if held is None else held()
        sink = StageCount(name, "sink", taken, summary.accepted, inside, failed, waited)
        return (*found, sink)

    # -- who waits for whom -----------------------------------------------------------------------

    def _own(self) -> Iterator[tuple[Meter, float]]:
        """Yield for each stage the seconds in which it, and none before it, was waited for."""
        if self._began is None:
            return
        wall = (self._clock() if self._ended is None else self._ended) - self._began
        todo = [(self.sink, wall)]
        while todo:
            meter, waited = todo.pop()
            group, inputs = _neighbours(meter)
            before = [min(each.waited, waited) for each in inputs]
            own = waited - max(before, default=0.0)
            todo += [(m, w / len(before)) for m, w in zip(inputs, before, strict=True)]
            worked = sum(each.worked for each in group)
            scale = min(1.0, own / worked) if worked else 0.0
            yield from (((meter, own),) if not group else ((m, m.worked * scale) for m in group))


def _neighbours(meter: Meter) -> tuple[list[Meter], Sequence[Meter]]:
    """Return the steps that run as one with this one, and what flows into the first of them."""
    group: list[Meter] = []
    while isinstance(meter.part, Step):
        group.append(meter)
        (meter,) = meter.inputs
    return group, (group[-1].inputs if group else meter.inputs)


def _count(name: str, meter: Meter, failures: dict[str, int], waited: float) -> StageCount:
    inlet = meter.inlet
    source = isinstance(meter.part, Source)
    held = meter.held() if meter.held is not None else 0 if isinstance(meter.part, Step) else None
    if inlet is not None:
        held = inlet.in_flight
    failed = failures.get(name, 0) + (failures.pop(inlet.name, 0) if inlet is not None else 0)
    return StageCount(
        name,
        "source" if source else "operator",
        meter.taken,
        meter.given,
        held,
        failed,
        waited,
        0.0 if inlet is None else inlet.oldest,
    )
