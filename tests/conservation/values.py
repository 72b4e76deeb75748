"""Values that say which messages they are made of, and what was done to them on their way."""

from dataclasses import dataclass
from typing import TypeAlias

Body: TypeAlias = tuple[int, int]
"""What is in a queue: the number of the queue, and that of the message in it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one message, handed out for the nth time."""

    body: Body
    handing: int
    way: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What travels: a part of a message, or of several that were joined."""

    parts: tuple[Part, ...]

    def marked(self, mark: str) -> "Value":
        """Return the value with one more thing done to it."""
        return Value(tuple(Part(p.body, p.handing, p.way + mark) for p in self.parts))


def number(value: Value) -> int:
    """Return the number of the value's first message."""
    return value.parts[0].body[1]


def handing(value: Value) -> int:
    """Return how often the value's first message had been handed out."""
    return value.parts[0].handing


def together(values: "list[Value] | tuple[Value, ...]") -> Value:
    """Join values into one."""
    return Value(tuple(part for value in values for part in value.parts))
