"""A message that failed further up, and is of no use to anybody there, is settled by whom it meets."""

from collections import Counter
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks
from ackflow.streams.testing import OperatorCase
from tests.cases import CASES
from tests.core.stages import refusing
from tests.queues import assert_all_closed, closed

XS = [1, 2, 3, 4, 5]


def same(value: int) -> int:
    return value


def flat(values: list[Any]) -> list[Any]:
    return [v for value in values for v in (flat(value) if isinstance(value, list) else [value])]


RELYING = ("take_until", "take_while", "zip", "zip_latest")
"""Rows of stages that rely on `Context.caught`: no failure is handed to who does not pass it."""
MEETING = {name: case for name, case in CASES.items() if name.split()[0] not in RELYING}


@pytest.mark.parametrize("case", MEETING.values(), ids=MEETING)
async def test_it_fails_alone_and_the_others_go_on(case: OperatorCase) -> None:
    queue = closed(XS, dead_letter=(dead := sinks.to_list()))
    refused, rest = 2, [1, 3, 4, 5]
    result = await (refusing(queue, refused) | case.make(same) | sinks.to_list())
    assert [letter.body for letter in dead.values] == [refused]
    assert Counter(queue.acked) + Counter(queue.ready) == Counter(XS)
    assert queue.rejected == []
    if case.elementwise and case.ordered:
        assert flat(result) == flat(case.model(rest))
    elif case.elementwise:
        assert sorted(flat(result)) == sorted(flat(case.model(rest)))
    assert_all_closed(queue)


PASSING = ["concat", "map", "map_async", "map_async unordered", "merge", "retry", "tap"]


@pytest.mark.parametrize("name", PASSING)
async def test_where_operators_pass_failures_it_reaches_the_catch_behind_them(name: str) -> None:
    case = CASES[name]
    queue = closed(XS)
    caught = case.make(same) | op.catch(lambda error: -1, on=ValueError)
    result = await (refusing(queue, 2) | caught | sinks.to_list())
    assert Counter(result) == Counter(case.model([1, -1, 3, 4, 5]))
    assert sorted(queue.acked) == XS
    assert_all_closed(queue)
