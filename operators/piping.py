"""pipe: several operators, and a sink, as one."""
# pyright: reportOverlappingOverload=false

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, TypeVar, overload

from ackflow.operators.variables import A, B, C, D, E, F, G, H, J, K, X
from ackflow.streams.core import Composable, Operator, Polymorphic, Same, Stream, shown
from ackflow.streams.core import OperatorLike as To

P = TypeVar("P", bound=Polymorphic)

MYPY = False
"""mypy alone takes it for True."""

# fmt: off
# mypy and pyright take the first that fits: what is for any type, then one to nine operators, then as
# many steps that end in a sink.


@overload
def pipe(  # type: ignore[overload-overlap]
    *steps: Same
) -> Same: ...
@overload
def pipe(a: P, /) -> P: ...
@overload
def pipe(a: Same, b: P, /) -> P: ...  # type: ignore[overload-overlap]
@overload
def pipe(a: P, b: Same, /) -> P: ...  # type: ignore[overload-overlap]
@overload
def pipe(*steps: Polymorphic) -> Operator[Any, Any]: ...
@overload
def pipe(a: Callable[[Stream[A]], Stream[B]], /) -> Operator[A, B]: ...
@overload
def pipe(a: Callable[[Stream[A]], Stream[B]], b: To[B, C], /) -> Operator[A, C]: ...
@overload
def pipe(a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], /) -> Operator[A, D]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], /
) -> Operator[A, E]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], /
) -> Operator[A, F]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: To[F, G], /
) -> Operator[A, G]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: To[F, G], g: To[G, H], /
) -> Operator[A, H]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: To[F, G], g: To[G, H], h: To[H, J], /
) -> Operator[A, J]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: To[F, G], g: To[G, H], h: To[H, J], i: To[J, K], /
) -> Operator[A, K]: ...

# pyright loses the type behind several steps for any type at the front.
if not MYPY:
    @overload
    def pipe(a: To[Any, B], b: To[B, C], /) -> Operator[Any, C]: ...
    @overload
    def pipe(a: To[Any, B], b: To[B, C], c: To[C, D], /) -> Operator[Any, D]: ...
    @overload
    def pipe(a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], /) -> Operator[Any, E]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], /
    ) -> Operator[Any, F]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], f: To[F, G], /
    ) -> Operator[Any, G]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], f: To[F, G],
        g: To[G, H], /
    ) -> Operator[Any, H]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], f: To[F, G],
        g: To[G, H], h: To[H, J], /
    ) -> Operator[Any, J]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], f: To[F, G],
        g: To[G, H], h: To[H, J], i: To[J, K], /
    ) -> Operator[Any, K]: ...


@overload
def pipe(a: Callable[[Stream[A]], X], /) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: Callable[[Stream[B]], X], /
) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: Callable[[Stream[C]], X], /
) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: Callable[[Stream[D]], X], /
) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E],
    e: Callable[[Stream[E]], X], /
) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: Callable[[Stream[F]], X], /
) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: To[F, G], g: Callable[[Stream[G]], X], /
) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: To[F, G], g: To[G, H], h: Callable[[Stream[H]], X], /
) -> Callable[[Stream[A]], X]: ...
@overload
def pipe(
    a: Callable[[Stream[A]], Stream[B]], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
    f: To[F, G], g: To[G, H], h: To[H, J], i: Callable[[Stream[J]], X], /
) -> Callable[[Stream[A]], X]: ...

if not MYPY:
    @overload
    def pipe(a: To[Any, B], b: Callable[[Stream[B]], X], /) -> Callable[[Stream[Any]], X]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: Callable[[Stream[C]], X], /
    ) -> Callable[[Stream[Any]], X]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: Callable[[Stream[D]], X], /
    ) -> Callable[[Stream[Any]], X]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: Callable[[Stream[E]], X], /
    ) -> Callable[[Stream[Any]], X]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F],
        f: Callable[[Stream[F]], X], /
    ) -> Callable[[Stream[Any]], X]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], f: To[F, G],
        g: Callable[[Stream[G]], X], /
    ) -> Callable[[Stream[Any]], X]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], f: To[F, G],
        g: To[G, H], h: Callable[[Stream[H]], X], /
    ) -> Callable[[Stream[Any]], X]: ...
    @overload
    def pipe(
        a: To[Any, B], b: To[B, C], c: To[C, D], d: To[D, E], e: To[E, F], f: To[F, G],
        g: To[G, H], h: To[H, J], i: Callable[[Stream[J]], X], /
    ) -> Callable[[Stream[Any]], X]: ...


# More than nine.


@overload
def pipe(
    a: Composable, b: Composable, c: Composable, d: Composable, e: Composable, f: Composable,
    g: Composable, h: Composable, i: Composable, j: Composable, /, *more: Composable
) -> Operator[Any, Any]: ...
@overload
def pipe(
    a: Composable, b: Composable, c: Composable, d: Composable, e: Composable, f: Composable,
    g: Composable, h: Composable, i: Composable, j: Any, /, *more: Any
) -> Callable[[Stream[Any]], Any]: ...
# fmt: on
def pipe(*steps: Any) -> Any:
    """Compose operators, and a sink at the end where there is one, into one.

    Example:
        clean = op.pipe(op.map(str.strip), op.filter(bool), op.map(str.lower))
        counting = op.pipe(clean, op.chunk(3), op.map(len), sinks.count())
        streams.files.lines("words.txt") | counting

    No step at all hands on what comes. mypy and pyright know the types of up to nine steps, from one to
    the next; of more they see Operator[Any, Any]. Where several steps for any type, such as `chunk`,
    stand at the front and the type shows only behind them, mypy is the one that finds it; where it shows
    nowhere, both see Any.
    Acks: those of its parts.
    Raises TypeError, where it is written, for what is neither operator nor sink, and for what comes
    after a sink.
    """
    _check(steps)
    return reduce(or_, steps) if steps else Same()


def _check(steps: tuple[Any, ...]) -> None:
    """Raise unless all steps are operators but the last, which may be a sink."""
    for number, step in enumerate(steps, 1):
        if isinstance(step, Composable):
            continue
        if not (callable(step) or hasattr(step, "write")):
            raise TypeError(
                "op.pipe(*steps): each must be an operator or a sink, "
                f"got {shown(step)} as step {number}; op.map(function) makes an operator of a "
                "function, and a stream comes before: stream | op.pipe(…)"
            )
        if number < len(steps):
            raise TypeError(
                f"op.pipe(*steps): nothing must come after a sink, got {shown(steps[number])} "
                f"after {shown(step)}; sinks.tee(…) writes to several sinks"
            )
