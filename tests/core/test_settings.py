"""Settings: what is a count, a time, a flag, and what is none."""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

from ackflow.streams.core.settings import (
    LONGEST,
    check_count,
    check_duration,
    check_flag,
    check_seconds,
    is_count,
    is_duration,
)


@pytest.mark.parametrize(("count", "least"), [(1, 1), (0, 0), (5, 1), (10**400, 1)])
def test_a_whole_number_from_the_least_up_is_a_count(count: int, least: int) -> None:
    assert is_count(count, least)
    check_count("call(n)", count, least, "leave it out")


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "1", None, nan])
def test_anything_else_is_none_and_the_error_says_what_to_do(count: Any) -> None:
    assert not is_count(count, 1)
    with pytest.raises(ValueError, match=r"call\(n\): must be a whole number from 1 up, got .*; l"):
        check_count("call(n)", count, 1, "leave it out")


TIMES = [0.001, 1, 60.0, 10**300, LONGEST]
NO_TIMES = [0, 0.0, -1, nan, -inf, True, "1", 10**400]


@pytest.mark.parametrize("seconds", TIMES)
def test_a_number_above_0_is_a_time(seconds: Any) -> None:
    assert is_duration(seconds)
    check_duration("call(s)", seconds, "leave it out")
    check_seconds("call(s)", seconds)


@pytest.mark.parametrize("seconds", NO_TIMES)
@pytest.mark.parametrize(
    "check", [check_seconds, lambda call, seconds: check_duration(call, seconds, "leave it out")]
)
def test_other_numbers_are_no_times(check: Callable[[str, Any], None], seconds: Any) -> None:
    assert not is_duration(seconds)
    with pytest.raises(ValueError, match=r"call\(s\): must be .*seconds above 0, got "):
        check("call(s)", seconds)


@pytest.mark.parametrize("seconds", [None, inf])
def test_no_limit_is_a_limit_but_no_time_to_wait(seconds: Any) -> None:
    check_seconds("call(s)", seconds)
    assert not is_duration(seconds)
    with pytest.raises(ValueError, match="must be a finite number of seconds above 0"):
        check_duration("call(s)", seconds, "leave it out")


@pytest.mark.parametrize("flag", [0, 1, None, "yes"])
def test_a_flag_is_true_or_false_and_nothing_that_passes_for_it(flag: Any) -> None:
    check_flag("call(b)", True)
    check_flag("call(b)", False)
    with pytest.raises(TypeError, match=r"call\(b\): must be True or False, got "):
        check_flag("call(b)", flag)
