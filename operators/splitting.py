"""flat_map: several values of each."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from itertools import islice
from typing import Any, TypeVar

from ackflow.operators.functions import check_function, name
from ackflow.streams.core import Context, Operator, Run, Split, Stage, Token, close

A = TypeVar("A")
B = TypeVar("B")

PARTS = 256
"""Parts that are handed on together at most: an iterable may be endless."""


class FlatMap(Stage):
    """Hands on the parts that a function makes of each value."""

    name = "flat_map"

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    @property
    def settings(self) -> dict[str, Any]:
        return {"f": self.function}

    def places(self, before: bool) -> bool:
        return False

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        try:
            async for run in upstream:
                if run.error is not None:
                    context.session.failed(run.tokens, run.error, repr(self), run.values[0])
                    continue
                async with aclosing(self._parts(context, run)) as parts:
                    async for part in parts:
                        yield part
        finally:
            await close(upstream)

    async def _parts(self, context: Context, run: Run[Any]) -> AsyncGenerator[Run[Any]]:
        """Hand on the parts of the messages in a run, up to PARTS at a time."""
        values: list[Any] = []
        tokens: list[Token] = []
        for value, token in zip(run.values, run.tokens, strict=True):
            split = Split(token)
            try:
                async with aclosing(self._several(value)) as several:
                    async for some in several:
                        values += some
                        tokens += [split.part() for _ in some]
                        if len(values) >= PARTS:
                            yield Run(values, tokens)
                            values, tokens = [], []
            except Exception as error:
                context.session.record(error, repr(self), value)
                split.seal(split.judge(error))
            else:
                split.seal()
        if values:
            yield Run(values, tokens)

    async def _several(self, value: Any) -> AsyncGenerator[list[Any]]:
        """Hand on what the function makes of a value: as it comes, or what is there."""
        parts = self.function(value)
        if isinstance(parts, AsyncIterable):
            async for part in parts:
                yield [part]
        elif isinstance(parts, Iterable):
            iterator = iter(parts)
            while some := list(islice(iterator, PARTS)):
                yield some
        else:
            raise TypeError(
                f"op.flat_map(f): {name(self.function)} must return an iterable or async iterable, "
                f"got {parts!r:.100}; use op.map for one value each"
            )


def flat_map(f: Callable[[A], Iterable[B] | AsyncIterable[B]]) -> Operator[A, B]:
    """Hand on every value that `f(value)` yields.

    Example:
        await (streams.of("to be", "or") | op.flat_map(str.split) | sinks.to_list())
        # ['to', 'be', 'or']

    Acks: splits: settled when the last part is, with the worst outcome; no parts at all is accepted.
    When `f` raises half way, the parts handed on go their way and the message fails with the error.
    Raises TypeError, where it is written, for a coroutine function.
    """
    check_function("op.flat_map(f)", f, instead="an async generator function, or op.map_async")
    return Operator(FlatMap(f))
