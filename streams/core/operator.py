"""Operator: what turns one stream into another, as a value that can be named, reused, composed."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple, overload

from ackflow.streams.core.stage import Stage
from ackflow.streams.core.stream import Stream

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
X = TypeVar("X")
A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
P = TypeVar("P", bound="Polymorphic")
Bs = TypeVarTuple("Bs")


class Composable:
    """What operators have in common: the stages they are made of."""

    def __init__(self, *stages: Stage) -> None:
        self.stages = stages

    def _apply(self, stream: Any) -> Any:
        if not isinstance(stream, Stream):
            raise TypeError(
                f"{self!r} applies to an ackflow stream, got {stream!r}; "
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
            return lambda stream: self._apply(stream) | step
        raise TypeError(f"operator | step: step must be an operator or a sink, got {step!r}")

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.stages)) or "pipe()"


class OperatorLike(Protocol[A_contra, B_co]):
    """What is as good as an Operator[A, B] where A is known: one of any type is, too."""

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


class Polymorphic(Composable):
    """An operator for values of any type, whose results depend on that type.

    Where two of them are composed before a stream says what the type is, the checkers can't write down
    the type of the two, unless it is one of those below: it is Operator[Any, Any].
    """


class Same(Polymorphic):
    """An operator that hands on what it gets, of whatever type."""

    def __call__(self, stream: Stream[A]) -> Stream[A]:
        result: Stream[A] = self._apply(stream)
        return result

    @overload
    def __or__(self, step: P) -> P: ...
    @overload
    def __or__(self, step: OperatorLike[A, B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[A]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class Grouping(Polymorphic):
    """An operator that joins values, of whatever type, into lists of them."""

    def __call__(self, stream: Stream[A]) -> Stream[list[A]]:
        result: Stream[list[A]] = self._apply(stream)
        return result

    @overload
    def __or__(  # type: ignore[overload-overlap]  # what takes any type comes first
        self, step: Same
    ) -> "Grouping": ...
    @overload
    def __or__(  # type: ignore[overload-overlap]
        self, step: "Ungrouping"
    ) -> Same: ...
    @overload
    def __or__(self, step: Polymorphic) -> Operator[Any, Any]: ...
    @overload
    def __or__(self, step: OperatorLike[list[A], B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[list[A]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class Ungrouping(Polymorphic):
    """An operator that takes sequences, of whatever type, apart."""

    def __call__(self, stream: Stream[Sequence[A]]) -> Stream[A]:
        result: Stream[A] = self._apply(stream)
        return result

    @overload
    def __or__(  # type: ignore[overload-overlap]  # what takes any type comes first
        self, step: Same
    ) -> "Ungrouping": ...
    @overload
    def __or__(self, step: Polymorphic) -> Operator[Sequence[Any], Any]: ...
    @overload
    def __or__(self, step: OperatorLike[A, B]) -> Operator[Sequence[A], B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[A]], X]) -> Callable[[Stream[Sequence[A]]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class Enumerating(Polymorphic):
    """An operator that puts a number beside each value, of whatever type."""

    def __call__(self, stream: Stream[A]) -> Stream[tuple[int, A]]:
        result: Stream[tuple[int, A]] = self._apply(stream)
        return result

    @overload
    def __or__(  # type: ignore[overload-overlap]  # what takes any type comes first
        self, step: Same
    ) -> "Enumerating": ...
    @overload
    def __or__(self, step: Polymorphic) -> Operator[Any, Any]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[int, A], B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[tuple[int, A]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class Pairing(Polymorphic):
    """An operator that puts each value, of whatever type, beside the one before."""

    def __call__(self, stream: Stream[A]) -> Stream[tuple[A, A]]:
        result: Stream[tuple[A, A]] = self._apply(stream)
        return result

    @overload
    def __or__(  # type: ignore[overload-overlap]  # what takes any type comes first
        self, step: Same
    ) -> "Pairing": ...
    @overload
    def __or__(self, step: Polymorphic) -> Operator[Any, Any]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[A, A], B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[tuple[A, A]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class Zipping(Polymorphic, Generic[*Bs]):
    """An operator that puts values of other streams beside each value, of whatever type."""

    def __call__(self, stream: Stream[A]) -> Stream[tuple[A, *Bs]]:
        result: Stream[tuple[A, *Bs]] = self._apply(stream)
        return result

    @overload
    def __or__(  # type: ignore[overload-overlap]  # what takes any type comes first
        self, step: Same
    ) -> "Zipping[*Bs]": ...
    @overload
    def __or__(self, step: Polymorphic) -> Operator[Any, Any]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[A, *Bs], C]) -> Operator[A, C]: ...
    @overload
    def __or__(self, step: Callable[[Stream[tuple[A, *Bs]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)
