"""A program in which everything fails: `python -m tests.security.failing`, its settings on stdin."""

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import running

STATUS = ("/", "/metrics", "/readyz", "/healthz")


def use(value: Any) -> Any:
    """Fail, showing the value."""
    raise RuntimeError(f"can't use {value!r}")


def pipelines(given: dict[str, Any]) -> Iterator[Any]:
    """Yield pipelines that fail, each in another way."""
    letters = sinks.amqp.publish(given["broker"], routing_key=given["dead"])
    queue: dict[str, Any] = {"until_idle": 0.3, "start_timeout": 0.2}
    poisoned = {"dead_letter": letters, "attempts": 2, "wait": lambda _: 0.01}
    words = streams.amqp.queue(given["queue"], url=given["broker"], **queue, **poisoned)
    yield words | op.map(orjson.loads) | op.map(use) | sinks.to_list()
    for url in (given["wrong password"], given["nobody"], given["stranger"]):
        yield streams.amqp.queue(given["queue"], url=url, **queue) | sinks.to_list()
        yield streams.of(b"um") | sinks.amqp.publish(url, routing_key=given["queue"])
    yield streams.amqp.queue("no such queue", url=given["broker"], **queue) | sinks.to_list()
    documents = streams.from_iterable([{"word": "um"}], on_error="skip") | op.chunk(1)
    for credentials in given["credentials"]:
        quick: dict[str, Any] = {"backoff": (0.001, 0.01), "halt_after": 0.05, "retry_for": 0.1}
        for url in given["elasticsearch"]:
            yield documents | sinks.elasticsearch.bulk(
                url, index="words", id="word", **quick, **credentials
            )
    for url in given["pages"]:
        yield streams.http.lines(url, headers=given["headers"], timeout=0.3) | sinks.to_list()


async def look(pipeline: Any) -> None:
    """Run a pipeline for a moment, showing all there is to see."""
    status = running.Status("127.0.0.1:0", name="failing")
    async with status.serve() as board:
        handle = pipeline.start(measure=True, tracing=running.Tally())
        board.show(handle)
        for _ in range(10):
            await asyncio.sleep(0.05)
            if handle.done:
                break
        await fetch(f"http://127.0.0.1:{board.port}")
    print(repr(pipeline), handle.state, handle.stats(), asyncio.all_tasks())
    try:
        await handle.drain(0.1)
        print(await handle)
    except Exception:
        traceback.print_exc()
    except asyncio.CancelledError:
        print("aborted")
    print(pipeline.summary, repr(pipeline.summary))


async def fetch(address: str) -> None:
    """Print what the run shows over HTTP."""
    async with aiohttp.ClientSession() as session:
        for path in STATUS:
            async with session.get(address + path) as answer:
                print(f"status {path}: {answer.status}", dict(answer.headers), await answer.text())


def main() -> None:
    """Run them all, and let the last error end the program."""
    logging.basicConfig(level=logging.DEBUG)
    given = json.load(sys.stdin)
    for pipeline in pipelines(given):
        asyncio.run(look(pipeline))
    wrong = streams.amqp.queue("words", url=given["wrong password"], start_timeout=0.2)
    (wrong | sinks.to_list()).run()


if __name__ == "__main__":
    main()
