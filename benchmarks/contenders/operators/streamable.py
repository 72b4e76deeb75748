"""streamable 2.0, iterated in an event loop.

https://streamable.readthedocs.io/en/latest/api.html
"""

import asyncio

from streamable import stream

from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.task import repeated


async def run(items: int) -> tuple[int, int]:
    """Count and sum up."""
    chunks = total = 0
    async for chunk in stream(range(items)).map(increased).filter(even).group(CHUNK):
        chunks += 1
        total += sum(chunk)
    return chunks, total


if __name__ == "__main__":
    asyncio.run(repeated(run))
