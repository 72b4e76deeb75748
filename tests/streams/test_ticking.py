"""every: ticks in time, none of them piled up."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.testing import run
from tests.times import Timed, now, stamp


def in_virtual_time(test: Callable[[], Any]) -> Callable[[], None]:
    def wrapped() -> None:
        run(test())

    wrapped.__name__ = test.__name__
    return wrapped


def ticks(seconds: float, number: int, work: Callable[[int], float]) -> Timed:
    """What a consumer that works so long on each tick begins with, and when."""
    begun: Timed = []

    async def write(tick: int) -> None:
        begun.append(stamp(tick))
        await asyncio.sleep(work(tick))

    run(wait(streams.every(seconds) | op.take(number) | sinks.each(write)))
    return begun


async def wait(pipeline: Any) -> Any:
    return await pipeline


def test_the_first_comes_at_once_and_the_others_every_so_many_seconds() -> None:
    assert ticks(2, 4, lambda tick: 0) == [(0, 0), (2, 1), (4, 2), (6, 3)]


@pytest.mark.parametrize("seconds", [0.1, 1 / 3, 60])
def test_they_do_not_drift(seconds: float) -> None:
    begun = ticks(seconds, 3_000, lambda tick: seconds / 3)
    assert [tick for _, tick in begun] == list(range(3_000))
    assert [time for time, _ in begun] == pytest.approx(
        [t * seconds for t in range(3_000)], abs=1e-9
    )


def test_of_those_that_pass_while_the_consumer_works_the_last_comes_when_it_is_ready() -> None:
    begun = ticks(1.0, 6, lambda tick: 2.5 if tick == 1 else 0)
    assert begun == [(0, 0), (1, 1), (3.5, 3), (4, 4), (5, 5), (6, 6)]


def test_a_consumer_that_is_always_too_slow_is_never_idle() -> None:
    assert ticks(1.0, 5, lambda tick: 1.25) == [(0, 0), (1.25, 1), (2.5, 2), (3.75, 3), (5, 5)]


def test_what_is_due_when_the_consumer_is_ready_is_in_time() -> None:
    assert ticks(1.0, 4, lambda tick: 2.0) == [(0, 0), (2, 2), (4, 4), (6, 6)]


@in_virtual_time
async def test_it_ends_at_once_on_a_drain() -> None:
    handle = (streams.every(1000) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.drain()
    assert await handle == [0]
    assert now() == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


@in_virtual_time
async def test_each_run_counts_from_its_own_beginning() -> None:
    stream = streams.every(1) | op.map(stamp)
    assert await (stream | op.take(2) | sinks.to_list()) == [(0, 0), (1, 1)]
    assert await (stream | op.take(2) | sinks.to_list()) == [(1, 0), (2, 1)]


@in_virtual_time
async def test_a_limited_run_ends_after_so_many() -> None:
    assert await (streams.every(1) | sinks.to_list()).start(limit=3) == [0, 1, 2]


@in_virtual_time
async def test_a_failure_ends_the_run_unless_it_is_to_be_skipped() -> None:
    with pytest.raises(ZeroDivisionError):
        await (streams.every(1) | op.map(lambda tick: 1 // tick) | sinks.to_list())
    ticks = streams.every(1, on_error="skip")
    assert await (ticks | op.map(lambda n: 4 // n) | op.take(2) | sinks.to_list()) == [4, 2]
    with pytest.raises(ValueError, match="on_error"):
        streams.every(1, on_error="ignore")


def test_tiny_and_huge_times_do_not_break_the_loop() -> None:
    begun = ticks(5e-324, 2, lambda tick: 1.0)
    assert begun == [(0, 0), (1, int(1 / Fraction(5e-324)))]

    async def huge() -> None:
        handle = (streams.every(1.7e308) | sinks.to_list()).start()
        await asyncio.sleep(1e6)
        await handle.drain()
        assert await handle == [0]

    run(huge())


def test_it_says_what_it_is() -> None:
    assert repr(streams.every(0.5)) == "every(seconds=0.5)"
