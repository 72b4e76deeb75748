"""The words pipeline in a process of its own: `python -m tests.soak.words SETTINGS`, as JSON.

One message in a thousand fails at first, one fails for good, each with a text of its own.
"""

import asyncio
import json
import logging
import random
import sys
from typing import Any

import orjson

from ackflow import operators as op
from ackflow import sinks
from tests.chaos.scenarios import Log, Places, source
from tests.soak.samples import ROUNDS, drained, take, tell

EVERY = 0.5
"""Seconds between samples."""
POISON = 500
"""The number in a thousand that fails for good."""


def stumble(document: Any) -> Any:
    """Hand a document on, or fail with a text that no other failure has."""
    if document["n"] % 1000 == POISON:
        raise ValueError(f"nobody wants {document['n']} {random.random()}")
    if random.random() < 0.001:
        raise RuntimeError(f"stumbled over {document['n']} {random.random()}")
    return document


def words(places: Places) -> Any:
    """The words pipeline, with a step that fails."""
    bulk = sinks.elasticsearch.bulk(places.elasticsearch, index=places.index, id="n")
    step = op.map(orjson.loads) | op.map(stumble)
    return source(places) | step | op.chunk(256, timeout=0.5) | bulk


async def soak(places: Places, seconds: float) -> None:
    """Run and drain the pipeline, round by round, telling what this process takes."""
    before = take(0, 0)
    tell(before)
    loop, pipeline, done = asyncio.get_running_loop(), words(places), 0
    for round_ in range(1, ROUNDS + 1):
        handle = pipeline.start()
        end = loop.time() + seconds
        while loop.time() < end and not handle.done:
            await asyncio.sleep(EVERY)
            tell(take(round_, done + handle.stats().acked))
        await handle.drain()
        await handle
        done += handle.stats().acked
        print(handle.stats(), file=sys.stderr)
        del handle
        tell(await drained(before, round_, done))


def main() -> None:
    """Run all rounds."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = json.loads(sys.argv[1])
    seconds = settings.pop("seconds")
    queues = tuple(settings.pop("queues"))
    places = Places(log=Log("/dev/null"), queues=queues, target="", **settings)
    asyncio.run(soak(places, seconds))


if __name__ == "__main__":
    main()
