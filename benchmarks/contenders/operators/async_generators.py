"""Plain async generators, the way one writes them by hand; nothing is tracked."""

import asyncio
from collections.abc import AsyncIterator

from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.task import repeated


async def source(items: int) -> AsyncIterator[int]:
    """Yield integers."""
    for number in range(items):
        yield number


async def mapped(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    """Map."""
    async for number in numbers:
        yield increased(number)


async def filtered(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    """Filter."""
    async for number in numbers:
        if even(number):
            yield number


async def chunked(numbers: AsyncIterator[int]) -> AsyncIterator[list[int]]:
    """Chunk."""
    chunk: list[int] = []
    async for number in numbers:
        chunk.append(number)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def run(items: int) -> tuple[int, int]:
    """Count and sum up."""
    chunks = total = 0
    async for chunk in chunked(filtered(mapped(source(items)))):
        chunks += 1
        total += sum(chunk)
    return chunks, total


if __name__ == "__main__":
    asyncio.run(repeated(run))
