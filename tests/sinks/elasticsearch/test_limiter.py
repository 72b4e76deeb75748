"""The limiter, pure; and the gate that keeps to it."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackflow.sinks.elasticsearch.gate import Gate, Passage
from ackflow.sinks.elasticsearch.limiter import Limiter
from tests.sinks.elasticsearch.doubles import now, virtually


def drive(
    limiter: Limiter, seconds: float, answer: Callable[[float, int], tuple[float, bool]]
) -> None:
    """Keep the limiter full, one more waiting; *answer* gives time and pressure of a request."""
    time = getattr(limiter, "_test_time", 0.0)
    end = time + seconds
    under_way: list[tuple[float, float, bool]] = []
    limiter.waits(time, 1)
    while time < end:
        while limiter.free:
            limiter.began(time)
            took, pressure = answer(time, limiter.in_flight)
            under_way.append((time + took, took, pressure))
        under_way.sort()
        time, took, pressure = under_way.pop(0)
        limiter.ended(time, took, pressure=pressure)
    for _ in under_way:
        limiter.dropped(time)
    limiter.waits(time, 0)
    limiter._test_time = time  # type: ignore[attr-defined]


def steady(_: float, __: int) -> tuple[float, bool]:
    return 0.1, False


def test_it_starts_with_one_and_grows_to_the_most_where_one_more_always_waits() -> None:
    limiter = Limiter(8)
    assert limiter.limit == 1
    drive(limiter, 5, steady)
    assert limiter.limit == 8


def queue(
    limiter: Limiter,
    chunks: int,
    filling: float,
    took: Callable[[int], float],
    seconds: float = 20.0,
) -> float:
    """Send what a queue gives out: so many chunks at a time, each filled again after its bulk.

    `filling`: seconds for each chunk, one after the other; `took`: those of a bulk, by how many are
    under way with it. Return how many were sent in a second.
    """
    time = began = filled = getattr(limiter, "_test_time", 0.0)
    sent = 0
    events = [(time, "full", 0.0)] * chunks
    while time < began + seconds:
        events.sort()
        time, what, bulk = events.pop(0)
        if what == "full":
            limiter.waits(time, limiter.waiting + 1)
        else:
            sent += 1
            limiter.ended(time, bulk, pressure=False)
            filled = max(filled, time) + filling
            events.append((filled, "full", 0.0))
        while limiter.waiting and limiter.free:
            limiter.began(time)
            limiter.waits(time, limiter.waiting - 1)
            bulk = took(limiter.in_flight)
            events.append((time + bulk, "sent", bulk))
    return sent / (time - began)


def always(seconds: float) -> Callable[[int], float]:
    """A bulk takes as long whatever is under way with it, as with servers that are far off."""
    return lambda _: seconds


def one_by_one(seconds: float) -> Callable[[int], float]:
    """Bulks share what the server can do."""
    return lambda under_way: under_way * seconds


@pytest.mark.parametrize("filling", [0.007, 0.004])
def test_where_one_at_a_time_keeps_up_with_the_queue_it_is_one(filling: float) -> None:
    limiter = Limiter(8)
    rate = queue(limiter, 2, filling, one_by_one(0.006))
    assert limiter.limit == 1
    assert rate == pytest.approx(1 / max(filling, 0.006), rel=0.05)


def test_a_limit_that_is_more_than_what_comes_falls() -> None:
    limiter = Limiter(8)
    drive(limiter, 5, steady)
    assert limiter.limit == 8
    queue(limiter, 2, 0.005, one_by_one(0.006))
    assert limiter.limit == 1


def test_a_long_way_to_the_server_has_as_many_under_way_as_come() -> None:
    limiter = Limiter(8)
    rate = queue(limiter, 8, 0.001, always(0.1))
    assert limiter.limit >= 7
    assert rate >= 0.9 * 8 / 0.108


def test_on_a_long_way_they_are_as_many_as_the_queue_fills() -> None:
    limiter = Limiter(32)
    rate = queue(limiter, 32, 0.025, always(0.1))
    assert 4 <= limiter.limit <= 6
    assert rate >= 0.9 / 0.025


def test_while_little_comes_it_falls_and_it_grows_again_with_what_comes() -> None:
    limiter = Limiter(8)
    drive(limiter, 5, steady)
    time = limiter._test_time  # type: ignore[attr-defined]
    for step in range(100):
        limiter.began(time + step)
        limiter.ended(time + step + 0.1, 0.1, pressure=False)
    assert limiter.limit == 1
    limiter._test_time = time + 100  # type: ignore[attr-defined]
    drive(limiter, 5, steady)
    assert limiter.limit == 8


def test_it_grows_by_one_in_two_round_trips_at_most() -> None:
    limiter = Limiter(64)
    limits = []
    for _ in range(20):
        drive(limiter, 0.2, steady)
        limits.append(limiter.limit)
    assert all(after - before <= 1 for before, after in pairwise(limits))


def test_pressure_lowers_it_once_in_a_window() -> None:
    limiter = Limiter(10)
    drive(limiter, 10, steady)
    time = limiter._test_time  # type: ignore[attr-defined]
    for _ in range(10):
        limiter.began(time)
    for _ in range(10):
        limiter.ended(time, 0.01, pressure=True)
    assert limiter.limit == 7
    limiter.began(time)
    limiter.ended(time + 1, 0.01, pressure=True)
    assert limiter.limit == 4


def test_lasting_pressure_leaves_one() -> None:
    limiter = Limiter(8)
    drive(limiter, 5, steady)
    drive(limiter, 5, lambda _, __: (0.1, True))
    assert limiter.limit == 1
    drive(limiter, 10, steady)
    assert limiter.limit == 8


def test_it_stays_about_where_the_server_begins_to_push_back() -> None:
    limiter = Limiter(32)
    limits = []
    for _ in range(100):
        drive(limiter, 0.5, lambda _, under_way: (0.1, under_way > 6))
        limits.append(limiter.limit)
    assert max(limits) <= 8
    assert min(limits[10:]) >= 3


def test_a_sudden_slowness_lowers_it() -> None:
    limiter = Limiter(8)
    drive(limiter, 5, steady)
    drive(limiter, 1.2, lambda _, __: (1.0, False))
    assert limiter.limit < 8


@given(
    st.integers(1, 20),
    st.lists(
        st.tuples(st.floats(0, 10), st.floats(0, 10), st.booleans(), st.booleans()), max_size=80
    ),
)
def test_the_limit_stays_between_one_and_the_most(
    most: int, events: list[tuple[float, float, bool, bool]]
) -> None:
    limiter, time = Limiter(most), 0.0
    for pause, took, pressure, drop in events:
        time += pause
        limiter.began(time)
        before = limiter.limit
        if drop:
            limiter.dropped(time)
        else:
            limiter.ended(time, took, pressure=pressure)
        assert 1 <= limiter.limit <= most
        assert limiter.limit <= before or not (pressure or drop)
        assert limiter.in_flight == 0


# -- the gate -----------------------------------------------------------------------------------


def test_no_more_pass_than_the_limit_and_in_the_order_they_came() -> None:
    passed: list[int] = []
    most = 0

    async def main() -> None:
        nonlocal most
        limiter = Limiter(2)
        gate = Gate(limiter)

        async def go(number: int) -> None:
            nonlocal most
            async with Passage(gate):
                passed.append(number)
                most = max(most, limiter.in_flight)
                await asyncio.sleep(1)

        await asyncio.gather(*(go(number) for number in range(10)))
        assert now() == pytest.approx(7)  # one at a time for three seconds, then two
        assert limiter.in_flight == 0

    virtually(main)
    assert passed == list(range(10))
    assert most == 2


def test_who_waited_sends_before_the_answer_that_made_room_is_looked_at() -> None:
    order: list[str] = []

    async def main() -> None:
        gate = Gate(Limiter(1))

        async def go(name: str) -> None:
            async with Passage(gate):
                order.append(f"{name} sent")
                await asyncio.sleep(1)
            order.append(f"{name} settled")

        await asyncio.gather(go("first"), go("second"))

    virtually(main)
    assert order == ["first sent", "second sent", "first settled", "second settled"]


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 3), st.floats(0, 4)), max_size=12))
def test_a_cancelled_wait_never_takes_a_place_along(
    plans: list[tuple[float, float, float]],
) -> None:
    async def main() -> None:
        limiter = Limiter(2)
        gate = Gate(limiter)

        async def go(start: float, work: float) -> None:
            await asyncio.sleep(start)
            async with Passage(gate):
                assert limiter.in_flight <= 2
                await asyncio.sleep(work)

        async def plan(start: float, work: float, end: float) -> None:
            task = asyncio.create_task(go(start, work))
            await asyncio.sleep(end)
            task.cancel()

        await asyncio.gather(*(plan(*each) for each in plans))
        await asyncio.sleep(10)
        assert limiter.in_flight == 0
        async with asyncio.timeout(1):
            await asyncio.gather(go(0, 0.1), go(0, 0.1))

    virtually(main)


def test_a_place_granted_to_one_just_cancelled_goes_to_the_next() -> None:
    async def main() -> None:
        limiter = Limiter(1)
        gate = Gate(limiter)
        await gate.enter()
        waiting = [asyncio.create_task(gate.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        limiter.dropped(now())
        gate.admit()
        waiting[0].cancel()
        async with asyncio.timeout(1):
            await waiting[1]
        assert limiter.in_flight == 1

    virtually(main)
