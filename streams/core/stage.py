"""Stage: one link of a stream, as settings only; what it does in a run is in `runs` or `bind`."""

import inspect
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from ackflow.streams.core.errors import shown
from ackflow.streams.core.inlet import Inlet
from ackflow.streams.core.run import Run

if TYPE_CHECKING:
    from ackflow.streams.core.circuit import Circuit
    from ackflow.streams.core.meter import Meter
    from ackflow.streams.core.session import Session
    from ackflow.streams.core.stream import Stream

Shape = tuple[int, ...]
"""How many elements one element of a stream holds, from the innermost chunk outwards; () is none."""


Branches = Sequence[tuple[str, Any]]
"""Operators or sinks that the elements of a stage or sink part into, each with what it is for, or ""."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage learns of the run it takes part in."""

    session: "Session"
    caught: bool
    """Whether a `catch` further down takes the failures of this stage."""
    places: int
    """How many chunks within chunks the elements are whose entries are still their members."""
    meter: "Meter | None" = None
    """What counts in this stage, where anybody wants to know."""
    inputs: tuple[tuple[Inlet[Any], ...], ...] = ()
    """For each stream that flows into the stage the inlets that it comes from."""
    depth: tuple[int, ...] = ()
    """How far down the stage is: what flows from one to another comes to the greater one later."""
    name: str = ""
    """What the stage is called in this run."""

    @property
    def inlets(self) -> tuple[Inlet[Any], ...]:
        """All inlets that flow into the stage."""
        return tuple(inlet for inlets in self.inputs for inlet in inlets)

    def failed(self, run: Run[Any]) -> None:
        """Settle messages that failed in the stage with the run's error."""
        self.session.failed(run, self.name)

    def circuit(self) -> "Circuit":
        """Return a circuit for what the stage calls."""
        return self.session.circuit(self.name)

    def holding(self, count: Callable[[], int]) -> None:
        """Have who looks at the run know how many elements the stage has inside."""
        if self.meter is not None:
            self.meter.held = count


class Stage:
    """One link of a stream: immutable settings, used by any number of streams and runs.

    `holds`: how many elements it keeps back at most, None where that is not known. `keeps`: seconds
    that it keeps one back at most, unless the broker has no credit left for more. `others`: streams
    that flow into it beside the one it is applied to. `fills`: whether it keeps elements back until
    others come, however long that takes; `strict`: whether it lets others come only once those before
    are settled; `pairs`: whether an element of one stream waits in it for one of another.
    """

    name: ClassVar[str] = "stage"
    holds: int | None = 0
    keeps: float = 0.0
    fills: bool = False
    strict: bool = False
    pairs: bool = False
    others: "tuple[Stream[Any], ...]" = ()
    catches: ClassVar[bool] = False
    passes_failures: ClassVar[bool] = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was told, for people to read."""
        return {}

    @property
    def branches(self) -> Branches:
        """The operators that its elements part into, for people to see."""
        return ()

    def shape(self, before: Shape) -> Shape:
        """Return the shape of the elements that leave, given that of those that come."""
        return before

    def places(self, before: int) -> int:
        """Say how deep the chunks that leave still have their members at their places."""
        return before

    def check(self, inputs: "Sequence[Stream[Any]]") -> None:
        """Raise where these streams can't flow into it."""

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        """Hand out runs made of the inputs'."""
        raise NotImplementedError(f"{type(self).__name__} has no runs()")

    def __repr__(self) -> str:
        return call(self.name, self.settings)


class Step(Stage):
    """A stage that needs no time: neighbours are fused into one loop over a run.

    A state belongs into what `bind` returns: it is called once for each stream in each run of a
    pipeline, and what it returns gets every message in order. It must leave the state as it was before
    a message that fails, which may be tried again.
    """

    passes_failures = True

    @abstractmethod
    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        """Return what to do with a run; it raises Interrupted where a message fails."""


