"""ackflow: chunks into `sinks.elasticsearch.bulk`, as its documentation says."""

import asyncio

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders import drivers  # noqa: F401
from benchmarks.contenders.bulk import documents
from benchmarks.contenders.task import Stopwatch, given


async def main() -> None:
    """Index every document."""
    task = given()
    pipeline = (
        streams.from_iterable(documents(task.messages))
        | op.chunk(task.chunk)
        | sinks.elasticsearch.bulk(task.elasticsearch, index=task.index, id="word")
    )
    with Stopwatch() as watch:
        await pipeline
    assert pipeline.summary.accepted == task.messages, pipeline.summary
    watch.report()


if __name__ == "__main__":
    asyncio.run(main())
