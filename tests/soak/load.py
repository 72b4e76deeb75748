"""What is done to the words pipeline from outside: messages without end, and small faults."""

import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Any

from tests.chaos.faults import befall
from tests.chaos.world import World
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitMQ
from tests.soak.samples import ROUNDS, Sample, account

QUEUE, DEAD, INDEX = "soak", "soak-dead", "soak"
FAULTS = ("cut amqp", "halve amqp", "delay amqp",
          "cut elasticsearch", "halve elasticsearch", "delay elasticsearch")  # fmt: skip
PAUSE = 3.0
"""Seconds from one fault to the next."""
AHEAD = 5_000
"""Messages that wait in the queue: enough for the pipeline to have work, and no more."""
DOCUMENTS = 50_000
"""Different ones: the index is not what is to grow."""


async def followed(module: str, settings: Any) -> list[Sample]:
    """Run a process to its end, and return the samples that it told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, json.dumps(settings), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    samples: list[Sample] = []
    try:
        async for line in process.stdout:
            samples.append(Sample(**json.loads(line)))
            if samples[-1].drained:
                print(f"{module}: {samples[-1]}", file=sys.stderr)
        if code := await process.wait():
            raise AssertionError(f"{module}: exit code {code}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return samples


async def words(minutes: float, seed: int) -> dict[str, Any]:
    """Soak the words pipeline."""
    with RabbitMQ() as rabbitmq, Elasticsearch() as search, tempfile.TemporaryDirectory() as folder:
        async with Proxy(rabbitmq.url) as amqp, Proxy(search.url) as http:
            world = World(rabbitmq, search, Path(folder), amqp, http)
            await world.declare(QUEUE, {})
            await world.declare(DEAD, {"x-max-length": 1_000})
            return await _soaked(world, 60 * minutes / ROUNDS, seed)


async def _soaked(world: World, seconds: float, seed: int) -> dict[str, Any]:
    faults: Counter[str] = Counter()
    settings: Mapping[str, Any] = {
        "amqp": world.amqp.url, "elasticsearch": world.search.url, "queues": [QUEUE],
        "index": INDEX, "dead": DEAD, "seconds": seconds,
    }  # fmt: skip
    around = [
        asyncio.create_task(_publish(world)),
        asyncio.create_task(_break(world, faults, seed)),
    ]
    try:
        samples = await followed("tests.soak.words", settings)
    finally:
        await _ended(around)
    return {"faults": dict(sorted(faults.items())), **account(samples)}


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks; an error that one of them met goes on."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


async def _publish(world: World) -> None:
    """Keep some messages in the queue."""
    numbers = (n % DOCUMENTS for n in count())
    while True:
        if await world.ready(QUEUE) < AHEAD:
            await world.publish([QUEUE], islice(numbers, 2_000))
        else:
            await asyncio.sleep(0.1)


async def _break(world: World, faults: Counter[str], seed: int) -> None:
    """Do small faults in a random order."""
    chance = random.Random(seed)
    while True:
        await asyncio.sleep(PAUSE)
        fault = chance.choice(FAULTS)
        faults[fault] += 1
        await befall(fault, world)


async def memory(messages: int) -> dict[str, Any]:
    """Soak the queue in memory."""
    return account(await followed("tests.soak.memory", messages))
