"""Which deliveries are refused before anybody works on them, and which are suspected."""

from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from ackflow.streams.amqp.gathering import Received
from ackflow.streams.amqp.inspection import Inspection


def raw(count: int | None, queue: str = "1") -> Received:
    """Return a delivery that a queue has handed out so often before; None where it can't tell."""
    headers = None if count is None else {"x-delivery-count": count}
    method = Basic.Deliver(queue, 1, redelivered=count != 0)
    header = ContentHeader(properties=Basic.Properties(headers=headers))
    channel: Any = None
    return Received(DeliveredMessage(method, header, b"x", channel), 100)


@pytest.mark.parametrize(
    ("counts", "refused", "suspects"),
    [
        ([0, 1, 9], [], []),
        ([10, 19, 3], [], [0, 1]),
        ([20], [0], []),
        ([20, 20, 25], [0], [1, 2]),
        ([12, 20, 21, 2], [1], [0, 2]),
        ([None, None], [], []),
    ],
)
def test_of_what_came_too_often_the_first_is_refused_and_the_others_are_suspects(
    counts: list[int | None], refused: list[int], suspects: list[int]
) -> None:
    inspection = Inspection(100, deliveries=20, properties=False)
    errors, suspected = inspection.inspect([raw(count) for count in counts])
    assert (list(errors), suspected) == (refused, suspects)
    for position in refused:
        assert f"handed out {counts[position]} times" in str(errors[position])


def test_one_of_each_queue_is_refused_in_an_epoch() -> None:
    inspection = Inspection(100, deliveries=3, properties=False)
    errors, suspects = inspection.inspect([raw(3, "1"), raw(3, "1"), raw(4, "2")])
    assert (list(errors), suspects) == ([0, 2], [1])
    assert inspection.inspect([raw(3, "1"), raw(3, "2")]) == ({}, [0, 1])
