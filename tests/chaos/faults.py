"""How each fault is done. Every one is over when its call returns."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.chaos.world import World

PAUSE = 3.0
"""Seconds for which servers are frozen and connections stalled."""
LATENCY = 0.2
PASS_WITHIN = 30.0
POLL = 0.01


async def befall(fault: str, world: World) -> None:
    """Do one fault to the servers or what connects to them."""
    await FAULTS[fault](world)


async def _frozen(server: Any) -> None:
    await asyncio.to_thread(server.pause)
    await asyncio.sleep(PAUSE)
    await asyncio.to_thread(server.resume)


async def _killed(server: Any) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def _cut(proxy: Any) -> None:
    proxy.cut()


async def _halved(proxy: Any) -> None:
    proxy.halve()
    await _passed(proxy)


async def _corrupted(proxy: Any) -> None:
    proxy.corrupt()
    await _passed(proxy)


async def _passed(proxy: Any) -> None:
    """Wait until there was something to break."""
    async with asyncio.timeout(PASS_WITHIN):
        while proxy.armed:
            await asyncio.sleep(POLL)


FAULTS: dict[str, Callable[[World], Awaitable[Any]]] = {
    "cut amqp": lambda world: _cut(world.amqp),
    "cut elasticsearch": lambda world: _cut(world.search),
    "halve amqp": lambda world: _halved(world.amqp),
    "halve elasticsearch": lambda world: _halved(world.search),
    "corrupt amqp": lambda world: _corrupted(world.amqp),
    "corrupt elasticsearch": lambda world: _corrupted(world.search),
    "close connections": lambda world: asyncio.to_thread(world.rabbitmq.close_connections),
    "delay amqp": lambda world: world.amqp.delay(LATENCY, PAUSE),
    "delay elasticsearch": lambda world: world.search.delay(LATENCY, PAUSE),
    "stall amqp": lambda world: world.amqp.stall(PAUSE),
    "stall elasticsearch": lambda world: world.search.stall(PAUSE),
    "restart rabbitmq": lambda world: asyncio.to_thread(world.rabbitmq.restart),
    "kill rabbitmq": lambda world: _killed(world.rabbitmq),
    "pause rabbitmq": lambda world: _frozen(world.rabbitmq),
    "restart elasticsearch": lambda world: asyncio.to_thread(world.elasticsearch.restart),
    "kill elasticsearch": lambda world: _killed(world.elasticsearch),
    "pause elasticsearch": lambda world: _frozen(world.elasticsearch),
}
