"""What bad messages cost: the README's pipeline with one of them in a hundred, against none.

Run by `python -m benchmarks --poison`; by itself, with a kind, it is the program that is measured.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from unittest.mock import patch

import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core.ladder import Ladder
from benchmarks.contenders.task import Task, measured
from tests.end_to_end.tools import until_ready
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

KINDS = ("none", "dead letters", "retried")
"""No bad message; no JSON, for the dead letter at once; an exception, tried ATTEMPTS times before."""
EVERY = 100
ATTEMPTS = 5
WAIT = 0.2
"""Seconds before each further attempt."""


def compare(amqp: RabbitMQ, search: Elasticsearch, messages: int, rounds: int) -> dict[str, Any]:
    """Let the pipeline index messages of each kind in turn, and check what became of them."""
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        # In turn from both ends, as Elasticsearch gets warmer.
        for kind in KINDS[:: -1 if number % 2 else 1]:
            name = f"poison-{kind.replace(' ', '-')}-{number}"
            task = Task(amqp.url, search.url, name, name, messages)
            asyncio.run(fill(task, kind))
            seconds[kind].append(run(task, kind))
            check(amqp, search, task, kind)
            rate = messages / seconds[kind][-1]
            print(f"round {number + 1}: {kind:20} {rate:10,.0f} messages/s", flush=True)
    return {"messages": messages, "bad_of": EVERY, "kinds": table(seconds, messages)}


def bad(number: int) -> bool:
    """Say whether a message is a bad one."""
    return number % EVERY == EVERY // 2


def bodies(messages: int, kind: str) -> Iterator[bytes]:
    """Yield the bodies of messages."""
    for number in range(messages):
        document = {"word": f"word{number}", "n": number}
        if kind == "none" or not bad(number):
            yield orjson.dumps(document)
        else:
            yield b"{no JSON" if kind == "dead letters" else orjson.dumps({**document, "bad": True})


async def fill(task: Task, kind: str) -> None:
    """Publish the messages, persistent, to a durable classic queue; declare one for dead letters."""
    for queue in (task.queue, f"{task.queue}.dead"):
        await streams.amqp.declare(queue, url=task.amqp, declare="classic")
    sink = sinks.amqp.publish(task.amqp, routing_key=task.queue)
    await (streams.from_iterable(bodies(task.messages, kind)) | op.chunk(500) | sink)


def run(task: Task, kind: str) -> float:
    """Run the pipeline in a process of its own and return its seconds."""
    command = [sys.executable, "-m", "benchmarks.poison", kind]
    environment = {**os.environ, "BENCHMARK_TASK": json.dumps(asdict(task))}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"poison, {kind} failed:\n{result.stderr}")
    seconds: float = json.loads(result.stdout.splitlines()[-1])["seconds"]
    return seconds


def check(amqp: RabbitMQ, search: Elasticsearch, task: Task, kind: str) -> None:
    """Hold the pipeline to its work: the good indexed, the bad in the dead letters, nothing left."""
    dead = 0 if kind == "none" else sum(map(bad, range(task.messages)))
    queues = amqp.list_queues()
    found, letters = search.count(task.index), queues[f"{task.queue}.dead"][0]
    if (found, letters, queues[task.queue]) != (task.messages - dead, dead, (0, 0)):
        raise RuntimeError(
            f"{task.queue}: {found} indexed and {letters} dead letters of {task.messages} messages, "
            f"{dead} of them bad; {queues[task.queue]} left in the queue"
        )
    if kind == "retried":
        # A quorum queue's figures are late; this asks the queue itself.
        asyncio.run(until_ready(amqp, {f"{task.queue}.retry": 0}))
    search.request("DELETE", f"/{task.index}")


def table(seconds: dict[str, list[float]], messages: int) -> dict[str, Any]:
    """Return messages per second of each kind, by the median round, and its ratio to no bad ones."""
    medians = {kind: statistics.median(taken) for kind, taken in seconds.items()}
    return {
        kind: {
            "messages_per_second": round(messages / medians[kind]),
            "spread": [round(messages / max(taken)), round(messages / min(taken))],
            "ratio": round(medians["none"] / medians[kind], 2),
        }
        for kind, taken in seconds.items()
    }


# -- what is measured -------------------------------------------------------------------------------


def examine(document: dict[str, Any]) -> dict[str, Any]:
    """Raise for a bad document."""
    if "bad" in document:
        raise RuntimeError("bad")
    return document


async def work(task: Task, kind: str) -> None:
    """Index what is good, and bury what is bad."""
    retried = kind == "retried"
    pipeline = (
        streams.amqp.queue(
            task.queue,
            url=task.amqp,
            prefetch=task.prefetch,
            attempts=ATTEMPTS,
            wait=lambda _: WAIT,
            retry_queue=retried,
            dead_letter=sinks.amqp.publish(task.amqp, routing_key=f"{task.queue}.dead"),
        )
        | op.map(orjson.loads)
        | op.map(examine)
        | op.chunk(task.chunk, timeout=1.0)
        | sinks.elasticsearch.bulk(task.elasticsearch, index=task.index, id="word")
    )
    again = sum(map(bad, range(task.messages))) * (ATTEMPTS - 1) if retried else 0
    # Few enough messages fail here for all to be held; the retry queue is what is to be measured.
    with patch.object(Ladder, "full", return_value=retried):
        await pipeline.start(limit=task.messages + again)


if __name__ == "__main__":
    asyncio.run(measured(lambda task: work(task, sys.argv[1])))
