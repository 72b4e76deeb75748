"""The limit in plain asyncio: 256 tasks that take turns, results in any order."""

import asyncio
from collections.abc import Iterator

from benchmarks.contenders.map_async import LIMIT, call
from benchmarks.contenders.task import repeated


async def run(items: int) -> int:
    """Sum up."""
    numbers = iter(range(items))
    return sum(await asyncio.gather(*(worker(numbers) for _ in range(LIMIT))))


async def worker(numbers: Iterator[int]) -> int:
    """Make one call after another."""
    return sum([await call(number) for number in numbers])


if __name__ == "__main__":
    asyncio.run(repeated(run))
