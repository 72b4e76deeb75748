"""ackflow, tracked: every integer has a token, which is settled once, whatever became of it."""

import asyncio

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.task import repeated


async def run(items: int) -> tuple[int, int]:
    """Run, and see that every integer was settled once."""
    pipeline = (
        streams.from_iterable(range(items))
        | op.map(increased)
        | op.filter(even)
        | op.chunk(CHUNK)
        | sinks.fold(lambda total, chunk: (total[0] + 1, total[1] + sum(chunk)), (0, 0))
    )
    result: tuple[int, int] = await pipeline
    assert pipeline.summary.acked == pipeline.summary.delivered == items, pipeline.summary
    return result


if __name__ == "__main__":
    asyncio.run(repeated(run))
