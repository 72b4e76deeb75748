"""operator: operators of one's own."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import wraps
from typing import Any, Concatenate, Never, ParamSpec, TypeAlias, TypeVar

from ackflow.streams.core import Context, Message, Operator, Run, Stage, check_count, close, shown

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")


class Custom(Stage):
    """A user's async generator over messages."""

    def __init__(
        self, function: Callable[..., Any], args: Any, options: dict[str, Any], holds: int | None
    ) -> None:
        self.function = function
        self.name = function.__name__  # type: ignore[misc]
        self.holds = holds
        self._args = args
        self._options = options

    @property
    def settings(self) -> dict[str, Any]:
        bound = inspect.signature(self.function).bind(None, *self._args, **self._options)
        return dict(list(bound.arguments.items())[1:])

    def places(self, before: int) -> int:
        return 0

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        messages = self._messages(context, upstream)
        results = self.function(messages, *self._args, **self._options)
        async with aclosing(messages), aclosing(results):
            async for message in results:
                if not isinstance(message, Message):
                    raise TypeError(
                        f"@op.operator {self.name}: must yield messages, got {shown(message)}; "
                        "message.with_value(value) makes one"
                    )
                yield Run([message.value], [message.token()])

    async def _messages(
        self, context: Context, upstream: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Message[Any]]:
        try:
            async for run in upstream:
                if run.error is not None:
                    context.failed(run)
                    continue
                for value, token in zip(run.values, run.tokens, strict=True):
                    yield Message(value, token, context.session, context.name, context.places)
        finally:
            await close(upstream)


Function: TypeAlias = Callable[Concatenate[AsyncIterator[Message[A]], P], AsyncIterator[Message[B]]]


def operator(
    *misplaced: Never, holds: int | None = None
) -> Callable[[Function[A, P, B]], Callable[P, Operator[A, B]]]:
    """Make an operator of an async generator function from messages to messages.

    Example:
        @op.operator(holds=1)
        async def pairwise(messages):
            before = None
            async for message in messages:
                yield message.with_value((before, message.value))
                before = message.value

        await (streams.of(1, 2) | pairwise() | sinks.to_list())       # [(None, 1), (1, 2)]

    Further parameters of the function are those of the operator. `holds`: how many messages it keeps
    back at most; an operator that leaves it out needs an explicit prefetch.
    Acks: yours: yield each message on (`with_value`, `split`), or settle it (`skip`, `fail`, `accept`).
    Raises TypeError, where it is written, for what is no async generator function.
    """
    if misplaced:
        raise TypeError(
            f"@op.operator: must be written with parentheses, got {shown(misplaced[0])} at once; "
            "write @op.operator(holds=…)"
        )
    if holds is not None:
        check_count("op.operator(holds)", holds, 0, "leave it out where it is not known")

    def decorate(function: Function[A, P, B]) -> Callable[P, Operator[A, B]]:
        _check_generator(function)

        @wraps(function)
        def make(*args: P.args, **options: P.kwargs) -> Operator[A, B]:
            try:
                inspect.signature(function).bind(None, *args, **options)
            except TypeError as error:
                raise TypeError(f"{function.__name__}(): {error}") from None
            return Operator(Custom(function, args, options, holds))

        return make

    return decorate


def _check_generator(function: object) -> None:
    if not inspect.isasyncgenfunction(function):
        raise TypeError(
            f"@op.operator: must be an async generator function, got {shown(function)}; "
            "op.map(f) and op.flat_map(f) make operators of others"
        )
