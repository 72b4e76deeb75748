"""What was seen: how often each message was handed out, and what went into and came out of operators."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tests.conservation.values import Body, Part, Value


class Journal:
    """What all that looks at one pipeline has written down."""

    def __init__(self) -> None:
        self.run = 0
        """The number of the run that is under way."""
        self.broken: set[int] = set()
        """Runs in which a connection was lost."""
        self.handings: Counter[Body] = Counter()
        self.buried: dict[Body, int] = {}
        """Messages that the dead letter has accepted, and how often they had been handed out then."""

    def stamp(self, body: Body) -> Value:
        """Return the value of a message that was handed out just now."""
        self.handings[body] += 1
        return self.latest(body)

    def latest(self, body: Body) -> Value:
        """Return the value that a message had when it was handed out the last time."""
        return Value((Part(body, self.handings[body]),))

    def bury(self, body: Body) -> None:
        """Note that the dead letter has accepted a message as it was handed out the last time."""
        self.buried[body] = self.handings[body]

    def excused(self, body: Body) -> bool:
        """Say whether the dead letter has what was handed out last."""
        return self.buried.get(body) == self.handings[body]


class Entry(NamedTuple):
    """A value that went into an operator, by which of its streams."""

    value: Value
    side: int
    run: int
    time: float


class Exit(NamedTuple):
    """A value that came out of an operator, and those that it was made of."""

    value: Value
    origins: Sequence[Value]
    run: int
    time: float


class Passage:
    """What went into one operator and came out of it, in order."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.entries: list[Entry] = []
        self.exits: list[Exit] = []
        self._entered: dict[Value, int] = {}
        self._made: dict[Value, list[int]] = {}

    def enter(self, value: Value, side: int = 0) -> Value:
        """Note that a value goes in."""
        self._entered[value] = len(self.entries)
        self.entries.append(Entry(value, side, self.journal.run, _now()))
        return value

    def leave(self, value: Value, origins: Sequence[Value]) -> Value:
        """Note that a value comes out."""
        for origin in dict.fromkeys(origins):
            self._made.setdefault(origin, []).append(len(self.exits))
        self.exits.append(Exit(value, origins, self.journal.run, _now()))
        return value

    def position(self, value: Value) -> int | None:
        """Return where among the entries a value is, or None."""
        return self._entered.get(value)

    def made_of(self, value: Value) -> list[int]:
        """Return which exits have been made of a value that went in."""
        return self._made.get(value, [])

    def neighbours(self, position: int) -> tuple[list[Entry], list[Entry]]:
        """Return what went in before and after, in the same run."""
        run = self.entries[position].run
        before = [each for each in self.entries[:position] if each.run == run]
        return before, [each for each in self.entries[position + 1 :] if each.run == run]


def _now() -> float:
    return asyncio.get_running_loop().time()
