"""aiostream: `map` of an async function, with `task_limit`.

https://aiostream.readthedocs.io/en/stable/operators.html#transformation-operators
"""

import asyncio

from aiostream import Stream, pipe, stream

from benchmarks.contenders.map_async import LIMIT, call
from benchmarks.contenders.task import repeated


async def run(items: int) -> int:
    """Sum up."""
    total = 0
    numbers = stream.iterate(range(items))
    mapped: Stream[int] = numbers | pipe.map(call, task_limit=LIMIT)  # type: ignore[arg-type]
    async with mapped.stream() as streamer:
        async for number in streamer:
            total += number
    return total


if __name__ == "__main__":
    asyncio.run(repeated(run))
