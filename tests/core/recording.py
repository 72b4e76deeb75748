"""An account that writes down what is settled in it."""

from collections.abc import Iterator, Sequence, Set
from typing import Any

from ackflow.streams.core import Delivery, FailurePolicy, Outcome, Run, Token


class Recording:
    """Stands in for a source: keeps the outcome of each tag, and judges by the default policy."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.calls: list[list[int]] = []
        self.closed = False

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        assert not self.outcomes.keys() & set(tags), "settled twice"
        self.calls.append(list(tags))
        self.outcomes.update(dict.fromkeys(tags, outcome))

    def judge(self, error: Exception) -> Outcome:
        return FailurePolicy().judge(error)

    def eased(self) -> None:
        """Nobody waits for it."""

    def wholes(self, tags: Set[int]) -> Sequence[Any]:
        return ()

    def roots(self, tag: int) -> Iterator[Any]:
        yield (self, tag)

    def watch(self, tag: int, heard: Any) -> None:
        """Nobody is told."""

    def delivery(self, tag: int) -> Delivery | None:
        return Delivery(f"body {tag}")

    @property
    def kinds(self) -> dict[int, str]:
        """The name of the outcome of each tag."""
        return {tag: outcome.kind.name for tag, outcome in sorted(self.outcomes.items())}

    def run(self, *values: Any) -> Run[Any]:
        """A run of values, with the tags 0, 1, 2, …"""
        tokens: list[Token] = [(self, tag) for tag in range(len(values))]
        return Run(list(values), tokens)
