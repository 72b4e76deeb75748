"""The account of one message: what was made of it when it was handed out last, and where that is."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ackflow import operators as op
from tests.conservation.gates import Gate
from tests.conservation.journal import Journal, Passage
from tests.conservation.steps import Step
from tests.conservation.values import Body, Value


class Guarded:
    """A gate in a pipeline, with what went in and came out."""

    def __init__(self, name: str, gate: Gate, journal: Journal) -> None:
        self.name = name
        self.gate = gate
        self.passage = Passage(journal)

    def entrance(self, side: int = 0) -> Any:
        """Return the operator that writes down what goes in."""
        return op.map(lambda value: self.passage.enter(value, side))

    def exit(self) -> Any:
        """Return the operator that writes down what comes out."""
        return op.map(lambda result: self.gate.leave(self.passage, result))

    def follow(
        self, values: Sequence[Value], arrived: Callable[[Value], bool]
    ) -> tuple[list[Value], list[str]]:
        """Return what has come out for values, and what is wrong with that."""
        made: dict[int, Value] = {}
        wrong: list[str] = []
        for value in values:
            position = self.passage.position(value)
            if position is None:
                wrong.append(f"{value} never came to {self.name}")
            elif not self.gate.rule(self.passage, position, arrived):
                wrong.append(f"{value} went into {self.name}, which had no reason to drop it")
            exits = self.passage.made_of(value)
            for number in exits[:1] if self.gate.first_only else exits:
                made[number] = self.passage.exits[number].value
        return list(made.values()), wrong


Link: TypeAlias = Step | Guarded


class Account:
    """What has to have arrived where."""

    def __init__(
        self, journal: Journal, links: Sequence[Sequence[Link]], required: Callable[[], list[Any]]
    ) -> None:
        """`links`: of each queue, what its messages go through."""
        self._journal = journal
        self._links = links
        self._required = required

    def wrong(self, body: Body) -> list[str]:
        """Return what is missing of a message that is acked."""
        if self._journal.excused(body):
            return []
        return self._follow([self._journal.latest(body)], self._links[body[0]])

    def _follow(self, values: list[Value], links: Sequence[Link]) -> list[str]:
        for position, link in enumerate(links):
            if isinstance(link, Step):
                values = link.model(values)
                continue
            rest = links[position + 1 :]
            values, wrong = link.follow(
                values, lambda each, rest=rest: not self._follow([each], rest)
            )
            if wrong:
                return wrong
        missing = [Counter(values) - accepted for accepted in self._required()]
        return [f"{value} is in no store" for counter in missing for value in counter.elements()]
