"""How long a message takes through an idle pipeline, from its publication to the call of the sink.

Another process publishes, a queue in RabbitMQ is between, and both read the same monotonic clock.
"""

import asyncio
import statistics
import sys
import time

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders import drivers  # noqa: F401
from benchmarks.contenders.publisher import STAMP
from benchmarks.contenders.task import Stopwatch, given


async def main() -> None:
    """Let the other process publish, and look at the times that come in."""
    task, found = given(), list[float]()

    def look(sent: tuple[float]) -> None:
        found.append(time.monotonic() - sent[0])

    queue = streams.amqp.queue(task.queue, url=task.amqp, prefetch=task.prefetch)
    pipeline = queue | op.map(STAMP.unpack) | sinks.each(look)
    with Stopwatch() as watch:
        running = pipeline.start(limit=task.messages)
        publisher = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.contenders.publisher"
        )
        await running
    assert await publisher.wait() == 0
    cuts = statistics.quantiles(found, n=100, method="inclusive")
    watch.report(p50=cuts[49], p99=cuts[98])


if __name__ == "__main__":
    asyncio.run(main())
