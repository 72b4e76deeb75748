"""Cells that are interrupted in a real kernel, where nothing is shown that would wake its loop."""

from collections.abc import AsyncIterator

import pytest

from tests.browser import kernel, lab

pytestmark = pytest.mark.browser

IDLE = {
    "a run": "await (queue | sinks.each(print))",
    "a peek": "await (queue | op.tap(print)).peek(10)",
    "a loop": "async for value in queue:\n    print(value)",
}


@pytest.fixture
async def started() -> AsyncIterator[kernel.Kernel]:
    lab.need()
    async with kernel.running() as found:
        yield found


async def test_a_cell_that_waits_for_an_idle_queue_is_interrupted(started: kernel.Kernel) -> None:
    for cell in IDLE.values():
        await started.run("queue = streams.memory.queue(['words'])")
        started.begin(cell)
        await started.says("words")
        await started.interrupt()
        shown = await started.ends()
        assert "interrupted: " in shown, cell
        assert ".py" not in shown, cell
        told = "queue.unsettled, len(queue.ready) + len(queue.acked)"
        assert await started.run(told) == "([], 1)", cell
