"""lift: aiostream's own operators over tracked messages.

Only those that work in lockstep can be: what they have pulled and not handed on is known at any time.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from ackflow.operators.lifted import check_lifted
from ackflow.streams.core import (
    GIVEN_BACK,
    NOBODY,
    SKIPPED,
    Concat,
    Context,
    Operator,
    Run,
    Stage,
    Stream,
    Token,
    call_function,
    close,
    from_iterable,
    settle,
    shown,
)

LOCKSTEP = frozenset(
    [
        "delay",
        "spaceout",
        "timeout",
        "print",
        "take",
        "until",
        "chain",
        "action",
        "filter",
        "skip",
        "dropwhile",
        "takewhile",
        "getitem",
        "map",
        "smap",
        "starmap",
        "enumerate",
        "accumulate",
    ]
)
WHILE_TRUE = frozenset(["takewhile", "dropwhile"])
"""Operators that a false answer of their function ends: one that fails for a value must not."""
INSTEAD = {
    "amap": "op.map_async",
    "chunks": "op.chunk",
    "concat": "op.concat, or op.flat_map for a stream of iterables",
    "concatmap": "op.flat_map",
    "cycle": "streams.from_iterable over itertools.cycle: a queue's messages come once",
    "flatmap": "op.flat_map",
    "flatten": "op.flatten, or op.flat_map for a stream of async iterables",
    "list": "sinks.to_list",
    "merge": "op.merge",
    "preserve": "the stream itself",
    "reduce": "sinks.reduce, or op.scan for each state on the way",
    "skiplast": "sinks.to_list: what comes last is known at the end only",
    "switch": "op.switch_map",
    "switchmap": "op.switch_map",
    "takelast": "sinks.last, or sinks.to_list: what comes last is known at the end only",
    "zip": "op.zip",
    "ziplatest": "op.zip_latest",
}
"""What to use for the operators that buffer, join or split."""
SOURCES = frozenset(
    ["call", "count", "empty", "iterate", "just", "never", "range", "repeat", "throw"]
)


class Lift(Stage):
    """One of aiostream's lockstep operators."""

    def __init__(self, operator: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.operator = operator
        self.name = f"lift({operator_name(operator)})"  # type: ignore[misc]
        self._args = args
        self._options = options

    @property
    def settings(self) -> dict[str, Any]:
        return {**{f"_{i}": arg for i, arg in enumerate(self._args)}, **self._options}

    def places(self, before: int) -> int:
        return 0

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Lockstep(self, context, inputs[0]).runs()

    @property
    def undecided(self) -> Any:
        """What a function answers for a value that it fails for."""
        return True if operator_name(self.operator) in WHILE_TRUE else None

    def applied(self, values: AsyncIterator[Any], guard: Callable[[Any], Any]) -> Any:
        """Return aiostream's stream, with every function it was given guarded."""
        args = [guard(arg) if callable(arg) else arg for arg in self._args]
        options = {key: guard(arg) if callable(arg) else arg for key, arg in self._options.items()}
        return self.operator(values, *args, **options)


class _Lockstep:
    """One lifted operator in one run: which message it works on, and what became of it."""

    def __init__(self, stage: Lift, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        self._stage = stage
        self._context = context
        self._upstream = upstream
        self._pulled: tuple[Any, Token] | None = None
        self._error: Exception | None = None
        self._ended = False

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand on what the operator does, with the token of what it pulled last."""
        values = self._values()
        try:
            async with self._stage.applied(values, self._guard).stream() as streamer:
                async for value in streamer:
                    pulled = self._emitted()
                    if pulled is not None:
                        yield Run([value], [pulled])
        finally:
            await values.aclose()
            self._let_go(final=True)
            await close(self._upstream)

    async def _values(self) -> AsyncGenerator[Any]:
        async with aclosing(self._upstream):  # type: ignore[type-var]
            async for run in self._upstream:
                if run.error is not None:
                    self._context.failed(run)
                    continue
                for pair in zip(run.values, run.tokens, strict=True):
                    self._pulled = pair
                    yield pair[0]
                    self._let_go()
        self._ended = True

    def _emitted(self) -> Token | None:
        """Return the token that goes on with what was emitted, unless a function failed for it."""
        if self._error is not None:
            return None
        if self._pulled is None:
            return (NOBODY, 0)
        (_, token), self._pulled = self._pulled, None
        return token

    def _let_go(self, final: bool = False) -> None:
        """Settle the message that was pulled and not handed on."""
        if self._pulled is None:
            return
        (value, token), self._pulled = self._pulled, None
        error, self._error = self._error, None
        if error is not None:
            self._context.failed(Run([value], [token], error))
        elif final and not self._ended:
            settle([token], GIVEN_BACK)
        else:
            settle([token], SKIPPED)

    def _guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Have an exception fail the message and not end the stream."""

        def guarded(*args: Any) -> Any:
            try:
                return call_function(f"op.{self._stage.name}", function, *args)
            except Exception as error:
                self._error = error
                return args[0] if len(args) > 1 else self._stage.undecided

        return guarded


def operator_name(operator: object) -> str:
    """Return the name of one of aiostream's operators."""
    return str(getattr(operator, "__name__", type(operator).__name__))


def lift(operator: Any, *args: Any, **options: Any) -> Operator[Any, Any]:
    """Apply one of aiostream's operators to tracked messages.

    Example:
        queue | op.lift(aiostream.stream.spaceout, 0.1) | sinks.each(call)

    It works for the operators that pull, hand on and drop one value at a time: action, accumulate,
    chain, delay, dropwhile, enumerate, filter, getitem, map, print, skip, smap, spaceout, starmap,
    take, takewhile, timeout, until. Functions given to them must be ordinary ones.
    `chain` is `op.concat`. When `timeout` finds a value late, the run ends with TimeoutError.
    Acks: what is handed on passes; what is dropped is skipped; what a `takewhile` stops at, and what
    lies beyond the end, is given back; a function that raises fails its message alone.
    Raises TypeError or ValueError, where it is written, for arguments that can't be meant, and for
    operators that buffer, join or split: they can't be tracked; the error names ackflow's own.
    """
    title = operator_name(operator)
    module = str(getattr(operator, "__module__", ""))
    if not (module.startswith("aiostream.stream") and hasattr(operator, "raw")):
        raise TypeError(
            "op.lift(operator): must be one of aiostream.stream's, such as aiostream.stream.spaceout, "
            f"got {shown(operator)}; @op.operator makes operators of one's own"
        )
    if title not in LOCKSTEP:
        raise TypeError(f"op.lift({title}): must be one that can be tracked, but {_refusal(title)}")
    if title == "chain":
        return Operator(Concat(tuple(map(_stream, args))))
    check_lifted(title, operator, args, options)
    return Operator(Lift(operator, args, options))


def _refusal(title: str) -> str:
    """Say why an operator can't be lifted, and what to use."""
    if title in SOURCES:
        return (
            f"it makes a stream of its own; use streams.from_iterable(aiostream.stream.{title}(…))"
        )
    own = INSTEAD.get(title, "@op.operator, which makes operators of one's own")
    return f"what it lets go of can't be tracked; use {own}"


def _stream(source: Any) -> Stream[Any]:
    return source if isinstance(source, Stream) else from_iterable(source)
