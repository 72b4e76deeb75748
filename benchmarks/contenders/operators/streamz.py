"""streamz: values pushed in with `emit`; its partition hands on full ones only, so a last one is pushed.

https://streamz.readthedocs.io/en/latest/core.html and async.html
"""

import asyncio

from streamz import Stream

from benchmarks.contenders.operators import CHUNK, even, increased
from benchmarks.contenders.task import repeated


async def run(items: int) -> tuple[int, int]:
    """Count and sum up."""
    sums: list[int] = []
    source = Stream(asynchronous=True)
    source.map(increased).filter(even).partition(CHUNK).map(sum).sink(sums.append)
    for number in range(items):
        await source.emit(number)
    rest = items // 2 % CHUNK
    if rest:
        # -1 is mapped to 0, which is even and changes no sum.
        for _ in range(CHUNK - rest):
            await source.emit(-1)
    return len(sums), sum(sums)


if __name__ == "__main__":
    asyncio.run(repeated(run))
