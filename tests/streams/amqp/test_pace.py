"""How long a channel stays open after its last frames."""

import pytest

from ackflow.streams.amqp.pace import AT_ONCE, PAUSE, PER_SECOND, Pace


def test_few_frames_need_no_pause() -> None:
    pace = Pace()
    assert pace.pause(0.0) == 0.0
    pace.sent(AT_ONCE, 0.0)
    assert pace.pause(0.0) == 0.0


def test_many_frames_have_a_pause_from_the_last_of_them() -> None:
    pace = Pace()
    pace.sent(AT_ONCE, 5.0)
    pace.sent(1, 5.05)
    whole = PAUSE + (AT_ONCE + 1) / PER_SECOND
    assert pace.pause(5.05) == pytest.approx(whole)
    assert pace.pause(5.07) == pytest.approx(whole - 0.02)


def test_the_more_there_are_the_longer_it_is() -> None:
    pace = Pace()
    pace.sent(10_000, 0.0)
    assert pace.pause(0.0) == pytest.approx(PAUSE + 10_000 / PER_SECOND)
    assert pace.pause(0.5) == pytest.approx(0.1)
    assert pace.pause(0.6) == 0.0


def test_a_frame_now_and_then_never_adds_up() -> None:
    pace = Pace()
    for step in range(1000):
        pace.sent(1, step * 0.01)
        assert pace.pause(step * 0.01) == 0.0


def test_many_at_a_time_do_not_arrive_sooner_for_what_comes_after() -> None:
    pace = Pace()
    for step in range(100):
        pace.sent(100, step * 0.005)
    assert pace.pause(0.495) == pytest.approx(PAUSE + 10_000 / PER_SECOND)
