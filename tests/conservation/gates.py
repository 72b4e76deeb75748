"""Operators that drop or join, by time or by whom they meet: what they may drop is seen as it happens.

What goes in and what comes out is written down. A value that went in and did not come out has to be
excused by a rule, which is the operator's docstring and knows nothing of how it is made.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from ackflow import operators as op
from tests.conservation.journal import Passage
from tests.conservation.values import Value, number, together

Arrived = Callable[[Value], bool]
"""Says whether all that was made of a value that came out has arrived."""
Rule = Callable[[Passage, int, Arrived], bool]
"""Says whether nothing, or no more, need have come out for the value that went in there."""


class Gate(NamedTuple):
    """An operator that drops or joins."""

    build: Callable[..., Any]
    """Makes it, of the second stream where it takes one."""
    leave: Callable[[Passage, Any], Value]
    """Writes down a result."""
    rule: Rule
    first_only: bool = False
    """Whether a message goes with the first value that is made of it, and later ones have a copy."""


THROTTLE = 0.5
BACK = 1e-6
"""Seconds that rounding may make of times that are the same."""


def unchanged(passage: Passage, value: Value) -> Value:
    return passage.leave(value, [value])


def joined(passage: Passage, values: Any) -> Value:
    return passage.leave(together(values), list(values))


def part_of(passage: Passage, pair: tuple[Value, Value]) -> Value:
    origin, part = pair
    return passage.leave(part, [origin])


def key(value: Value) -> int:
    return number(value) // 3


async def thirds_in_time(value: Value) -> AsyncIterator[tuple[Value, Value]]:
    for index in range(3):
        await asyncio.sleep(0.2)
        yield value, value.marked(f"s{index}")


def never(passage: Passage, position: int, arrived: Arrived) -> bool:
    return bool(passage.made_of(passage.entries[position].value))


def same_key_arrived(passage: Passage, position: int, arrived: Arrived) -> bool:
    """`distinct`: another of its key has come out and all that was made of that has arrived."""
    mine = passage.entries[position]
    others = [
        e.value for e in passage.exits if e.run == mine.run and key(e.value) == key(mine.value)
    ]
    return mine.value in others or any(map(arrived, others))


def another_shortly_before(passage: Passage, position: int, arrived: Arrived) -> bool:
    """`throttle`: one came out at the same time or within the seconds before."""
    mine = passage.entries[position]
    ages = [mine.time - each.time for each in passage.exits if each.run == mine.run]
    return any(-BACK <= age < THROTTLE + BACK for age in ages)


def another_came(passage: Passage, position: int, arrived: Arrived) -> bool:
    """`debounce`, `buffer(drop=…)`: another came after it."""
    _, after = passage.neighbours(position)
    return bool(after) or never(passage, position, arrived)


def all_parts_or_another(passage: Passage, position: int, arrived: Arrived) -> bool:
    """`switch_map`: all parts have come out, or another value came before the last."""
    _, after = passage.neighbours(position)
    return bool(after) or len(passage.made_of(passage.entries[position].value)) == 3


def two_skipped(passage: Passage, position: int, arrived: Arrived) -> bool:
    """`skip(2)`: it was one of the first two of the run."""
    before, _ = passage.neighbours(position)
    return len(before) < 2 or never(passage, position, arrived)


def paired(passage: Passage, position: int, arrived: Arrived) -> bool:
    """`pairwise`: in a pair with the one before and one with the one behind, where these are."""
    mine = passage.entries[position]
    before, after = passage.neighbours(position)
    if mine.run in passage.journal.broken:
        # Those beside it may have lost their channel and gone.
        return True
    # What came last before a drain may have been given back just before it got there.
    pairs_behind = bool(after) and bool(passage.made_of(after[0].value))
    return len(passage.made_of(mine.value)) >= bool(before) + pairs_behind


def replaced_too_early(passage: Passage, position: int, arrived: Arrived) -> bool:
    """`zip_latest`: another of its stream came while the other stream had not given anything yet."""
    mine = passage.entries[position]
    if passage.made_of(mine.value) or mine.run in passage.journal.broken:
        return True
    before, after = passage.neighbours(position)
    replacing = [each for each in after if each.side == mine.side]
    others = [each for each in [*before, *after] if each.side != mine.side]
    return any(all(each.time >= later.time for each in others) for later in replacing)


GATES: dict[str, Gate] = {
    "distinct": Gate(lambda: op.distinct(key), unchanged, same_key_arrived),
    "throttle": Gate(lambda: op.throttle(THROTTLE), unchanged, another_shortly_before),
    "debounce": Gate(lambda: op.debounce(0.3), unchanged, another_came),
    "dropping buffer": Gate(lambda: op.buffer(2, drop="oldest"), unchanged, another_came),
    "skip": Gate(lambda: op.skip(2), unchanged, two_skipped),
    "switch_map": Gate(lambda: op.switch_map(thirds_in_time), part_of, all_parts_or_another),
    "pairwise": Gate(lambda: op.pairwise(), joined, paired),
    "sliding windows": Gate(lambda: op.window(count=3, step=2), joined, never),
}
"""Operators of one stream."""

JOINS: dict[str, Gate] = {
    "merge": Gate(op.merge, unchanged, never),
    "concat": Gate(op.concat, unchanged, never),
    "zip": Gate(op.zip, joined, never),
    "zip_latest": Gate(op.zip_latest, joined, replaced_too_early, first_only=True),
}
"""Operators of two streams."""
