"""every: a stream of ticks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ackflow.streams.core import Stream, check_duration, check_on_error, from_lists


def every(seconds: float, *, on_error: Any = "raise") -> Stream[int]:
    """Make a stream of ticks: 0 at once, then 1, 2, 3, … every `seconds`, without drift.

        ticks   0---1---2---3---4---5
        out     0---1-------(3)-4---5        1 is worked on until after 3 was due

    Example:
        streams.every(60) | op.map_async(measure) | sinks.each(store)

    Each number says which tick it is: it is due that many times `seconds` after the first. Of the ticks
    that pass while the consumer works the last one comes as soon as it is ready; the others are left
    out, not piled up. It ends on a drain, at once. The same as fs2's `fixedRate`, and Tokio's `interval`
    with `MissedTickBehavior::Skip`, with numbers.
    Acks: there is nothing to ack; `on_error` is "raise", "skip" or a dead-letter sink.
    Raises ValueError, where it is written, unless `seconds` is a finite number above 0.
    """
    check_duration("streams.every(seconds)", seconds, "streams.every(60) ticks once a minute")
    check_on_error("streams.every(on_error)", on_error)
    from fractions import Fraction  # takes a tenth of what importing ackflow does

    period = Fraction(seconds)

    async def ticks() -> AsyncIterator[list[int]]:
        loop = asyncio.get_running_loop()
        began, tick = loop.time(), 0
        while True:
            yield [tick]
            passed = Fraction(loop.time() - began) // period
            tick = max(tick + 1, passed)
            await asyncio.sleep(max(0.0, began + float(tick * period) - loop.time()))

    return from_lists(ticks, name="every", settings={"seconds": seconds}, on_error=on_error)