class Source(Stage):
    """Where a stream begins. `prefetch` is None where it is to be derived from what lies behind.

    `patience`: seconds within which it wants its messages settled, None for as long as it takes.
    `gives`: the type of its values, where all have the same.
    """

    prefetch: int | None = None
    patience: float | None = None
    gives: type | None = None
    bounded = False
    """Whether prefetch means something to it."""

    @property
    def size(self) -> int | None:
        """How many values it hands out in all, where that is known beforehand."""
        return None

    @abstractmethod
    def inlet(self, session: "Session", prefetch: int) -> Inlet[Any]:
        """Return what hands out runs in one run of a pipeline."""


def call(name: str, settings: Mapping[str, Any]) -> str:
    """Write a stage or sink as its user would."""
    return f"{name}({', '.join(f'{key}={label(value)}' for key, value in settings.items())})"


def label(value: object) -> str:
    """Name a setting as its user would: functions by their name."""
    if inspect.isroutine(value) or inspect.isclass(value):
        return getattr(value, "__name__", repr(value))
    try:
        return repr(value)
    except Exception:
        return shown(value)


@dataclass(slots=True)
class Demand:
    """How many messages of one source the stages behind it may hold at once."""

    sum: int = 0
    largest: int = 1
    terms: list[str] | None = None
    unknown: list[str] | None = None


def demand(path: "tuple[Any, ...]") -> Demand:
    """Add up what stages hold, from the source on; after a chunk every number is multiplied."""
    result = Demand(terms=[], unknown=[])
    assert result.terms is not None
    assert result.unknown is not None
    shape: Shape = ()
    for stage in path:
        size = prod(shape)
        if stage.holds is None:
            result.unknown.append(stage.name)
        elif stage.holds:
            result.sum += stage.holds * size
            times = f" × {size}" if size > 1 else ""
            result.terms.append(f"{stage.name} {stage.holds}{times}")
        shape = stage.shape(shape)
        result.largest = max(result.largest, prod(shape))
    return result


def bounded_demand(source: Source, path: "tuple[Any, ...]") -> Demand:
    """Add up what stages hold; raise ValueError where prefetch is to be derived and one doesn't say."""
    needed = demand(path)
    if source.bounded and source.prefetch is None and needed.unknown:
        raise ValueError(
            f"{source.name}(prefetch=None): prefetch can't be derived behind "
            f"{', '.join(needed.unknown)}, which declares no bound; give prefetch= (1 to 65,535), "
            "or declare the bound with @op.operator(holds=…)"
        )
    return needed


def check_patience(source: Source, path: "tuple[Stage, ...]") -> None:
    """Raise ValueError where stages keep messages longer than the source can wait for their acks."""
    if source.patience is None:
        return
    slow = [stage for stage in path if stage.keeps]
    kept = sum(stage.keeps for stage in slow)
    if kept > source.patience:
        raise ValueError(
            f"{source.name}: its messages must be settled within {source.patience:g} s, half of "
            f"consumer_timeout, but {' + '.join(map(repr, slow))} may keep them for {kept:g} s; "
            "shorten that, or raise consumer_timeout here and at the broker"
        )


def check_strictness(path: "tuple[Stage, ...]") -> None:
    """Raise ValueError where a stage waits for elements that another holds until those are settled."""
    strict: Stage | None = None
    pairs: Stage | None = None
    for stage in path:
        if pairs is not None and stage.strict:
            raise ValueError(
                f"{stage.name}(strict=True): behind {pairs.name} a tuple that fails comes again as one "
                "message of each stream, with others beside them, and they could wait for each other; "
                f"put the partition before {pairs.name}"
            )
        if stage.pairs:
            pairs = stage
        if strict is not None and stage.fills:
            raise ValueError(
                f"{stage!r}: waits for further elements however long that takes, but behind "
                f"{strict.name}(strict=True) these may come only once those before are settled; use "
                "chunk or a window by time instead, or put it further up"
            )
        if stage.strict:
            strict = stage


def check_prefetch(name: str, prefetch: int | None) -> None:
    """Raise ValueError unless `prefetch` is None or fits into AMQP's 16 bits."""
    whole = isinstance(prefetch, int) and not isinstance(prefetch, bool)
    if prefetch is not None and not (whole and 1 <= prefetch <= 65_535):
        raise ValueError(
            f"{name}(prefetch): prefetch must be a whole number from 1 to 65,535, "
            f"got {shown(prefetch)}; leave it out to have it derived from the pipeline"
        )
