"""Run: the messages that are already there, values and tokens side by side."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from ackflow.streams.core.token import Token

A = TypeVar("A")


class Run(Generic[A]):
    """Messages that are already there: their values and their tokens in two parallel lists.

    A run with an `error` is one message that failed and travels to the next `catch`.
    """

    __slots__ = ("error", "tokens", "values")

    def __init__(
        self, values: list[A], tokens: Sequence[Token], error: Exception | None = None
    ) -> None:
        self.values = values
        self.tokens = tokens
        self.error = error

    def __len__(self) -> int:
        return len(self.values)

    def part(self, start: int, end: int | None = None) -> "Run[A]":
        """Return the messages from `start` up to `end`."""
        return Run(self.values[start:end], self.tokens[start:end])


def concatenate(runs: Sequence[Run[A]]) -> Run[A]:
    """Put runs together into one, in order."""
    if len(runs) == 1:
        return runs[0]
    values: list[A] = []
    tokens: list[Token] = []
    for run in runs:
        values += run.values
        tokens += run.tokens
    return Run(values, tokens)
