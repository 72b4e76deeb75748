"""What a queue in memory is told by those that consume it."""

import asyncio
from typing import Any


def record(queue: Any, frames: list[Any], times: list[float]) -> None:
    """Write down the frames that a queue is sent, and when."""
    (channel,) = queue._broker.channels
    if getattr(channel, "recorded", False):
        return
    channel.recorded = True
    send = channel.send

    async def sending(some: Any) -> None:
        frames.extend(some)
        times.append(asyncio.get_running_loop().time())
        await send(some)

    channel.send = sending
