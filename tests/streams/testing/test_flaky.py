"""FlakySink: a sink that does what its script says."""

from typing import Any

import pytest

from ackflow import operators as op
from ackflow.streams import Reject
from ackflow.streams.testing import FlakySink, VirtualClock, assert_settled
from tests.queues import closed

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_each_write_does_what_its_entry_says(virtual_clock: VirtualClock) -> None:
    queue = closed(range(6), dead_letter="exchange")
    sink = FlakySink([None, ValueError("no"), {0: Reject("bad")}, 30.0, ConnectionError("away")])
    await (queue | sink)
    assert sink.accepted == [0, 3, 4, 5]
    assert sink.calls == [[0], [1], [2], [3], [4], [4], [5]]
    assert sink.events == ["open", *["write"] * 7, "close"]
    assert 30 <= virtual_clock.now < 32
    assert_settled(queue, acked=[0, 3, 4, 5], rejected=[1, 2])


async def test_verdicts_go_to_the_members_of_a_chunk() -> None:
    queue = closed(range(5), dead_letter="exchange")
    sink = FlakySink([{1: Reject("bad")}])
    await (queue | op.chunk(3) | sink)
    assert (sink.accepted, sink.calls) == ([0, 2, 3, 4], [[0, 1, 2], [3, 4]])
    assert_settled(queue, acked=[0, 2, 3, 4], rejected=[1])


async def test_an_idempotent_one_is_bisected() -> None:
    queue = closed(range(4), dead_letter="exchange")
    bad = ValueError("no")
    sink = FlakySink([bad, bad, None, None, bad], idempotent=True)
    await (queue | op.chunk(4) | sink)
    assert sink.calls == [[0, 1, 2, 3], [0, 1], [2, 3], [0], [1]]
    assert_settled(queue, acked=[0, 2, 3], rejected=[1], in_order=False)


async def test_writes_in_flight_are_counted_and_a_hang_for_ever_ends_with_the_run() -> None:
    queue = closed(range(9))
    sink = FlakySink([float("inf")] * 9, concurrency=3)
    handle = (queue | sink).start()
    await VirtualClock().advance(1000)
    assert (sink.under_way, sink.most_under_way) == (3, 3)
    await handle.abort()
    assert (sink.under_way, sink.accepted, sink.events[-1]) == (0, [], "close")
    assert_settled(queue, requeued=..., ready=range(9))


@pytest.mark.parametrize("entry", ["no", True, -1.0, {0: "bad"}, {"a": ValueError()}, ValueError])
def test_an_entry_that_is_none_raises_where_it_is_written(entry: Any) -> None:
    with pytest.raises(TypeError, match="must hold None, exceptions"):
        FlakySink([entry])
