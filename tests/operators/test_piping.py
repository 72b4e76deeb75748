"""pipe: several operators, and a sink, as one."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from ackflow import operators as op
from ackflow import sinks, streams

untyped = cast("Any", op)


class Store:
    def __init__(self) -> None:
        self.stored: list[str] = []

    async def write(self, items: Sequence[str]) -> None:
        self.stored += items


async def test_a_pipe_is_its_parts_one_after_another() -> None:
    clean = op.pipe(op.map(str.strip), op.filter(bool), op.map(str.lower))
    assert await (streams.of(" A", " ", "b") | clean | sinks.to_list()) == ["a", "b"]
    assert repr(clean) == repr(op.map(str.strip) | op.filter(bool) | op.map(str.lower))


async def test_a_pipe_may_end_in_a_sink_or_in_another_pipe_that_does() -> None:
    counting = op.pipe(op.filter(bool), sinks.count())
    assert await (streams.of(0, 1, 2) | counting) == 2
    assert await (streams.of("0", "1", "2") | op.pipe(op.map(int), counting)) == 2
    assert await (streams.of("0", "1") | op.pipe(sinks.count())) == 2


async def test_a_pipe_may_end_in_a_sink_without_a_base_class() -> None:
    store = Store()
    await (streams.of(1, 2) | untyped.pipe(op.map(str), store))
    assert store.stored == ["1", "2"]


async def test_a_pipe_of_nothing_hands_on_what_comes() -> None:
    assert await (streams.of(1) | op.pipe() | sinks.to_list()) == [1]
    assert await (streams.of(1) | op.pipe(op.pipe(), op.map(str)) | sinks.to_list()) == ["1"]


async def test_a_pipe_of_more_than_nine_steps_is_a_pipe() -> None:
    added = [op.map(lambda n: n + 1) for _ in range(12)]
    assert await (streams.of(0) | untyped.pipe(*added, sinks.to_list())) == [12]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            (op.map(str), 5),
            ["each must be an operator or a sink", "5 as step 2", "op.map(function)"],
        ),
        ((streams.of(1), op.map(str)), ["as step 1", "of(", "stream | op.pipe(…)"]),
        (
            (sinks.count(), op.map(str)),
            ["after a sink", "map(f=str) after count()", "sinks.tee(…)"],
        ),
        ((op.take(1), sinks.count(), sinks.first()), ["after a sink", "first() after count()"]),
        ((op.take(1) | sinks.count(), op.take(1)), ["after a sink", "take("]),
    ],
    ids=["a number", "a stream", "behind a sink", "a second sink", "behind a pipe with a sink"],
)
def test_what_cannot_be_piped_is_refused_where_it_is_written(
    steps: tuple[Any, ...], said: list[str]
) -> None:
    with pytest.raises(TypeError) as refused:
        untyped.pipe(*steps)
    for text in ["op.pipe(*steps)", *said]:
        assert text in str(refused.value)
