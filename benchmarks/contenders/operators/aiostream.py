"""aiostream's operators, piped.

https://aiostream.readthedocs.io/en/stable/presentation.html
"""

import asyncio

from aiostream import pipe, stream

from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.task import repeated


async def run(items: int) -> tuple[int, int]:
    """Count and sum up."""
    chunks = total = 0
    numbers = stream.iterate(range(items))
    mapped = numbers | pipe.map(increased)  # type: ignore[arg-type] # of one stream, not of several
    piped = mapped | pipe.filter(even) | pipe.chunks(CHUNK)
    async with piped.stream() as streamer:
        async for chunk in streamer:
            chunks += 1
            total += sum(chunk)
    return chunks, total


if __name__ == "__main__":
    asyncio.run(repeated(run))
