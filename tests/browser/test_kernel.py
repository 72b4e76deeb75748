"""Cells that are interrupted, and runs that are cut short, in a real kernel that shows nothing."""

from collections.abc import AsyncIterator

import pytest

from tests.browser import kernel, lab
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, fill, ready, unique

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


RUN = """
async def store(value):
    print("begun", flush=True)
    await asyncio.sleep(600)

await (streams.amqp.queue({name!r}, url={url!r}, prefetch=3) | sinks.each(store))
"""


@pytest.mark.servers
async def test_what_a_restarted_kernel_had_not_acked_comes_again(
    started: kernel.Kernel, rabbitmq: RabbitMQ
) -> None:
    url, name, bodies = rabbitmq.url, unique("restart"), [b"1", b"2", b"3", b"4"]
    await declare(url, name, **{"x-queue-type": "quorum"})
    await fill(url, name, bodies)
    started.begin(RUN.format(name=name, url=url))
    await started.says("begun")
    assert await ready(url, name) == 1, "the kernel holds the others"
    await started.restart()
    seen = await started.run(f"sorted(await streams.amqp.queue({name!r}, url={url!r}).peek(4))")
    assert seen == repr(bodies)
