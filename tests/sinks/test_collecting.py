"""Sinks whose result is made of the values: to_list, first, count, fold."""

from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.queues import assert_all_closed, closed

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_to_list_starts_anew_in_every_run_and_shows_the_values_of_the_last() -> None:
    sink = sinks.to_list()
    pipeline = streams.of(1, 2) | sink
    assert await pipeline == [1, 2]
    assert await pipeline == [1, 2]
    assert sink.values == [1, 2]
    first = await pipeline
    first.append(9)
    assert sink.values == [1, 2]


async def test_every_value_is_acked_when_it_is_in_the_list() -> None:
    queue = closed(range(1000))
    assert await (queue | sinks.to_list()) == list(range(1000))
    assert queue.acked == list(range(1000))


async def test_count_counts_in_every_run_from_zero() -> None:
    pipeline = streams.of("a", "b") | sinks.count()
    assert (await pipeline, await pipeline) == (2, 2)
    assert await (streams.of() | sinks.count()) == 0


async def test_fold_combines_the_values_in_order_from_the_initial_one() -> None:
    pipeline = streams.of("b", "c") | sinks.fold(lambda text, letter: text + letter, "a")
    assert (await pipeline, await pipeline) == ("abc", "abc")
    assert await (streams.of() | sinks.fold(max, 7)) == 7


async def test_a_value_that_cannot_be_folded_fails_alone() -> None:
    dead = sinks.to_list()
    queue = closed([1, 0, 2], dead_letter=dead)
    assert await (queue | sinks.fold(lambda total, n: total + 2 // n, 0)) == 3
    assert [letter.body for letter in dead.values] == [0]


async def test_an_outage_while_folding_folds_nothing_twice() -> None:
    failures = iter([ConnectionError("away")] * 3)

    def add(total: int, n: int) -> int:
        if n == 2 and (error := next(failures, None)):
            raise error
        return total + n

    pipeline = closed([1, 2, 4], attempts=1) | sinks.fold(add, 0)
    assert await pipeline == 7
    assert pipeline.summary.halts == 1


async def test_first_accepts_one_value_and_gives_back_the_rest() -> None:
    queue = streams.memory.queue("abc")
    assert await (queue | sinks.first()) == "a"
    assert (queue.acked, queue.ready) == (["a"], ["b", "c"])
    assert_all_closed(queue)


async def test_first_is_the_first_that_did_not_fail() -> None:
    queue = closed(["x", "1", "2"], dead_letter="discard")
    assert await (queue | op.map(int) | sinks.first()) == 1
    assert queue.ready == ["2"]


async def test_first_of_chunks_accepts_the_chunk_and_gives_back_what_lies_beyond() -> None:
    queue = closed(range(5))
    assert await (queue | op.chunk(2) | sinks.first()) == [0, 1]
    assert (queue.acked, queue.ready) == ([0, 1], [2, 3, 4])


async def test_first_of_an_empty_stream_is_the_default_or_an_error() -> None:
    empty: Any = streams.of()
    assert await (empty | sinks.first(default=None)) is None
    with pytest.raises(
        LookupError, match=r"sinks\.first\(\): the stream was empty, and no default"
    ):
        await (empty | sinks.first())


async def test_the_summary_of_the_last_run_is_at_the_pipeline() -> None:
    pipeline = streams.of(1, 2, 3) | op.filter(lambda n: n > 1) | sinks.to_list()
    await pipeline
    summary = pipeline.summary
    assert (summary.delivered, summary.accepted, summary.skipped) == (3, 2, 1)
