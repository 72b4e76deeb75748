"""Stages as somebody else might write them."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ackflow.streams.core import Context, Run, Stage, Stream


class Refusing(Stage):
    """Hands values on, those in `refused` as failures, whether or not a `catch` takes them."""

    name = "refusing"
    passes_failures = True

    def __init__(self, *refused: Any) -> None:
        self.refused = refused

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        async for run in upstream:
            for position, value in enumerate(run.values):
                part = run.part(position, position + 1)
                if value in self.refused:
                    part.error = ValueError(f"refused: {value}")
                yield part


def refusing(stream: Stream[Any], *refused: Any) -> Stream[Any]:
    return Stream(Refusing(*refused), stream)
