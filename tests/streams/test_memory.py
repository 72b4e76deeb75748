"""streams.memory.queue: what a queue that runs for long, with several producers, must not do."""

import asyncio

import pytest

from ackflow import operators as op
from ackflow import sinks, streams

pytestmark = pytest.mark.usefixtures("virtual_clock")


async def test_every_producer_that_waits_for_room_gets_it() -> None:
    queue: streams.memory.MemoryQueue[int] = streams.memory.queue([0])
    waiting = [asyncio.create_task(queue.room(1)) for _ in range(3)]
    await asyncio.sleep(0)
    given_up = asyncio.create_task(queue.room(1))
    await asyncio.sleep(0)
    given_up.cancel()
    queue.close()
    await (queue | sinks.to_list())
    await asyncio.wait_for(asyncio.gather(*waiting), 1)


async def test_two_branches_that_fill_one_queue_both_go_on() -> None:
    """Each waits for room while the other does."""
    queue: streams.memory.MemoryQueue[int] = streams.memory.queue(prefetch=64)
    filling = [
        (streams.from_iterable(range(20_000)) | sinks.to_queue(queue)).start() for _ in range(2)
    ]
    taking = (queue | op.take(40_000) | sinks.count()).start()
    assert await taking == 40_000
    for handle in filling:
        await handle


async def test_without_history_nothing_is_kept_of_what_is_settled() -> None:
    queue = streams.memory.queue(["1", "x", "3"], dead_letter="exchange", prefetch=4, history=False)
    queue.close()
    assert await (queue | op.map(int) | sinks.to_list()) == [1, 3]
    queue.disconnect()
    assert [queue.acked, queue.rejected, queue.requeued, queue.settlements] == [[], [], [], []]
    assert queue.unsettled == []
