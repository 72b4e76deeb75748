"""Plain async generators, the first of which loops over the integers itself: one hop less.

That is no stage one could put behind another; it shows what the hop is worth.
"""

import asyncio
from collections.abc import AsyncIterator

from benchmarks.contenders.operators import increased
from benchmarks.contenders.operators.async_generators import chunked, filtered
from benchmarks.contenders.task import repeated


async def mapped(items: int) -> AsyncIterator[int]:
    """Map."""
    for number in range(items):
        yield increased(number)


async def run(items: int) -> tuple[int, int]:
    """Count and sum up."""
    chunks = total = 0
    async for chunk in chunked(filtered(mapped(items))):
        chunks += 1
        total += sum(chunk)
    return chunks, total


if __name__ == "__main__":
    asyncio.run(repeated(run))
