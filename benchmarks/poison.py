"""What bad messages cost: the README's pipeline with one of them in a hundred, against none.

    python -m benchmarks.poison             baseline and bad ones in turn, several rounds, half an hour
    python -m benchmarks.poison --tiny      only to see that it runs
    python -m benchmarks.poison --write     keep the result in poison.json
    python -m benchmarks.poison_page        put it into docs/guarantees.md

It fails where less is left of the throughput than is asked for. What is measured runs in a process of
its own each time: `work` and the kind.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from ackflow import operators as op
from ackflow import sinks, streams
from benchmarks.contenders.task import Task, measured
from benchmarks.results import circumstances
from benchmarks.worlds import Servers
from tests.end_to_end.tools import until_ready
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

RESULTS = Path(__file__).with_name("poison.json")
NONE, DEAD, RETRIED = "none", "dead letters", "retried"
KINDS = (NONE, DEAD, RETRIED)
"""No bad message; no JSON, for the dead letter at once; an exception, tried ATTEMPTS times before."""
BOUNDS = {DEAD: 0.8, RETRIED: 0.6}
"""What has to be left of the throughput."""
EVERY = 100
BUNCHES = 2
"""Bad messages come in so many bunches: more at a time than may be held, so that most of them take the
retry queue, as they do where something is wrong for a while."""
ATTEMPTS = 5
WAIT = 0.2
"""Seconds before each further attempt."""
PREFETCH = 512
POLL = 0.02
"""Seconds between looks at whether all is done."""
SHARE = 0.5
"""The part of the further attempts that has to come by the retry queue, for that is what is measured."""


def compare(servers: Servers, messages: int, rounds: int, *, tiny: bool = False) -> dict[str, Any]:
    """Let the pipeline index messages of each kind in turn, and check what became of them."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for number in range(-1 if not tiny else 0, rounds):
        # In turn from both ends, as Elasticsearch gets warmer; the first round only warms up.
        for kind in KINDS[:: -1 if number % 2 else 1]:
            taken = once(servers.rabbitmq, servers.elasticsearch, messages, kind, number)
            rate = messages / taken["seconds"]
            print(f"round {number + 1}: {kind:20} {rate:10,.0f} messages/s", flush=True)
            if number >= 0:
                found[kind].append(taken)
    shares = [taken["by_queue"] for taken in found[RETRIED]]
    if not tiny and min(shares) < SHARE:
        raise RuntimeError(
            f"poison: only {min(shares):.0%} of the attempts came by the retry queue"
        )
    return {
        "messages": messages,
        "bad_of": EVERY,
        "rounds": rounds,
        "attempts": ATTEMPTS,
        "by_retry_queue": round(min(shares), 3),
        "kinds": table(found, messages),
    }


def once(
    amqp: RabbitMQ, search: Elasticsearch, messages: int, kind: str, number: int
) -> dict[str, float]:
    """Have one queue of messages worked on; return what was measured."""
    name = f"poison-{kind.replace(' ', '-')}-{number}"
    task = Task(amqp.url, search.url, name, name, messages, prefetch=PREFETCH)
    asyncio.run(fill(task, kind))
    taken = run(task, kind)
    check(amqp, search, task, kind)
    return taken


