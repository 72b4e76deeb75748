"""Fused steps: one loop over a run, in which a failure is one message's affair."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import fused
from tests.core.stages import refusing
from tests.queues import closed


class Clock:
    """Stands in for `perf_counter`: each step moves it on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_long_work_inside_a_run_lets_the_loop_turn(monkeypatch: Any) -> None:
    clock = Clock()
    monkeypatch.setattr(fused, "perf_counter", clock)
    turns: list[int] = []
    done: list[int] = []

    async def turning() -> None:
        while True:
            turns.append(len(done))
            await asyncio.sleep(0)

    def work(value: int) -> int:
        clock.now += 0.001
        done.append(value)
        return value

    other = asyncio.create_task(turning())
    queue = closed(range(200), prefetch=200)
    assert await (queue | op.map(work) | sinks.to_list()) == list(range(200))
    other.cancel()
    steps = sorted(set(turns))
    gaps = [late - early for early, late in pairwise(steps)]
    assert max(gaps) <= 16, "never more than a first slice at a time"
    assert gaps[1:-1]
    assert max(gaps[3:-1]) <= 8, "slices shrink to what takes 5 ms"


class Sizes:
    """A sink that writes down how many elements come at a time."""

    max_items = 5000

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def write(self, items: Any) -> None:
        self.sizes.append(len(items))


async def sizes(count: int, seconds: float, monkeypatch: Any) -> tuple[list[int], int]:
    """How a run of so many values is handed on, at so many seconds of work each, and the looks at the
    clock that takes."""
    clock = Clock()
    looks = 0

    def look() -> float:
        nonlocal looks
        looks += 1
        return clock()

    async def lists() -> Any:
        yield list(range(count))

    def work(value: int) -> int:
        clock.now += seconds
        return value

    monkeypatch.setattr(fused, "perf_counter", look)
    sink: Any = Sizes()
    await (streams.core.from_lists(lists, name="lists") | op.map(work) | sink)
    return sink.sizes, looks


@pytest.mark.parametrize(
    ("count", "looks"), [(1, 2), (5, 2), (16, 2), (17, 3), (40, 3), (48, 3), (1000, 7)]
)
async def test_quick_work_is_handed_on_in_one_run_after_few_looks_at_the_clock(
    count: int, looks: int, monkeypatch: Any
) -> None:
    assert await sizes(count, 0.0, monkeypatch) == ([count], looks)


async def test_slices_of_slow_work_shrink_to_single_messages(monkeypatch: Any) -> None:
    handed_on, _ = await sizes(24, 0.010, monkeypatch)
    assert handed_on == [16, 4, 1, 1, 1, 1]


async def test_what_took_five_milliseconds_is_handed_on_and_slices_begin_smaller_again(
    monkeypatch: Any,
) -> None:
    handed_on, _ = await sizes(336, 0.0001, monkeypatch)
    assert handed_on == [112, 112, 112]
    handed_on, _ = await sizes(96, 0.005 / 16, monkeypatch)
    assert handed_on[0] == 48, "five milliseconds are not yet too many"


async def test_a_failing_message_leaves_the_run_and_the_others_keep_their_order() -> None:
    def work(value: int) -> int:
        if value % 3 == 0:
            raise ValueError(value)
        return value

    queue = closed(range(10), dead_letter=(dead := sinks.to_list()))
    steps = op.map(work) | op.map(lambda value: value * 10) | op.filter(lambda value: value != 50)
    pipeline = queue | steps | sinks.to_list()
    assert await pipeline == [10, 20, 40, 70, 80]
    assert [letter.body for letter in dead.values] == [0, 3, 6, 9]
    assert pipeline.summary.failures["ValueError"].stage == "map(f=work)"
    assert pipeline.summary.skipped == 1


async def test_a_failure_is_named_after_the_step_it_happened_in() -> None:
    def second(value: int) -> int:
        raise ValueError(value)

    for steps in (
        op.map(abs) | op.tap(second) | op.map(str),
        op.map(abs) | op.map(str) | op.tap(second),
        op.tap(second),
    ):
        pipeline = closed([1], dead_letter="discard") | steps | sinks.to_list()
        await pipeline
        assert pipeline.summary.failures["ValueError"].stage == "tap(f=second)"


