"""Operator: what turns one stream into another, as a value that can be named, reused, composed."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, overload

from ackflow.streams.core.errors import shown
from ackflow.streams.core.pictured import Pictured
from ackflow.streams.core.stage import Shape, Stage
from ackflow.streams.core.stream import Stream

C = TypeVar("C")
X = TypeVar("X")
A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)


class Composable(Pictured):
    """What operators have in common: the stages they are made of."""

    def __init__(self, *stages: Stage) -> None:
        self.stages = stages

    def shape(self, before: Shape) -> Shape:
        """Return the shape of the elements that leave its last stage, given that of those that come."""
        for stage in self.stages:
            before = stage.shape(before)
        return before

    def places(self, before: int) -> int:
        """Say how deep the chunks that leave its last stage still have their members."""
        for stage in self.stages:
            before = stage.places(before)
        return before

    @property
    def keeps(self) -> float:
        """Seconds that its stages keep a message back at most."""
        return sum(stage.keeps for stage in self.stages)

    def _apply(self, stream: Any) -> Any:
        if not isinstance(stream, Stream):
            raise TypeError(
                f"{self!r}: must be given an ackflow stream, got {shown(stream)}; "
                "use op.lift(operator, …) for "
                "aiostream's operators, streams.from_iterable(…) for values that need no acks"
            )
        for stage in self.stages:
            stream = Stream(stage, stream, *stage.others)
        return stream

    def _compose(self, step: Any) -> Any:
        if isinstance(step, Composable):
            return Operator[Any, Any](*self.stages, *step.stages)
        if callable(step) or hasattr(step, "write"):
            return Ending(self, step)
        raise TypeError(
            f"operator | step: must be an operator or a sink, got {shown(step)}; "
            "op.map(function) makes an operator of a function, sinks.each(function) a sink"
        )

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.stages)) or "pipe()"


class Ending(Pictured):
    """Operators and what comes behind them, a sink as a rule, before they meet a stream."""

    def __init__(self, operator: Composable, end: Any) -> None:
        self.operator = operator
        self.end = end

    def __call__(self, stream: Stream[Any]) -> Any:
        return self.operator._apply(stream) | self.end

    def __repr__(self) -> str:
        return f"{self.operator!r} | {self.end!r}"


class OperatorLike(Protocol[A_contra, B_co]):
    """What does as an Operator[A, B]: one for values of any type does, too, once A is known."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What it is made of."""
        ...

    def __call__(self, stream: Stream[A_contra], /) -> Stream[B_co]:
        """Apply it to a stream."""
        ...


class Operator(Composable, Generic[A_contra, B_co]):
    """What turns a Stream[A] into a Stream[B]; compose with `|` before or after it meets a stream.

    Example:
        words = op.map(str.lower) | op.filter(str.isalpha)
        await (streams.of("A", "1") | words | sinks.to_list())    # ['a']

    """

    def __call__(self, stream: Stream[A_contra]) -> Stream[B_co]:
        result: Stream[B_co] = self._apply(stream)
        return result

    @overload
    def __or__(self, step: OperatorLike[B_co, C]) -> "Operator[A_contra, C]": ...
    @overload
    def __or__(self, step: Callable[[Stream[B_co]], X]) -> Callable[[Stream[A_contra]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)
