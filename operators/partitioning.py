"""partition: a way of its own for the values of each key."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from typing import Any

from ackflow.operators.functions import check_function
from ackflow.operators.keys import Keyed
from ackflow.operators.partitions import Partitions
from ackflow.operators.variables import A, B
from ackflow.streams.core import (
    Branches,
    Composable,
    Context,
    Operator,
    OperatorLike,
    Run,
    Shape,
    Stage,
    check_count,
    check_flag,
    check_seconds,
    check_strictness,
    demand,
    shown,
)


class Partition(Stage):
    """Gives the values of each key a lane of their own; takes pairs of key and value."""

    name = "partition"

    def __init__(self, step: Any, strict: bool, keys: int, idle: float | None) -> None:
        self.step = step
        self.strict = strict
        self.keys = keys
        self.idle = idle
        needed = demand(step.stages)
        # One waits in a lane and one is ready to leave it, beside what its step works on.
        self.holds = None if needed.unknown else keys * (needed.sum + 2)
        self.keeps = step.keeps

    @property
    def settings(self) -> dict[str, Any]:
        return {"step": self.step, "strict": self.strict, "keys": self.keys, "idle": self.idle}

    @property
    def branches(self) -> Branches:
        return [("each key", self.step)]

    def shape(self, before: Shape) -> Shape:
        shape: Shape = self.step.shape(before)
        return shape

    def places(self, before: int) -> int:
        places: int = self.step.places(before)
        return places

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return Partitions(self, context, inputs[0]).runs()


def partition(
    key: Callable[[A], Hashable],
    step: OperatorLike[A, B],
    *,
    strict: bool = False,
    keys: int = 100,
    idle: float | None = 60.0,
) -> Operator[A, B]:
    """Give the values of each key a way of their own through `step`, side by side with all others.

    Example:
        orders | op.partition(lambda order: order.customer, op.map_async(book, concurrency=1))

    Values of one key keep their order, as far as `step` keeps it; those of different keys overtake
    each other. Each key has a `step` of its own: counts, chunks and states in it are that key's.
    What `step` no longer takes (`take` in it has ended) is dropped on purpose.
    Acks: those of `step`. A message that fails comes again behind later ones of its key; with
    `strict` a key's next message waits until the one before it is settled for good, so that order is
    kept across failures too, at the price of one message under way per key. What joins values in or
    behind a strict `step` must not wait for them without end.
    `keys`: how many keys have a way at once, 1 and up: a value of one more waits until the key that
    was not used for longest has been closed. `idle`: seconds without a value after which a key is
    closed, or None for never. A key that comes again after that starts anew.
    Raises TypeError or ValueError, where it is written, for settings that can't be meant, and where it
    is composed, for a strict one with `pairwise` or a window by `count` in it or behind it, or a `zip`
    before it: each would wait for the other. A value whose key is not hashable fails by itself.
    """
    check_function("op.partition(key)", key, instead="op.map_async before it")
    if not isinstance(step, Composable):
        raise TypeError(
            f"op.partition(step): must be an operator, or several composed with |, got {shown(step)}; "
            "op.map(function) makes one of a function"
        )
    check_count("op.partition(keys)", keys, 1, "leave it out for 100")
    check_seconds("op.partition(idle)", idle)
    check_flag("op.partition(strict)", strict)
    partition = Partition(step, strict, keys, idle)
    check_strictness((partition, *step.stages))
    return Operator(Keyed("partition", key), partition)
