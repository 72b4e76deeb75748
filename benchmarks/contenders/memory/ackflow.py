"""ackflow: as many messages as prefetch lets out, joined in a chunk and not settled."""

import asyncio

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders import drivers  # noqa: F401
from benchmarks.contenders.memory import WARM, resident
from benchmarks.contenders.task import Stopwatch, given


async def buffered(url: str, queue: str, count: int) -> int:
    """Take so many messages; return what is resident while all of them are held."""
    found: list[int] = []
    pipeline = (
        streams.amqp.queue(queue, url=url, prefetch=count)
        | op.chunk(count, timeout=60.0)
        | sinks.each(lambda _: found.append(resident()))
    )
    await pipeline.start(limit=count)
    assert len(found) == 1, "not all of them were held at once"
    return found[0]


async def main() -> None:
    """Look at memory with few messages, and with all of them."""
    task = given()
    with Stopwatch() as watch:
        before = await buffered(task.amqp, f"{task.queue}.warm", WARM)
        after = await buffered(task.amqp, task.queue, task.messages)
    watch.report(bytes=(after - before) / task.messages)


if __name__ == "__main__":
    asyncio.run(main())
