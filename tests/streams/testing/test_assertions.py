"""Assertions of the kit: what they let pass, and what they say where they don't."""

import asyncio
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import testing
from ackflow.streams.memory import MemoryQueue
from tests.queues import closed

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def settled() -> MemoryQueue[str]:
    queue = closed(["1", "x", "3"], dead_letter="exchange")
    await (queue | op.map(int) | sinks.to_list())
    return queue


async def test_what_became_of_messages_is_asserted_in_order() -> None:
    queue = await settled()
    testing.assert_settled(queue, acked=["1", "3"], rejected=["x"])
    testing.assert_settled(queue, acked=["3", "1"], rejected=..., in_order=False)
    assert sorted(queue.settlements) == [("acked", "1"), ("acked", "3"), ("rejected", "x")]


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        ({"acked": ["3", "1"], "rejected": ["x"]}, ["acked: 2 values", "+ '1'", "- '1'"]),
        ({"acked": ["1", "2"], "rejected": ["x"], "in_order": False}, ["- '2'", "+ '3'"]),
        ({"acked": ["1", "3"]}, ["rejected: 0 values were expected, there are 1", "+ 'x'"]),
        ({"rejected": ...}, ["acked: 0 values were expected, there are 2"]),
        ({"acked": ..., "rejected": ..., "ready": ["z"]}, ["ready: 1 values", "- 'z'"]),
    ],
)
async def test_a_difference_is_shown_with_the_order_of_settlements(
    expected: dict[str, Any], lines: list[str]
) -> None:
    queue = await settled()
    with pytest.raises(AssertionError) as raised:
        testing.assert_settled(queue, **expected)
    for line in [*lines, "in order: ", "rejected 'x'"]:
        assert line in str(raised.value)


async def test_values_are_compared_as_often_as_they_come() -> None:
    queue = closed([1, 1, 2])
    await (queue | sinks.to_list())
    with pytest.raises(AssertionError, match="acked"):
        testing.assert_settled(queue, acked=[1, 2, 2], in_order=False)


async def test_a_run_that_goes_on_is_told_by_what_it_holds() -> None:
    queue = streams.memory.queue([{"a": 1}])
    run = (queue | testing.FlakySink([float("inf")])).start()
    await testing.VirtualClock().idle()
    with pytest.raises(AssertionError) as raised:
        testing.assert_settled(queue, ready=...)
    for text in ("unsettled: [{'a': 1}]", "open channels: 1", "tasks left behind: memory.queue"):
        assert text in str(raised.value)
    with pytest.raises(AssertionError, match="open channels"):
        testing.assert_closed(queue)
    await run.abort()
    testing.assert_settled(queue, requeued=[{"a": 1}], ready=[{"a": 1}])
    testing.assert_closed(queue)


async def test_tasks_of_the_tests_own_may_go_on_where_they_are_named() -> None:
    task = asyncio.create_task(asyncio.sleep(1000), name="mine")
    with pytest.raises(AssertionError, match="tasks left behind: mine"):
        testing.assert_closed()
    testing.assert_closed(tasks=[task])
    task.cancel()


def test_outside_a_loop_tasks_are_none() -> None:
    queue = testing.run(settled())
    testing.assert_settled(queue, acked=["1", "3"], rejected=["x"])
