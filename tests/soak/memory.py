"""A queue in memory in a process of its own: `python -m tests.soak.memory MESSAGES`."""

import asyncio
import sys

from ackflow import operators as op
from ackflow import sinks, streams
from tests.soak.samples import ROUNDS, drained, take, tell

BATCH = 1_000
SAMPLES = 200
CUTS = 5
"""Few, for a connection that is lost again and again is opened after longer and longer waits."""
POISON = 500
"""The number in a thousand that fails for good; the one after it fails once."""


def make() -> tuple[streams.memory.MemoryQueue[int], streams.Pipeline[int]]:
    """Return a queue and its pipeline: messages that fail, part, meet again, and are counted."""
    failed: set[int] = set()

    def stumble(number: int) -> int:
        if number % 1000 == POISON:
            raise ValueError(f"nobody wants {number}")
        if number % 1000 == POISON + 1 and number not in failed:
            failed.add(number)
            raise RuntimeError(f"stumbled over {number}")
        failed.discard(number)
        return number

    queue: streams.memory.MemoryQueue[int] = streams.memory.queue(
        prefetch=4_096,
        wait=lambda _: 0.01,
        dead_letter=sinks.each(lambda letter: None),
        history=False,
    )
    parting = op.map(stumble) | op.flat_map(lambda number: (number, -number))
    return queue, queue | parting | op.chunk(256, timeout=0.1) | op.unchunk() | sinks.count()


async def soak(messages: int) -> None:
    """Put in messages as fast as they come out, telling what this process takes."""
    before = take(0, 0)
    tell(before)
    queue, pipeline = make()
    handle = pipeline.start()
    told = cuts = 0
    for done in range(0, messages, BATCH):
        await queue.room(2 * BATCH)
        queue.put(*range(done, done + BATCH))
        if told < done * SAMPLES // messages:
            told += 1
            tell(take(1 + done * ROUNDS // messages, done))
        if cuts < done * CUTS // messages:
            cuts += 1
            queue.disconnect()
    queue.close()
    await handle
    print(handle.stats(), file=sys.stderr)
    del handle
    tell(await drained(before, ROUNDS, messages))


def main() -> None:
    """Run it once."""
    asyncio.run(soak(int(sys.argv[1])))


if __name__ == "__main__":
    main()
