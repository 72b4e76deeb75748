"""Rare meetings of events, and answers that few sinks give."""

import asyncio
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from tests.queues import assert_all_closed, closed

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("turns", range(16))
async def test_whenever_the_last_branch_ends_nothing_is_handed_to_none(turns: int) -> None:
    async def numbers() -> Any:
        for number in range(5):
            for _ in range(turns):
                await asyncio.sleep(0)
            yield number

    async def same(value: int) -> int:
        await asyncio.sleep(0)
        return value

    branch = op.map_async(same) | op.take(1)
    step = op.broadcast(branch, branch)
    assert await (streams.from_iterable(numbers()) | step | sinks.to_list()) == [0, 0]
    queue = streams.memory.queue([0], prefetch=1)
    handle = (queue | step | sinks.to_list()).start()
    for number in range(1, 5):
        for _ in range(turns):
            await asyncio.sleep(0)
        queue.put(number)
    assert await handle == [0, 0]
    assert (queue.acked, queue.ready) == ([0], [1, 2, 3, 4])
    assert_all_closed(queue)


async def test_one_entry_for_what_is_left_of_a_chunk_is_that_of_each_member() -> None:
    class Summing:
        """Names the members it refuses at first, and then answers for all it was given."""

        def __init__(self) -> None:
            self.written: list[Any] = []

        async def write(self, items: Sequence[Any]) -> list[Exception | None]:
            self.written.append(list(items[0]))
            if len(self.written) == 1:
                return [OSError(value) if value % 2 else None for value in items[0]]
            return [OSError("all of it") if len(self.written) == 2 else None]

    queue, store = closed([1, 2, 3], attempts=1), Summing()
    await (queue | op.chunk(3) | op.retry(store, attempts=3))
    assert store.written == [[1, 2, 3], [1, 3], [1, 3]]
    assert queue.acked == [1, 2, 3]


@pytest.mark.parametrize("folder", ["operators"])
def test_a_folder_that_is_imported_by_itself_says_what_to_write(folder: str) -> None:
    with pytest.raises(ImportError, match="use `from ackflow import operators as op`"):
        runpy.run_path(str(ROOT / folder / "__init__.py"), run_name=folder)
