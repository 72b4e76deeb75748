"""Operators that make of each value another, or several."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ackflow.operators.functions import call_each, check_function, name
from ackflow.streams.core import (
    Context,
    Interrupted,
    Joined,
    Operator,
    Run,
    Same,
    Shape,
    Split,
    Step,
    Token,
    Ungrouping,
)

A = TypeVar("A")
B = TypeVar("B")


class Map(Step):
    """Calls a function with each value."""

    name = "map"

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    @property
    def settings(self) -> dict[str, Any]:
        return {"f": self.function}

    def places(self, before: bool) -> bool:
        return False

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        function = self.function

        def apply(run: Run[Any]) -> Run[Any]:
            return Run(call_each("op.map(f)", function, run), run.tokens)

        return apply


def map(f: Callable[[A], B]) -> Operator[A, B]:
    """Replace each value by `f(value)`.

    Example:
        await (streams.of(1, 2) | op.map(str) | sinks.to_list())      # ['1', '2']

    Acks: passes. A value that `f` raises for fails by itself, by its source's policy. After `chunk`
    the value is the whole list and stays one unit; `map_chunk` keeps its members apart.
    Raises TypeError, where it is written, for a coroutine function: use `map_async`.
    """
    check_function("op.map(f)", f, instead="op.map_async(f)")
    return Operator(Map(f))


class MapChunk(Step):
    """Calls a function with each chunk, whose members keep their places."""

    name = "map_chunk"

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    @property
    def settings(self) -> dict[str, Any]:
        return {"f": self.function}

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        def apply(run: Run[Any]) -> Run[Any]:
            chunks = call_each("op.map_chunk(f)", self._checked, run)
            return self._drop_failed(context, Run(chunks, run.tokens))

        return apply

    def _checked(self, chunk: Sequence[Any]) -> list[Any]:
        result = list(self.function(chunk))
        if len(result) != len(chunk):
            raise RuntimeError(
                f"op.map_chunk(f): {name(self.function)} must return as many entries as it got, "
                f"{len(chunk)}, and returned {len(result)}; use op.map where places don't matter"
            )
        return result

    def _drop_failed(self, context: Context, run: Run[Any]) -> Run[Any]:
        """Settle the members whose entry is an exception, and go on with the rest."""
        values: list[Any] = []
        tokens: list[Token] = []
        for chunk, token in zip(run.values, run.tokens, strict=True):
            members = member_tokens(chunk, token, places=context.places)
            good = [(v, t) for v, t in zip(chunk, members, strict=True) if not _failed(v)]
            for value, member in zip(chunk, members, strict=True):
                if _failed(value):
                    context.session.failed([member], value, repr(self), value)
            if good:
                values.append([value for value, _ in good])
                tokens.append((Joined([member for _, member in good]), 0))
        return Run(values, tokens)


def _failed(value: object) -> bool:
    return isinstance(value, Exception)


def map_chunk(f: Callable[[Sequence[A]], Sequence[B | Exception]]) -> Operator[list[A], list[B]]:
    """Replace each chunk by `f(chunk)`, entry by entry.

    Example:
        op.chunk(256) | op.map_chunk(model.predict)

    Acks: keeps the members: `f` must return as many entries as it got; an exception as an entry fails
    that member alone; when `f` raises, the whole chunk fails.
    Raises TypeError, where it is written, for a coroutine function.
    """
    check_function("op.map_chunk(f)", f, instead="op.map_async(f)")
    return Operator(MapChunk(f))


class Tap(Step):
    """Calls a function with each value and hands the value on."""

    name = "tap"

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    @property
    def settings(self) -> dict[str, Any]:
        return {"f": self.function}

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        function = self.function

        def apply(run: Run[Any]) -> Run[Any]:
            try:
                call_each("op.tap(f)", function, run)
            except Interrupted as stop:
                done = run.part(0, stop.position)
                raise Interrupted(stop.error, done, stop.position) from None
            return run

        return apply


def tap(f: Callable[[A], object]) -> Same:
    """Call `f` with each value, and hand the value on as it is.

    Example:
        stream | op.tap(print) | sinks.count()

    Acks: passes. A value that `f` raises for fails by itself.
    Raises TypeError, where it is written, for a coroutine function.
    """
    check_function("op.tap(f)", f, instead="op.map_async(f)")
    return Same(Tap(f))


def member_tokens(values: Sequence[Any], token: Token, *, places: bool) -> Sequence[Token]:
    """Return one token per entry of a list: its members' own, or parts of the whole."""
    account, _ = token
    if places and isinstance(account, Joined) and len(account.tokens) == len(values):
        return account.tokens
    split = Split(token)
    tokens = [split.part() for _ in values]
    split.seal()
    return tokens


class Flatten(Step):
    """Takes sequences apart."""

    def __init__(self, name: str) -> None:
        self.name = name  # type: ignore[misc]

    def shape(self, before: Shape) -> Shape:
        return before[:-1]

    def places(self, before: bool) -> bool:
        return False

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        def apply(run: Run[Any]) -> Run[Any]:
            values: list[Any] = []
            tokens: list[Token] = []
            for position, (value, token) in enumerate(zip(run.values, run.tokens, strict=True)):
                try:
                    members = list(value)
                except Exception as error:
                    raise Interrupted(error, Run(values, tokens), position) from None
                values += members
                tokens += member_tokens(members, token, places=context.places)
            return Run(values, tokens)

        return apply


def flatten() -> Ungrouping:
    """Hand on the entries of each list, tuple or other iterable one by one.

    Example:
        await (streams.of([1, 2], [], [3]) | op.flatten() | sinks.to_list())    # [1, 2, 3]

    Acks: splits; after `chunk` the members have their own deliveries back. An empty one is accepted.
    """
    return Ungrouping(Flatten("flatten"))


def unchunk() -> Ungrouping:
    """Take chunks apart again: `chunk(n) | unchunk()` hands on what came in.

    Example:
        op.chunk(256) | op.map_chunk(embed) | op.unchunk()

    Acks: gives members their own deliveries back.
    """
    return Ungrouping(Flatten("unchunk"))
