"""Queues in memory as tests need them."""

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

from ackflow import streams
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.testing import assert_closed

A = TypeVar("A")

assert_all_closed = assert_closed


def closed(values: Iterable[A], **options: Any) -> MemoryQueue[A]:
    """A queue that ends when all of its values are settled."""
    queue = streams.memory.queue(values, **options)
    queue.close()
    return queue


async def ticks(number: int = 20) -> None:
    """Give every task that can go on its turn, without moving the clock."""
    for _ in range(number):
        await asyncio.sleep(0)
