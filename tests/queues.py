"""Queues in memory as tests need them."""

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

from ackflow import streams
from ackflow.streams.memory import MemoryQueue

A = TypeVar("A")


def closed(values: Iterable[A], **options: Any) -> MemoryQueue[A]:
    """A queue that ends when all of its values are settled."""
    queue = streams.memory.queue(values, **options)
    queue.close()
    return queue


def assert_all_closed(*queues: MemoryQueue[Any]) -> None:
    """Nothing is unsettled, no channel is open, and no task was left behind."""
    for queue in queues:
        assert queue.unsettled == []
        assert queue._broker.channels == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def ticks(number: int = 20) -> None:
    """Give every task that can go on its turn, without moving the clock."""
    for _ in range(number):
        await asyncio.sleep(0)
