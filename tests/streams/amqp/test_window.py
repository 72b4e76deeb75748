"""The window of a publisher: a number that was given, or what the line takes."""

from collections import deque

import pytest

from ackflow.streams.amqp.window import MOST, WAITING, Window


def settled_limit(*, delay: float, rate: float, seconds: float = 20.0) -> int:
    """Publish over a line to a broker as fast as the window allows; return what it comes to.

    `delay`: seconds there and back; `rate`: messages that the broker confirms in a second.
    """
    window, line, now, served = Window(), deque[tuple[float, int]](), 0.0, 0.0
    under_way: dict[int, None] = {}
    number = 0
    while now < seconds:
        while len(under_way) < window.limit:
            served = max(served, now + delay / 2) + 1 / rate
            line.append((served + delay / 2, number))
            under_way[number] = None
            window.sent(number, now)
            number += 1
        now, first = line.popleft()
        del under_way[first]
        window.confirmed(1, under_way, now)
    return window.limit


@pytest.mark.parametrize(("delay", "rate"), [(0.001, 30_000), (0.05, 20_000), (0.2, 10_000)])
def test_a_fixed_number_waits_at_the_broker_beside_what_is_on_its_way(
    delay: float, rate: float
) -> None:
    on_their_way = delay * rate
    assert settled_limit(delay=delay, rate=rate) == pytest.approx(WAITING + on_their_way, rel=0.02)


def test_a_long_line_to_a_fast_broker_has_a_bound() -> None:
    assert settled_limit(delay=1.0, rate=100_000, seconds=60.0) == MOST


def test_a_broker_that_becomes_slower_has_fewer_on_their_way() -> None:
    window = Window()
    window.sent("first", 0.0)
    window.confirmed(1000, (), 0.1)
    assert window.limit == WAITING + 1000
    window.sent("second", 1.0)
    window.confirmed(1000, (), 2.0)
    assert window.limit == WAITING + 100


def test_one_message_is_timed_at_a_time_and_what_is_confirmed_meanwhile_counts() -> None:
    window = Window()
    window.sent("a", 0.0)
    window.sent("b", 0.9)
    window.confirmed(10, {"a", "b"}, 0.95)
    assert window.limit == WAITING
    window.confirmed(2, (), 1.0)
    assert window.limit == WAITING + 12
    window.confirmed(500, (), 1.1)
    assert window.limit == WAITING + 12, "nothing was timed"


def test_a_window_that_was_given_stays() -> None:
    window = Window(7)
    window.sent("a", 0.0)
    window.confirmed(1000, (), 0.1)
    assert window.limit == 7


def test_a_clock_that_stands_still_tells_nothing() -> None:
    window = Window()
    window.sent("a", 1.0)
    window.confirmed(3, (), 1.0)
    assert window.limit == WAITING
