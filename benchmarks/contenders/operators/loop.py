"""The limit: one loop that does all of it, where nothing is asynchronous and nothing is a stage."""

import asyncio

from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.task import repeated


async def run(items: int) -> tuple[int, int]:
    """Count and sum up."""
    chunks = total = 0
    chunk: list[int] = []
    for number in range(items):
        more = increased(number)
        if even(more):
            chunk.append(more)
            if len(chunk) == CHUNK:
                chunks += 1
                total += sum(chunk)
                chunk = []
    return chunks + bool(chunk), total + sum(chunk)


if __name__ == "__main__":
    asyncio.run(repeated(run))
