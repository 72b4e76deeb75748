"""What the laws do not say about map, filter, map_chunk, flatten and tap."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Requeue, Skip
from tests.queues import closed


async def test_verdicts_choose_what_becomes_of_a_message() -> None:
    again = iter([Requeue("later", after=5)])

    def choose(value: str) -> str:
        if value == "skip":
            raise Skip("a test")
        if value == "reject":
            raise Reject("no such country")
        if value == "requeue" and (error := next(again, None)):
            raise error
        return value

    dead = sinks.to_list()
    queue = closed(["a", "skip", "reject", "requeue"], dead_letter=dead)
    pipeline = queue | op.map(choose) | sinks.to_list()
    assert await pipeline == ["a", "requeue"]
    assert [letter.body for letter in dead.values] == ["reject"]
    summary = pipeline.summary
    assert (summary.accepted, summary.skipped, summary.rejected) == (2, 1, 1)
    assert (summary.retried, summary.requeued) == (1, 0)


async def test_a_plain_source_raises_the_original_error_with_stage_and_value() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        await (streams.of(1, 0, 2) | op.map(lambda n: 1 / n) | sinks.to_list())
    assert "with the value 0" in caught.value.__notes__[0]
    assert "map(" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "step", [op.map, op.filter, op.tap, lambda f: op.chunk(1) | op.map_chunk(f)]
)
async def test_a_lambda_that_returns_a_coroutine_fails_and_names_map_async(step: Any) -> None:
    async def fetch(value: Any) -> None:
        await asyncio.sleep(1)

    with pytest.raises(TypeError, match=r"op\.(map_async|map)"):
        await (streams.of(1, 2) | step(lambda value: fetch(value)) | sinks.count())


async def test_a_function_that_raises_stop_iteration_fails_its_message_alone() -> None:
    def stops(value: int) -> int:
        return next(iter([])) if value == 2 else value

    dead = sinks.to_list()
    queue = closed([1, 2, 3], attempts=1, dead_letter=dead)
    assert await (queue | op.map(stops) | sinks.to_list()) == [1, 3]
    assert [letter.body for letter in dead.values] == [2]


@pytest.mark.parametrize("step", [op.map, op.filter, op.tap])
async def test_a_function_that_raises_cancelled_error_fails_its_message_alone(step: Any) -> None:
    def cancels(value: int) -> int:
        if value == 2:
            raise asyncio.CancelledError
        return value

    dead = sinks.to_list()
    queue = closed([1, 2, 3], attempts=1, dead_letter=dead)
    assert await (queue | step(cancels) | sinks.to_list()) == [1, 3]
    assert [letter.body for letter in dead.values] == [2]


class Undecided:
    """Has no truth value, as an array has none."""

    def __bool__(self) -> bool:
        raise ValueError("the truth value is ambiguous")


async def test_an_answer_without_truth_value_fails_its_message_alone() -> None:
    answers: dict[int, Any] = {1: True, 2: Undecided(), 3: False, 4: True}
    dead = sinks.to_list()
    queue = closed([1, 2, 3, 4], dead_letter=dead)
    pipeline = queue | op.filter(answers.get) | sinks.to_list()
    assert await pipeline == [1, 4]
    assert [letter.body for letter in dead.values] == [2]
    assert pipeline.summary.skipped == 1


async def test_an_error_after_an_answer_without_truth_value_fails_both() -> None:
    answers: dict[int, Any] = {1: True, 2: Undecided(), 4: True}
    dead = sinks.to_list()
    queue = closed([1, 2, 3, 4], dead_letter=dead)
    assert await (queue | op.filter(lambda n: answers[n]) | sinks.to_list()) == [1, 4]
    assert [letter.body for letter in dead.values] == [2, 3]


async def test_an_outage_halts_and_the_value_is_tried_again() -> None:
    failures = iter([ConnectionError("away")] * 6)

    def ask(value: int) -> int:
        if value == 2 and (error := next(failures, None)):
            raise error
        return value

    queue = closed([1, 2, 3], attempts=1)
    pipeline = queue | op.map(ask) | sinks.to_list()
    assert await pipeline == [1, 2, 3]
    assert (pipeline.summary.halts, pipeline.summary.retried) == (1, 0)


# -- map_chunk ------------------------------------------------------------------------------------


def reciprocals(chunk: Sequence[int]) -> list[float | Exception]:
    return [1 / n if n else ValueError("zero") for n in chunk]


async def test_an_exception_as_an_entry_fails_that_member_alone() -> None:
    dead = sinks.to_list()
    queue = closed([1, 0, 2, 4], dead_letter=dead)
    pipeline = queue | op.chunk(2) | op.map_chunk(reciprocals) | sinks.to_list()
    assert await pipeline == [[1.0], [0.5, 0.25]]
    assert [letter.body for letter in dead.values] == [0]


async def test_a_chunk_of_failed_members_alone_is_not_handed_on() -> None:
    queue = closed([0, 0, 1], dead_letter="discard")
    assert await (queue | op.chunk(2) | op.map_chunk(reciprocals) | sinks.to_list()) == [[1.0]]


async def test_failed_entries_before_a_chunk_that_raises_are_not_handed_on() -> None:
    def picky(chunk: Sequence[int]) -> list[float | Exception]:
        if 13 in chunk:
            raise ValueError("unlucky")
        return reciprocals(chunk)

    dead = sinks.to_list()
    queue = closed([1, 0, 2, 13, 4, 5], dead_letter=dead)
    result = await (queue | op.chunk(2) | op.map_chunk(picky) | sinks.to_list())
    assert result == [[1.0], [0.25, 0.2]]
    assert sorted(letter.body for letter in dead.values) == [0, 2, 13]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1], "must return as many entries as it got, 2, and returned 1"),
        (7, "one entry per member"),
    ],
)
async def test_an_answer_of_another_length_fails_the_chunk(answer: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        await (streams.of(1, 2) | op.chunk(2) | op.map_chunk(lambda c: answer) | sinks.count())


async def test_map_chunk_works_on_lists_that_are_no_chunks_and_keeps_empty_ones() -> None:
    queue = closed([[1], [], [0, 2]], dead_letter="discard")
    result = await (queue | op.map_chunk(reciprocals) | sinks.to_list())
    assert result == [[1.0], [], [0.5]]
    assert queue.acked == [[1], [], [0, 2]]


# -- flatten --------------------------------------------------------------------------------------


async def test_flatten_splits_what_is_no_chunk_and_accepts_what_is_empty() -> None:
    queue = closed([(1, 2), (), "ab"])
    pipeline = queue | op.flatten() | sinks.to_list()
    assert await pipeline == [1, 2, "a", "b"]
    assert pipeline.summary.accepted == 3


async def test_what_can_not_be_taken_apart_fails_alone() -> None:
    dead = sinks.to_list()
    queue = closed([[1], 5, [2]], dead_letter=dead)
    assert await (queue | op.flatten() | sinks.to_list()) == [1, 2]
    assert [letter.body for letter in dead.values] == [5]


async def test_after_a_function_over_the_chunk_members_share_its_outcome() -> None:
    dead = sinks.to_list()
    queue = closed([3, 1, 2], dead_letter=dead)
    check = op.map(lambda n: 1 // (n - 1))
    await (queue | op.chunk(3) | op.map(sorted) | op.flatten() | check | sinks.count())
    assert sorted(letter.body for letter in dead.values) == [1, 2, 3]


async def test_tap_hands_the_value_on_whatever_the_function_returns() -> None:
    seen: list[int] = []
    assert await (streams.of(1, 2) | op.tap(seen.append) | sinks.to_list()) == [1, 2]
    assert seen == [1, 2]
