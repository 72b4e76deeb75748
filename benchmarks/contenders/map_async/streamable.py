"""streamable 2.0: `map` of an async function, with `concurrency`.

https://streamable.readthedocs.io/en/latest/api.html
"""

import asyncio

from streamable import stream

from benchmarks.contenders.map_async import LIMIT, call
from benchmarks.contenders.task import repeated


async def run(items: int) -> int:
    """Sum up."""
    total = 0
    async for number in stream(range(items)).map(call, concurrency=LIMIT):
        total += number
    return total


if __name__ == "__main__":
    asyncio.run(repeated(run))
