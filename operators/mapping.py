"""Operators that make of each value another, or several."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ackflow.operators.functions import OfFunction, call_each, check_function, name
from ackflow.operators.variables import A, B
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
    call_function,
    shown,
)


class Map(OfFunction, Step):
    """Calls a function with each value."""

    name = "map"

    def places(self, before: int) -> int:
        return 0

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


class MapChunk(OfFunction, Step):
    """Calls a function with each chunk, whose members keep their places."""

    name = "map_chunk"

    def places(self, before: int) -> int:
        return min(before, 1)

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        def apply(run: Run[Any]) -> Run[Any]:
            try:
                chunks = call_each("op.map_chunk(f)", self._checked, run)
            except Interrupted as stop:
                before = run.part(0, stop.position)
                done = self._drop_failed(context, before, stop.done.values)
                raise Interrupted(stop.error, done, stop.position) from None
            return self._drop_failed(context, run, chunks)

        return apply

    def _checked(self, chunk: Sequence[Any]) -> list[Any]:
        answer = call_function("op.map_chunk(f)", self.function, chunk)
        if not isinstance(answer, Iterable):
            raise TypeError(
                f"op.map_chunk(f): {name(self.function)} must return one entry per member, "
                f"got {shown(answer)}; use op.map where members need not be told apart"
            )
        result = list(answer)
        if len(result) != len(chunk):
            raise TypeError(
                f"op.map_chunk(f): {name(self.function)} must return as many entries as it got, "
                f"{len(chunk)}, and returned {len(result)}; use op.map where places don't matter"
            )
        return result

    def _drop_failed(self, context: Context, run: Run[Any], chunks: list[list[Any]]) -> Run[Any]:
        """Settle the members whose entry is an exception, and go on with the rest."""
        values: list[Any] = []
        tokens: list[Token] = []
        for before, chunk, token in zip(run.values, chunks, run.tokens, strict=True):
            if any(_failed(entry) for entry in chunk):
                chunk, token = self._good(context, before, chunk, token)
                if not chunk:
                    continue
            values.append(chunk)
            tokens.append(token)
        return Run(values, tokens)

    def _good(
        self, context: Context, before: Sequence[Any], chunk: list[Any], token: Token
    ) -> tuple[list[Any], Token]:
        """Return the entries of a chunk that are no failures, having settled those that are."""
        members = member_tokens(chunk, token, places=context.places > 0)
        good: list[Any] = []
        kept: list[Token] = []
        for value, entry, member in zip(before, chunk, members, strict=True):
            if _failed(entry):
                context.failed(Run([value], [member], entry))
            else:
                good.append(entry)
                kept.append(member)
        return good, (Joined(kept), 0)


def _failed(value: object) -> bool:
    return isinstance(value, Exception)


def map_chunk(f: Callable[[list[A]], Sequence[B | Exception]]) -> Operator[list[A], list[B]]:
    """Replace each chunk by `f(chunk)`, entry by entry.

    Example:
        op.chunk(256) | op.map_chunk(model.predict)

    Acks: keeps the members: `f` must return as many entries as it got; an exception as an entry fails
    that member alone; when `f` raises, the whole chunk fails.
    Raises TypeError, where it is written, for a coroutine function.
    """
    check_function("op.map_chunk(f)", f, instead="op.map_async(f)")
    return Operator(MapChunk(f))


class Tap(OfFunction, Step):
    """Calls a function with each value and hands the value on."""

    name = "tap"

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


def tap(f: Callable[[Any], object]) -> Same:
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

    def places(self, before: int) -> int:
        return max(0, before - 1)

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
                tokens += member_tokens(members, token, places=context.places > 0)
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
    """Take chunks apart again: what `chunk` joined is handed on value by value.

    Example:
        op.chunk(256) | op.map_chunk(embed) | op.unchunk()

    Acks: gives members their own deliveries back.
    """
    return Ungrouping(Flatten("unchunk"))