def bad(number: int, messages: int) -> bool:
    """Say whether a message is a bad one."""
    each = max(EVERY, messages // BUNCHES)
    return 0 <= number % each - each // 2 < each // EVERY


def bodies(messages: int, kind: str) -> Iterator[bytes]:
    """Yield the bodies of messages."""
    for number in range(messages):
        document = {"word": f"word{number}", "n": number}
        if kind == NONE or not bad(number, messages):
            yield orjson.dumps(document)
        else:
            yield b"{no JSON" if kind == DEAD else orjson.dumps({**document, "bad": True})


async def fill(task: Task, kind: str) -> None:
    """Publish the messages, persistent, to a durable classic queue; declare one for dead letters."""
    for queue in (task.queue, f"{task.queue}.dead"):
        await streams.amqp.declare(queue, url=task.amqp, declare="classic")
    sink = sinks.amqp.publish(task.amqp, routing_key=task.queue)
    await (streams.from_iterable(bodies(task.messages, kind)) | op.chunk(500) | sink)


def run(task: Task, kind: str) -> dict[str, float]:
    """Run the pipeline in a process of its own and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.poison", "work", kind]
    environment = {**os.environ, "BENCHMARK_TASK": json.dumps(asdict(task))}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"poison, {kind} failed:\n{result.stderr}")
    held, taken = map(json.loads, result.stdout.splitlines()[-2:])
    again = count(task.messages) * (ATTEMPTS - 1)
    return {"seconds": taken["seconds"], "by_queue": 1 - held / again}


def count(messages: int) -> int:
    """Return how many of so many messages are bad."""
    return sum(bad(number, messages) for number in range(messages))


def check(amqp: RabbitMQ, search: Elasticsearch, task: Task, kind: str) -> None:
    """Hold the pipeline to its work: the good indexed, the bad in the dead letters, nothing left."""
    dead = 0 if kind == NONE else count(task.messages)
    queues = amqp.list_queues()
    found, letters = search.count(task.index), queues[f"{task.queue}.dead"][0]
    if (found, letters, queues[task.queue]) != (task.messages - dead, dead, (0, 0)):
        raise RuntimeError(
            f"{task.queue}: {found} indexed and {letters} dead letters of {task.messages} messages, "
            f"{dead} of them bad; {queues[task.queue]} left in the queue"
        )
    if kind == RETRIED:
        # A quorum queue's figures are late; this asks the queue itself.
        asyncio.run(until_ready(amqp, {f"{task.queue}.retry": 0}))
    search.request("DELETE", f"/{task.index}")


def table(found: dict[str, list[dict[str, float]]], messages: int) -> dict[str, Any]:
    """Return messages per second of each kind, and their ratios to no bad ones in the same round."""
    seconds = {kind: [taken["seconds"] for taken in rounds] for kind, rounds in found.items()}
    result: dict[str, Any] = {}
    for kind, each in seconds.items():
        ratios = [none / own for none, own in zip(seconds[NONE], each, strict=True)]
        result[kind] = {
            "messages_per_second": round(messages / statistics.median(each)),
            "spread": [round(messages / max(each)), round(messages / min(each))],
            "ratio": round(statistics.median(ratios), 3),
            "ratio_spread": [round(min(ratios), 3), round(max(ratios), 3)],
        }
    return result


def missed(kinds: dict[str, Any]) -> list[str]:
    """Say which kinds leave less of the throughput than is asked for."""
    return [
        f"{kind}: {kinds[kind]['ratio']} of the throughput is left, below {least}"
        for kind, least in BOUNDS.items()
        if kinds[kind]["ratio"] < least
    ]


# -- what is measured -------------------------------------------------------------------------------


def examine(document: dict[str, Any]) -> dict[str, Any]:
    """Raise for a bad document."""
    if "bad" in document:
        raise RuntimeError("bad")
    return document


async def work(task: Task, kind: str) -> None:
    """Index what is good, and bury what is bad."""
    retried = kind == RETRIED
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
    handle = pipeline.start()
    # No limit would do: how many are held and tried again, which counts toward none, is not known.
    while (counts := handle.stats()).accepted + counts.dead_lettered < task.messages:  # noqa: ASYNC110
        await asyncio.sleep(POLL)
    print((await handle.drain()).retried)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the result where asked to; 1 where too little is left."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.poison",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--messages", type=int, default=200_000, help="of each kind and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="one round of 2,000, without bounds")
    parser.add_argument("--write", action="store_true", help="keep the result beside this file")
    given = parser.parse_args(arguments)
    if given.write and given.tiny:
        parser.error("--write keeps a whole run: leave out --tiny")
    if given.tiny:
        given.messages, given.rounds = 2_000, 1
    with ExitStack() as stack:
        servers = Servers(stack, warm=not given.tiny)
        found = compare(servers, given.messages, given.rounds, tiny=given.tiny)
        found |= circumstances(servers.versions())
    print(json.dumps(found["kinds"], indent=2))
    if given.write:
        RESULTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"written to {RESULTS}; python -m benchmarks.poison_page puts it into the page")
    wrong = [] if given.tiny else missed(found["kinds"])
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        asyncio.run(measured(lambda task: work(task, sys.argv[2])))
    else:
        sys.exit(main())
