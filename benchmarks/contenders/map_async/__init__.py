"""Calls of 10 ms, 256 of them at once, results in order."""

import asyncio

LIMIT = 256
LATENCY = 0.01
"""Seconds."""


async def call(number: int) -> int:
    """Wait as for something remote, and answer."""
    await asyncio.sleep(LATENCY)
    return number + 1
