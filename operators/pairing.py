"""pairwise: each value beside the one before."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ackflow.operators.windows import CountWindows
from ackflow.streams.core import SKIPPED, Context, Pairing, Run, Shape, Stage, settle


class Pairwise(Stage):
    """Puts each value beside the one before."""

    name = "pairwise"
    count = 2
    step = 1
    holds = 2
    fills = True

    def shape(self, before: Shape) -> Shape:
        return (*before, 2)

    def places(self, before: int) -> int:
        return 0

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return Pairs(self, context, inputs[0]).runs()


class Pairs(CountWindows):
    """Windows of two, of which each is a pair."""

    def join(self, values: list[Any]) -> Any:
        return tuple(values)

    def finish(self) -> None:
        if not self.splits:
            settle(self.tokens, SKIPPED)
        self.leave(len(self.values))


def pairwise() -> Pairing:
    """Put each value beside the one before: `(previous, current)`.

        in    1---2---3-|
        out   ----a---b-|        a = (1, 2), b = (2, 3)

    Example:
        await (streams.of(1, 2, 3) | op.pairwise() | sinks.to_list())     # [(1, 2), (2, 3)]

    The same as `itertools.pairwise`; fs2's `zipWithNext` has one pair more, of the last value and none.
    Acks: joins and splits: a message is settled when both pairs that it is in are, with the worst
    outcome, the last one when no more can come. A single value, in no pair, is settled as skipped.
    What comes again after a failure or a lost connection is paired with what came before it then.
    Raises ValueError, where it is composed, for a source with a prefetch below 2, and behind a strict
    `partition`, which holds the next one back.
    """
    return Pairing(Pairwise())
