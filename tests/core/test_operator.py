"""Operators as values: composed in any order, before and after they meet a stream."""

from collections.abc import Sequence
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import Composable
from tests.queues import closed


class Keeping:
    """A user's object with `write`."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    async def write(self, items: Sequence[Any]) -> None:
        self.kept += items


WAYS: dict[str, tuple[Any, list[Any]]] = {
    "operator": (op.map(str) | op.map(str.strip), ["1", "2", "3"]),
    "same": (op.filter(bool) | op.take(2), [1, 2]),
    "same, then an operator": (op.take(2) | op.map(str), ["1", "2"]),
    "grouping": (op.chunk(2) | op.map(sum), [3, 3]),
    "grouping, then ungrouping": (op.chunk(2) | op.unchunk(), [1, 2, 3]),
    "ungrouping": (op.map(lambda x: [x, x]) | (op.flatten() | op.take(3)), [1, 1, 2]),
    "pairing": (op.pairwise() | op.map(sum), [3, 5]),
    "pairing, then a take": (op.pairwise() | op.take(1), [(1, 2)]),
    "three": (op.map(abs) | op.chunk(3) | op.unchunk() | op.map(str), ["1", "2", "3"]),
}


@pytest.mark.parametrize(("way", "result"), WAYS.values(), ids=WAYS)
async def test_steps_composed_before_they_meet_a_stream_are_those_applied_to_it(
    way: Any, result: list[Any]
) -> None:
    assert isinstance(way, Composable)
    for source in (streams.of(1, 2, 3), closed([1, 2, 3])):
        assert await (source | way | sinks.to_list()) == result
    one_by_one: Any = streams.of(1, 2, 3)
    for stage in way.stages:
        one_by_one = one_by_one | Composable(stage)._apply
    assert repr(one_by_one) == repr(streams.of(1, 2, 3) | way)


@pytest.mark.parametrize("step", [op.map(abs), op.filter(bool), op.chunk(2), op.pairwise()])
async def test_an_operator_and_a_sink_are_a_way_to_end_a_stream(step: Any) -> None:
    ending = step | sinks.count()
    assert await (streams.of(1, 2, 3) | ending) > 0
    keeping = Keeping()
    await (streams.of(1, 2, 3) | (step | keeping))
    assert keeping.kept


async def test_an_operator_is_used_any_number_of_times() -> None:
    step = op.map(str) | op.take(2)
    both = (streams.of(1, 2, 3) | step) + (streams.of(7, 8, 9) | step)
    assert await (both | sinks.to_list()) == ["1", "2", "7", "8"]
    assert await (streams.of(4) | step | sinks.to_list()) == ["4"]


@pytest.mark.parametrize("step", [3, None, "map"])
def test_what_is_neither_an_operator_nor_a_sink_is_refused(step: Any) -> None:
    untyped: Any = op.map(str)
    with pytest.raises(TypeError, match=r"operator \| step.* must be an operator or a sink, got"):
        untyped | step


@pytest.mark.parametrize("stream", [[1], None, range(3)])
def test_what_is_no_stream_is_refused(stream: Any) -> None:
    untyped: Any = op.map(str)
    with pytest.raises(TypeError, match=r"map\(f=str\).* an ackflow stream, got"):
        untyped(stream)


def test_an_operator_shows_its_steps() -> None:
    assert repr(op.map(str) | op.take(2)) == "map(f=str) | take(n=2)"
    assert repr(op.map(str)) == "map(f=str)"
