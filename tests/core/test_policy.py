"""The failure policy: what it makes of errors, how long it waits, what it refuses."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from math import inf, nan
from typing import Any

import pytest

from ackflow import sinks
from ackflow.streams import Reject, Requeue, Skip
from ackflow.streams.core import SKIPPED, FailurePolicy, Kind, RetryState, exponential


def waits(wait: Callable[[Any], float], attempt: int) -> list[float]:
    return [wait(RetryState(attempt)) for _ in range(500)]


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (10**6, 60.0)]
)
def test_a_wait_is_between_half_and_all_of_a_ceiling_that_doubles_up_to_a_minute(
    attempt: int, ceiling: float
) -> None:
    drawn = waits(exponential(), attempt)
    assert ceiling / 2 <= min(drawn) < 0.6 * ceiling
    assert 0.9 * ceiling < max(drawn) <= ceiling


def test_a_wait_begins_with_first_and_ends_with_longest() -> None:
    wait = exponential(first=3.0, longest=5.0)
    assert 1.5 <= min(waits(wait, 1)) < max(waits(wait, 1)) <= 3.0
    assert 2.5 <= min(waits(wait, 2)) < max(waits(wait, 2)) <= 5.0


def test_doubling_stops_before_numbers_overflow() -> None:
    drawn = waits(exponential(longest=inf), 10**6)
    assert 2.0**63 <= min(drawn) < 0.6 * 2.0**64
    assert 0.9 * 2.0**64 < max(drawn) <= 2.0**64


def test_the_state_a_wait_is_asked_with_is_what_tenacity_reads() -> None:
    state = RetryState(3)
    assert state.outcome is None
    assert (state.seconds_since_start, state.idle_for, state.upcoming_sleep) == (0.0, 0.0, 0.0)
    changed: Any = state
    with pytest.raises(FrozenInstanceError):
        changed.attempt_number = 4


def test_a_policy_tries_five_times_and_a_broker_twenty() -> None:
    policy = FailurePolicy()
    assert (policy.attempts, policy.deliveries) == (5, 20)
    assert FailurePolicy(attempts=1).attempts == 1
    changed: Any = policy
    with pytest.raises(FrozenInstanceError):
        changed.attempts = 2


def test_verdicts_choose_and_other_errors_spend_an_attempt_or_are_permanent() -> None:
    policy = FailurePolicy(permanent=[KeyError])
    assert policy.judge(Skip("no need")) is SKIPPED
    rejected = policy.judge(error := Reject("no use"))
    assert (rejected.kind, rejected.cause, rejected.attempt) == (Kind.REJECT, error, False)
    again = policy.judge(error := Requeue("later", after=7.0))
    assert (again.kind, again.cause, again.after, again.attempt) == (
        Kind.REQUEUE,
        error,
        7.0,
        False,
    )
    permanent = policy.judge(error := KeyError("gone"))
    assert (permanent.kind, permanent.cause, permanent.attempt) == (Kind.REJECT, error, False)
    failed = policy.judge(error := ValueError("no longer permanent"))
    assert (failed.kind, failed.cause, failed.attempt) == (Kind.REQUEUE, error, True)


def test_a_pause_is_what_the_wait_says_and_never_below_0() -> None:
    asked: list[int] = []

    def wait(state: Any) -> float:
        asked.append(state.attempt_number)
        return {1: 0.25, 2: -3.0, 3: 0.0}[state.attempt_number]

    policy = FailurePolicy(wait=wait)
    assert [policy.pause(attempt) for attempt in (0, 1, 2, 3)] == [0.25, 0.25, 0.0, 0.0]
    assert asked == [1, 1, 2, 3]


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        ({"attempts": 0}, ValueError, "attempts must be a whole number from 1 up, got 0"),
        ({"attempts": 2.5}, ValueError, "attempts must be a whole number from 1 up, got 2.5"),
        ({"wait": 3}, TypeError, "wait must be a function of the retry state"),
        ({"permanent": [KeyError, "x"]}, TypeError, "permanent must hold exception types, got 'x'"),
        ({"permanent": [KeyError, int]}, TypeError, "permanent must hold exception types, got <"),
        ({"dead_letter": "queue"}, TypeError, "dead_letter must be a sink, .* got 'queue'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    wrong: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        FailurePolicy(**wrong)


@pytest.mark.parametrize("letter", [None, "exchange", "discard", sinks.to_list()])
def test_a_dead_letter_is_a_sink_or_one_of_two_words_or_none(letter: Any) -> None:
    assert FailurePolicy(dead_letter=letter).dead_letter is letter


@pytest.mark.parametrize("seconds", [0, -1, nan, -inf, "5", None])
def test_a_wait_begins_and_ends_with_a_number_of_seconds(seconds: Any) -> None:
    with pytest.raises(ValueError, match=r"exponential\(first\): must be a finite number"):
        exponential(first=seconds)
    with pytest.raises(ValueError, match=r"exponential\(longest\): must be a finite number"):
        exponential(longest=seconds)
    with pytest.raises(ValueError, match=r"exponential\(first\)"):
        exponential(first=inf)


def test_what_errors_say_of_a_policy_is_no_part_of_it() -> None:
    one, other = (FailurePolicy(wait=min, call=call) for call in ("memory.queue", "amqp.queue"))
    assert one == other
    assert "call" not in repr(one)