async def test_an_outage_in_a_step_is_waited_out_and_the_work_goes_on_behind_it() -> None:
    failures = iter([ConnectionError("away")] * 5)
    calls: list[int] = []

    def work(value: int) -> int:
        calls.append(value)
        if value == 1 and (error := next(failures, None)):
            raise error
        return value

    pipeline = closed(range(4)) | op.map(abs) | op.map(work) | op.map(str) | sinks.to_list()
    assert await pipeline == ["0", "1", "2", "3"]
    assert calls == [0, 1, 1, 1, 1, 1, 1, 2, 3]
    assert pipeline.summary.halts == 1


async def test_another_error_after_an_outage_is_the_messages_own() -> None:
    failures = iter([ConnectionError("away"), ConnectionError("away"), ValueError("bad")])

    def work(value: int) -> int:
        if value == 1 and (error := next(failures, None)):
            raise error
        return value

    queue = closed(range(3), dead_letter=(dead := sinks.to_list()))
    pipeline = queue | op.map(work) | sinks.to_list()
    assert await pipeline == [0, 2]
    assert dead.values[0].headers["x-ackflow-error"] == "ValueError: bad"


async def test_a_catch_takes_failures_of_the_steps_before_it_alone() -> None:
    def odd(value: int) -> int:
        if value % 2:
            raise KeyError(value)
        return value

    def small(value: int) -> int:
        if value > 2:
            raise KeyError(value)
        return value

    queue = closed(range(5), dead_letter=(dead := sinks.to_list()))
    steps = op.map(odd) | op.catch(lambda error: -1, on=KeyError) | op.map(small)
    assert await (queue | steps | sinks.to_list()) == [0, -1, 2, -1]
    assert [letter.body for letter in dead.values] == [4]


async def test_what_a_catch_does_not_take_goes_to_the_next_and_then_to_the_policy() -> None:
    def work(value: int) -> int:
        raise [KeyError, LookupError, ArithmeticError][value](value)

    queue = closed(range(3), dead_letter=(dead := sinks.to_list()))
    steps = (
        op.map(work)
        | op.catch(lambda error: "first", on=KeyError)
        | op.catch(lambda error: "second", on=LookupError)
    )
    pipeline = queue | steps | sinks.to_list()
    assert await pipeline == ["first", "second"]
    assert [letter.body for letter in dead.values] == [2]
    assert pipeline.summary.failures["ArithmeticError"].stage == "map(f=work)"


async def test_a_catch_that_fails_itself_hands_on_its_own_error() -> None:
    def broken(error: Exception) -> int:
        raise ArithmeticError("in the catch")

    steps = (
        op.map(int)
        | op.catch(broken, on=ValueError)
        | op.catch(lambda error: str(error), on=ArithmeticError)
    )
    assert await (closed(["1", "x"]) | steps | sinks.to_list()) == [1, "in the catch"]


async def test_failures_from_further_up_reach_the_catch_among_the_steps() -> None:
    queue = closed(range(4))
    steps = op.map(str) | op.catch(lambda error: "caught", on=ValueError) | op.map(str.upper)
    assert await (refusing(queue, 2) | steps | sinks.to_list()) == ["0", "1", "CAUGHT", "3"]
    last = op.map(lambda value: value * 10) | op.catch(lambda error: 7, on=ValueError)
    assert await (refusing(closed(range(4)), 2) | last | sinks.to_list()) == [0, 10, 7, 30]


async def test_failures_from_further_up_that_no_step_takes_are_settled() -> None:
    queue = closed(range(3), dead_letter=(dead := sinks.to_list()))
    pipeline = refusing(queue, 1) | op.map(str) | sinks.to_list()
    assert await pipeline == ["0", "2"]
    assert [letter.body for letter in dead.values] == [1]


async def test_failures_go_on_to_a_catch_in_another_loop() -> None:
    def work(value: int) -> int:
        if value == 1:
            raise KeyError(value)
        return value

    failing = closed(range(3)) | op.map(work)
    caught = (failing + streams.of(9)) | op.map(str) | op.catch(lambda error: "caught", on=KeyError)
    assert await (caught | sinks.to_list()) == ["0", "caught", "2", "9"]


@pytest.mark.parametrize("size", [1, 15, 16, 17, 48, 500])
async def test_runs_of_any_size_go_through_whole(size: int) -> None:
    async def lists() -> Any:
        yield list(range(size))
        yield [-1]

    stream = streams.core.from_lists(lists, name="lists") | op.map(str)
    assert await (stream | sinks.to_list()) == [*map(str, range(size)), "-1"]
