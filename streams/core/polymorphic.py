"""Operators for values of any type, whose results have a type that depends on it."""
# pyright: reportAssignmentType=false

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar, TypeVarTuple, cast, overload

from ackflow.streams.core.operator import Composable, Operator, OperatorLike
from ackflow.streams.core.stream import Stream

A = TypeVar("A")
B = TypeVar("B")
X = TypeVar("X")
A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
P = TypeVar("P", bound="Polymorphic")
Bs = TypeVarTuple("Bs")

MYPY = False
"""mypy alone takes it for True.

mypy takes the type variables of a plain generic `__call__` for the same in all steps of an `op.pipe`,
which refuses two chunks in one. What a descriptor returns has type variables of its own each time;
pyright, in turn, asks for the plain one.
"""


class Polymorphic(Composable):
    """An operator for values of any type."""

    of_any_type: Literal[True] = True


class PolymorphicLike(OperatorLike[A_contra, B_co], Protocol[A_contra, B_co]):
    """An operator for values of any type, where that type is A.

    Two of them composed before any stream have a type that can't be written down, unless it is one of
    those below: the checkers see Any where the type of the values would be.
    """

    @property
    def of_any_type(self) -> Literal[True]:
        """What tells it from an operator for one type."""
        ...


class _SameCall(Protocol):
    def __get__(self, operator: Any, owner: object) -> Callable[[Stream[A]], Stream[A]]: ...


class Same(Polymorphic):
    """An operator that hands on what it gets, of whatever type."""

    if MYPY:
        __call__ = cast("_SameCall", None)
    else:

        def __call__(self, stream: Stream[A]) -> Stream[A]:
            return self._apply(stream)

    @overload
    def __or__(self, step: P) -> P: ...
    @overload
    def __or__(self, step: OperatorLike[A, B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[A]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class _GroupingCall(Protocol):
    def __get__(self, operator: Any, owner: object) -> Callable[[Stream[A]], Stream[list[A]]]: ...


class Grouping(Polymorphic):
    """An operator that joins values, of whatever type, into lists of them."""

    if MYPY:
        __call__ = cast("_GroupingCall", None)
    else:

        def __call__(self, stream: Stream[A]) -> Stream[list[A]]:
            return self._apply(stream)

    @overload
    def __or__(  # type: ignore[overload-overlap]
        self, step: Same
    ) -> "Grouping": ...
    @overload
    def __or__(self, step: "Ungrouping") -> Same: ...
    @overload
    def __or__(self, step: PolymorphicLike[list[Any], B]) -> Operator[Any, B]: ...
    @overload
    def __or__(self, step: OperatorLike[Sequence[object], B]) -> Operator[object, B]: ...
    @overload
    def __or__(self, step: OperatorLike[list[A], B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[list[A]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class _UngroupingCall(Protocol):
    def __get__(
        self, operator: Any, owner: object
    ) -> Callable[[Stream[Sequence[A]]], Stream[A]]: ...


class Ungrouping(Polymorphic):
    """An operator that takes sequences, of whatever type, apart."""

    if MYPY:
        __call__ = cast("_UngroupingCall", None)
    else:

        def __call__(self, stream: Stream[Sequence[A]]) -> Stream[A]:
            return self._apply(stream)

    @overload
    def __or__(  # type: ignore[overload-overlap]
        self, step: Same
    ) -> "Ungrouping": ...
    @overload
    def __or__(self, step: PolymorphicLike[Any, B]) -> Operator[Sequence[Any], B]: ...
    @overload
    def __or__(self, step: OperatorLike[A, B]) -> Operator[Sequence[A], B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[A]], X]) -> Callable[[Stream[Sequence[A]]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class _EnumeratingCall(Protocol):
    def __get__(
        self, operator: Any, owner: object
    ) -> Callable[[Stream[A]], Stream[tuple[int, A]]]: ...


class Enumerating(Polymorphic):
    """An operator that puts a number beside each value, of whatever type."""

    if MYPY:
        __call__ = cast("_EnumeratingCall", None)
    else:

        def __call__(self, stream: Stream[A]) -> Stream[tuple[int, A]]:
            return self._apply(stream)

    @overload
    def __or__(  # type: ignore[overload-overlap]
        self, step: Same
    ) -> "Enumerating": ...
    @overload
    def __or__(self, step: PolymorphicLike[tuple[int, Any], B]) -> Operator[Any, B]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[int, object], B]) -> Operator[object, B]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[int, A], B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[tuple[int, A]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class _PairingCall(Protocol):
    def __get__(
        self, operator: Any, owner: object
    ) -> Callable[[Stream[A]], Stream[tuple[A, A]]]: ...


class Pairing(Polymorphic):
    """An operator that puts each value, of whatever type, beside the one before."""

    if MYPY:
        __call__ = cast("_PairingCall", None)
    else:

        def __call__(self, stream: Stream[A]) -> Stream[tuple[A, A]]:
            return self._apply(stream)

    @overload
    def __or__(  # type: ignore[overload-overlap]
        self, step: Same
    ) -> "Pairing": ...
    @overload
    def __or__(self, step: PolymorphicLike[tuple[Any, Any], B]) -> Operator[Any, B]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[object, object], B]) -> Operator[object, B]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[A, A], B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[tuple[A, A]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)


class _ZippingCall(Protocol[*Bs]):
    def __get__(
        self, operator: Any, owner: object
    ) -> Callable[[Stream[A]], Stream[tuple[A, *Bs]]]: ...


class Zipping(Polymorphic, Generic[*Bs]):
    """An operator that puts values of other streams beside each value, of whatever type."""

    if MYPY:
        __call__ = cast("_ZippingCall[*Bs]", None)
    else:

        def __call__(self, stream: Stream[A]) -> Stream[tuple[A, *Bs]]:
            return self._apply(stream)

    @overload
    def __or__(  # type: ignore[overload-overlap]
        self, step: Same
    ) -> "Zipping[*Bs]": ...
    @overload
    def __or__(self, step: PolymorphicLike[tuple[Any, *Bs], B]) -> Operator[Any, B]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[object, *Bs], B]) -> Operator[object, B]: ...
    @overload
    def __or__(self, step: OperatorLike[tuple[A, *Bs], B]) -> Operator[A, B]: ...
    @overload
    def __or__(self, step: Callable[[Stream[tuple[A, *Bs]]], X]) -> Callable[[Stream[A]], X]: ...
    def __or__(self, step: Any) -> Any:
        """Compose with an operator or a sink."""
        return self._compose(step)
