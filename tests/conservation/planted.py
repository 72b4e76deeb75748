"""Operators and sinks that lose messages, to see that the model finds them."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ackflow import operators as op
from ackflow.streams import Message
from ackflow.streams.core import ACCEPTED, NOBODY, SKIPPED, Context, Operator, Run, Stage, settle


class Robber(Stage):
    """Settles every third message, and hands it on no more."""

    name = "robber"
    holds = 0
    passes_failures = True

    def __init__(self) -> None:
        self.seen = 0

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        async for run in inputs[0]:
            for position in range(len(run)):
                self.seen += 1
                one = run.part(position, position + 1)
                if run.error is None and self.seen % 3 == 0:
                    settle(one.tokens, SKIPPED)
                else:
                    yield one if run.error is None else run
                    if run.error is not None:
                        break


def robber() -> Operator[Any, Any]:
    return Operator(Robber())


class Early(Robber):
    """Acks what it hands on."""

    name = "early"

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        async for run in inputs[0]:
            if run.error is None:
                settle(run.tokens, ACCEPTED)
                yield Run(run.values, [(NOBODY, 0)] * len(run))
            else:
                yield run


def early() -> Operator[Any, Any]:
    return Operator(Early())


@op.operator(holds=0)
async def forgetful(messages: AsyncIterator[Message[Any]]) -> AsyncIterator[Message[Any]]:
    """Forget every third message, without settling it."""
    seen = 0
    async for message in messages:
        seen += 1
        if seen % 3:
            yield message
