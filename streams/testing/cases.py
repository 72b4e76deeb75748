"""OperatorCase: an operator and what it is to be, as the laws need to know it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ackflow.streams.core import Composable, demand, shown

Function = Callable[[Any], Any]


def same(value: Any) -> Any:
    """Return the value: the function that laws give an operator where it is not to fail."""
    return value


def nothing(values: list[Any]) -> list[Any]:
    """Return no values."""
    return []


def none(values: list[Any]) -> int:
    """Return 0."""
    return 0


@dataclass(frozen=True)
class OperatorCase:
    """An operator, what it is to be on lists, and which laws say something about it.

    Example:
        OperatorCase(lambda f: op.map(f) | op.filter(bool), lambda xs: [x for x in xs if x])

    `make` is given a function of one value, which returns it or raises, and returns the operator that
    calls it; an operator that calls nothing ignores it. `model` says what comes out, on lists.
    """

    make: Callable[[Function], Any]
    model: Callable[[list[Any]], list[Any]]
    calls: bool = True
    """Whether it calls the function once for each value, and a failure is that value's alone."""
    ordered: bool = True
    """Whether what comes out has the order of the model."""
    elementwise: bool = True
    """Whether what comes out for a value does not hang on the values before it."""
    back: Callable[[list[Any]], list[Any]] = nothing
    """Which values are given back, untouched."""
    skipped: Callable[[list[Any]], int] = none
    """How many values are dropped on purpose, and acked."""
    extra: int = 0
    """How many values come from streams of the operator's own."""
    values: Any = None
    """What goes in: a list to choose from, or a Hypothesis strategy; None for small whole numbers."""

    @property
    def operator(self) -> Any:
        """The operator, around a function that changes nothing."""
        return self.make(same)

    @property
    def bound(self) -> int | None:
        """How many messages the operator holds at most, by what its stages declare; None: unknown."""
        needed = demand(self.operator.stages)
        return None if needed.unknown else needed.sum

    @property
    def prefetches(self) -> list[int | None]:
        """Prefetch counts to try: the derived one, and small ones that it can work with."""
        least = max(3, demand(self.operator.stages).largest)
        return [64 if self.bound is None else None, least, least + 2]

    def __str__(self) -> str:
        return repr(self.operator)


def case_of(make: Any, calls: bool | None, **fields: Any) -> OperatorCase:
    """Make a case of a function that makes an operator, or of an operator itself."""
    if isinstance(make, Composable):
        return OperatorCase(lambda _: make, calls=bool(calls), **fields)
    if not callable(make):
        raise TypeError(
            "testing.check_operator(make): must be an operator, or a function that is given a function "
            f"and returns one, got {shown(make)}; lambda f: op.map(f) is one"
        )
    return OperatorCase(make, calls=calls is not False, **fields)


def flat(values: Sequence[Any]) -> list[Any]:
    """Return what is in lists, however deep; a value that is no list is its own."""
    return [v for value in values for v in (flat(value) if isinstance(value, list) else [value])]
