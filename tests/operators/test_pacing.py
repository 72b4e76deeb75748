"""What the laws do not say about rate_limit: its rate, its bound, and who shares a limiter."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.testing import VirtualLoop, run
from tests.queues import assert_all_closed, closed
from tests.times import Arrivals, Timed, arrive, came_out, held, now, schedules, singly, stamp

bounded = settings(max_examples=80, deadline=None, database=None)
rates = st.tuples(st.integers(1, 8), st.sampled_from([0.1, 0.5, 1.0, 3.0]))


def limited(arrivals: Arrivals, n: int, per: float) -> list[Fraction]:
    """When a token bucket lets each value through, by the book: a level that rises with time."""
    rate = n / Fraction(per)
    level, time, times = Fraction(n), Fraction(0), []
    for arrival, _ in singly(arrivals):
        came = max(Fraction(arrival), time)
        level = min(Fraction(n), level + (came - time) * rate)
        time = came if level >= 1 else came + (1 - level) / rate
        level = max(level, Fraction(1)) - 1
        times.append(time)
    return times


@bounded
@given(schedules, rates)
def test_values_come_out_when_a_token_bucket_lets_them(
    arrivals: Arrivals, rate: tuple[int, float]
) -> None:
    found = came_out(arrivals, op.rate_limit(rate[0], per=rate[1]))
    assert [value for _, value in found] == [value for _, value in singly(arrivals)]
    expected = [float(time) for time in limited(arrivals, *rate)]
    assert [time for time, _ in found] == pytest.approx(expected, abs=1e-9)


def assert_within(times: Sequence[float], n: int, per: float) -> None:
    """In no stretch of time are there more values than the bucket holds and is refilled with."""
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= n + (times[last] - begin) * n / per + 1e-9


@bounded
@given(st.lists(schedules, min_size=1, max_size=3), rates, st.sampled_from([0.0, 0.3, 2.0]))
def test_the_rate_is_never_exceeded_however_many_share_it(
    several: list[Arrivals], rate: tuple[int, float], seconds: float
) -> None:
    times: list[float] = []

    async def write(value: int) -> None:
        await asyncio.sleep(seconds)

    async def main() -> None:
        limiter = op.RateLimiter(rate[0], per=rate[1])
        note = op.tap(lambda value: times.append(now()))
        paced = [arrive(each) | op.rate_limit(limiter) | note for each in several]
        handles = [(stream | sinks.each(write)).start() for stream in paced]
        await asyncio.gather(*(handle._result() for handle in handles))

    run(main())
    assert len(times) == sum(len(singly(arrivals)) for arrivals in several)
    assert_within(times, *rate)


@bounded
@given(st.integers(0, 60), rates, st.integers(1, 3))
def test_the_rate_is_reached_where_there_is_enough_to_hand_on(
    number: int, rate: tuple[int, float], sharing: int
) -> None:
    times: list[float] = []

    async def main() -> None:
        limiter = op.RateLimiter(rate[0], per=rate[1])
        note = op.tap(lambda value: times.append(now()))
        stream = streams.of(*range(number)) | op.rate_limit(limiter)
        await asyncio.gather(
            *((stream | note | sinks.count()).start()._result() for _ in range(sharing))
        )

    run(main())
    n, per = rate
    expected = [max(0, i + 1 - n) / n * per for i in range(number * sharing)]
    assert times == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("n", "per"), [(1, 0.1), (3, 1.0), (7, 0.3)])
async def test_nothing_adds_up_to_a_drift(n: int, per: float) -> None:
    paced = streams.of(*range(10_000)) | op.rate_limit(n, per=per) | op.map(stamp)
    last, _ = await (paced | sinks.fold(lambda before, pair: pair, (0.0, 0)))
    assert last == (10_000 - n) / n * per


async def test_what_there_are_tokens_for_goes_on_together() -> None:
    sizes: list[tuple[float, int]] = []

    class Writes(streams.Sink[int, None]):
        max_items = 1000

        async def write(self, items: Any) -> None:
            sizes.append((now(), len(items)))

    await (closed(range(12)) | op.rate_limit(10, per=1.0) | Writes())
    assert sizes == [(0.0, 10), (0.1, 1), (0.2, 1)]


async def test_idleness_saves_up_as_many_tokens_as_the_bucket_holds() -> None:
    arrivals = [(0.0, [0, 1, 2]), (1000.0, [3, 4, 5])]
    result = await (arrive(arrivals) | op.rate_limit(2, per=1.0) | op.map(stamp) | sinks.to_list())
    assert [time for time, _ in result] == [0.0, 0.0, 0.5, 1000.0, 1000.0, 1000.5]


async def test_a_slow_consumer_does_not_cost_tokens() -> None:
    times: list[float] = []

    async def slow(value: int) -> None:
        times.append(now())
        await asyncio.sleep(0.75)

    await (streams.of(*range(5)) | op.rate_limit(1, per=1.0) | sinks.each(slow))
    assert times == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(("n", "per"), [(10**400, 1.0), (10**9, 1e-9), (1, 5e-324), (1, 1e-300)])
async def test_huge_numbers_and_tiny_times_are_no_limit(n: int, per: float) -> None:
    result = await (streams.of(*range(1000)) | op.rate_limit(n, per=per) | sinks.to_list())
    assert result == list(range(1000))
    assert now() < 1e-6


async def test_a_huge_time_does_not_break_the_loop() -> None:
    queue = streams.memory.queue([1, 2])
    handle = (queue | op.rate_limit(1, per=1e300) | sinks.to_list()).start()
    await asyncio.sleep(1e6)
    await handle.drain()
    assert (queue.acked, queue.ready) == ([1], [2])


async def test_an_operator_used_twice_at_once_has_two_buckets() -> None:
    slow = op.rate_limit(1, per=10)
    pipelines = [streams.of(1, 2) | slow | op.map(stamp) | sinks.to_list() for _ in range(2)]
    first, second = await asyncio.gather(*(each.start()._result() for each in pipelines))
    assert first == second == [(0.0, 1), (10.0, 2)]


async def test_streams_that_share_a_limiter_take_turns() -> None:
    limiter = op.RateLimiter(1, per=1.0)
    found: list[tuple[float, str]] = []

    async def numbers() -> Any:
        for number in range(4):
            yield number

    def named(name: str) -> Any:
        note = op.tap(lambda value: found.append((now(), name)))
        return streams.from_iterable(numbers()) | op.rate_limit(limiter) | note | sinks.count()

    await asyncio.gather(*(named(name).start()._result() for name in "abc"))
    assert found == [(float(i), "abc"[i % 3]) for i in range(12)]


async def test_who_comes_when_a_token_does_comes_after_those_who_wait_for_it() -> None:
    limiter = op.RateLimiter(1, per=10.0)
    first, second = asyncio.Event(), asyncio.Event()
    assert limiter.take(second, 1) == 1
    assert limiter.take(first, 1) == 0
    await asyncio.sleep(10)
    assert limiter.take(second, 1) == 0
    assert limiter.take(first, 1) == 1


async def test_who_came_first_is_served_first_whoever_leaves_the_queue() -> None:
    limiter = op.RateLimiter(1, per=10.0)
    await (streams.of(0) | op.rate_limit(limiter) | sinks.count())
    handles = []
    for number in range(3):
        paced = streams.memory.queue([number]) | op.rate_limit(limiter) | op.map(stamp)
        handles.append((paced | op.take(1) | sinks.to_list()).start())
        await asyncio.sleep(1)
    await handles[0].abort()
    assert await handles[1] == [(10.0, 1)]
    assert await handles[2] == [(20.0, 2)]


async def test_who_is_drained_leaves_the_queue_to_the_others() -> None:
    limiter = op.RateLimiter(1, per=10.0)
    first, second = streams.memory.queue([1, 2, 3]), closed([4])
    handle = (first | op.rate_limit(limiter) | sinks.to_list()).start()
    await asyncio.sleep(1)
    other = (second | op.rate_limit(limiter) | op.map(stamp) | sinks.to_list()).start()
    await asyncio.sleep(1)
    await handle.drain()
    assert now() == 2
    assert (first.acked, first.ready) == ([1], [2, 3])
    assert await other == [(10.0, 4)]
    assert_all_closed(first, second)


async def test_what_waits_of_a_lost_connection_is_forgotten_and_takes_no_token() -> None:
    queue = streams.memory.queue([0, 1, 2])
    pipeline = queue | op.rate_limit(1, per=10.0) | op.map(stamp) | op.take(3) | sinks.to_list()
    handle = pipeline.start()
    await asyncio.sleep(5)
    queue.disconnect()
    assert await handle == [(0.0, 0), (10.0, 1), (20.0, 2)]
    assert (queue.acked, pipeline.summary.stale) == ([0, 1, 2], 0)


async def test_what_comes_of_a_lost_connection_takes_no_token() -> None:
    queue = streams.memory.queue([1, 2])
    paced = queue | held() | op.rate_limit(1, per=1000.0) | op.map(stamp)
    handle = (paced | sinks.to_list()).start()
    await asyncio.sleep(5)
    queue.disconnect()
    queue.close()
    # 1 and 2 came at 10 and 20 s, too late.
    assert await handle == [(30.0, 1), (1030.0, 2)]


async def test_a_lost_connection_leaves_the_turn_to_others() -> None:
    limiter = op.RateLimiter(1, per=10.0)
    queue = streams.memory.queue([0, 1])
    handle = (queue | op.rate_limit(limiter) | sinks.to_list()).start()
    await asyncio.sleep(1)
    other = (closed([2]) | op.rate_limit(limiter) | op.map(stamp) | sinks.to_list()).start()
    await asyncio.sleep(1)
    queue.disconnect()
    assert await other == [(10.0, 2)]
    await handle.abort()


async def test_a_failure_keeps_its_place_and_takes_a_token() -> None:
    def picky(value: int) -> int:
        if value < 0:
            raise ValueError(value)
        return value

    paced = streams.of(1, -2, 3) | op.map(picky) | op.rate_limit(1, per=1.0)
    result = await (paced | op.catch(lambda error: 0) | op.map(stamp) | sinks.to_list())
    assert result == [(0.0, 1), (1.0, 0), (2.0, 3)]


async def test_a_source_must_be_able_to_wait_for_a_token() -> None:
    queue = streams.memory.queue([1])
    queue.stage.patience = 900.0  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"within 900 s.*rate_limit\(n=1, per=3600\.0\).* 3600 s"):
        queue | op.rate_limit(1, per=3600)
    queue | op.rate_limit(4, per=3600)


def test_a_limiter_can_be_used_in_one_loop_after_another() -> None:
    limiter = op.RateLimiter(1, per=10.0)

    async def main() -> Timed:
        result: Timed = await (
            streams.of(1, 2) | op.rate_limit(limiter) | op.map(stamp) | sinks.to_list()
        )
        return result

    assert run(main()) == [(0.0, 1), (10.0, 2)]
    # This loop's clock begins at 0 again: as far as the limiter knows, no time has passed.
    assert run(main()) == [(10.0, 1), (20.0, 2)]


def test_who_queued_up_in_a_loop_that_is_over_holds_up_nobody() -> None:
    limiter = op.RateLimiter(1, per=10.0)

    async def queue_up() -> None:
        assert limiter.take(asyncio.Event(), 1) == 1
        assert limiter.take(asyncio.Event(), 1) == 0

    run(queue_up())
    assert run(paced_once(limiter)) == 10.0


async def paced_once(limiter: op.RateLimiter) -> float:
    await (streams.of(1) | op.rate_limit(limiter) | sinks.count())
    return now()


async def test_a_limiter_that_is_waited_for_in_a_running_loop_is_refused_in_another() -> None:
    limiter = op.RateLimiter(1, per=10.0)
    handle = (streams.of(1, 2) | op.rate_limit(limiter) | sinks.to_list()).start()
    await asyncio.sleep(1)
    errors: list[BaseException] = []

    def other() -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            try:
                runner.run(paced_once(limiter))
            except RuntimeError as error:
                errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "one event loop at a time" in str(errors[0])
    assert await handle == [1, 2]


def test_the_limiter_says_what_it_is() -> None:
    limiter = op.RateLimiter(100, per=0.5)
    assert (limiter.n, limiter.per) == (100, 0.5)
    assert repr(op.rate_limit(limiter)) == "rate_limit(n=RateLimiter(100, per=0.5))"
    assert repr(op.rate_limit(5)) == "rate_limit(n=5, per=1.0)"


async def test_a_source_that_is_slower_than_the_rate_is_not_held_up() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in count():
            await asyncio.sleep(0.5)
            yield number

    paced = streams.from_iterable(numbers()) | op.rate_limit(1, per=0.5) | op.map(stamp)
    result = await (paced | op.take(5) | sinks.to_list())
    assert [time for time, _ in result] == [0.5, 1.0, 1.5, 2.0, 2.5]
