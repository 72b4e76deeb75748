"""Run: the messages that are already there, values and tokens side by side."""

from collections.abc import Sequence
from itertools import chain, compress
from typing import Any, Generic, TypeVar

from ackflow.streams.core.token import Token, all_fresh, fresh, select, together

A = TypeVar("A")

WORK = 0.005
"""Seconds of work on one run after which it is handed on and the loop gets a turn."""


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

    def select(self, mask: Sequence[Any]) -> "Run[A]":
        """Return the messages for which the mask says yes."""
        return Run(list(compress(self.values, mask)), select(self.tokens, mask), self.error)

    def living(self) -> "Run[A]":
        """Leave out messages whose channel is gone: they come again by themselves (contract 8)."""
        return self if all_fresh(self.tokens) else self.select(list(map(fresh, self.tokens)))


def concatenate(runs: Sequence[Run[A]]) -> Run[A]:
    """Put runs together into one, in order."""
    if len(runs) == 1:
        return runs[0]
    values = list(chain.from_iterable([run.values for run in runs]))
    return Run(values, together([run.tokens for run in runs]))
