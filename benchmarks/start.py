"""What a program waits for before it works: `python -m benchmarks.start`, two minutes.

Imports: `import ackflow.streams` in a fresh interpreter that has imported asyncio, compiled files in
place. Start: examples/words.py with words in its queue, from the start of its process to the first word
that Elasticsearch has indexed, both servers answering before.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.contenders.wire import Wire
from benchmarks.environments import ROOT
from benchmarks.requirements import Requirement, judged
from benchmarks.results import circumstances
from benchmarks.worlds import Servers
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.errors import RequestError
from tests.servers.rabbitmq import RabbitMQ

RESULTS = Path(__file__).with_name("start.json")
IMPORT = """
import asyncio, json, time
wall, cpu = time.perf_counter(), time.process_time()
import ackflow.streams
print(json.dumps([1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)]))
"""
WORDS = 2_000
WITHIN = 60.0
"""Seconds after which the first word is given up."""
REQUIRED = (
    Requirement(
        "import_ms", "`import ackflow.streams` over `import asyncio`, ms", 50, at_most=True
    ),
    Requirement("import_cpu_ms", "CPU of the same, ms", 50, at_most=True),
    Requirement(
        "start_s", "the words example, from its start to the first word, s", 1, at_most=True
    ),
)


def imports(number: int) -> list[tuple[float, float]]:
    """Import so many times, after a first one that compiles; return milliseconds, and those of CPU."""
    found = []
    for _ in range(number + 1):
        command = [sys.executable, "-c", IMPORT]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        wall, cpu = json.loads(done.stdout)
        found.append((wall, cpu))
    return found[1:]


def starts(rabbitmq: RabbitMQ, elasticsearch: Elasticsearch, number: int) -> list[float]:
    """Start the example so many times; return the seconds to the first word of each."""
    return [start(rabbitmq, elasticsearch, f"start-{turn}") for turn in range(number)]


def start(rabbitmq: RabbitMQ, elasticsearch: Elasticsearch, queue: str) -> float:
    """Start the example on a queue with words in it, and wait for the first one in the index."""
    amqp = ["--amqp", rabbitmq.url, "--queue", queue, "--limit", str(WORDS), "--json"]
    example = [sys.executable, "examples/words.py"]
    subprocess.run([*example, "produce", *amqp], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    elasticsearch.request("DELETE", "/words?ignore_unavailable=true")
    command = [*example, "index", *amqp, "--elasticsearch", elasticsearch.url]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            while not indexed(elasticsearch):
                if process.poll() is not None or time.perf_counter() - began > WITHIN:
                    raise RuntimeError(
                        f"no word was indexed; the example ended with {process.poll()}"
                    )
                time.sleep(0.002)
            taken = time.perf_counter() - began
            process.communicate(timeout=WITHIN)
        finally:
            process.kill()
    with Wire(rabbitmq.url) as wire:
        wire.delete(queue)
    elasticsearch.request("DELETE", "/words")
    return taken


def indexed(elasticsearch: Elasticsearch) -> int:
    """Return how many words were indexed; that they can be searched for takes a refresh more."""
    path = "/words/_stats/indexing?filter_path=_all.total.indexing.index_total"
    try:
        found = elasticsearch.request("GET", path)
    except RequestError as error:
        if error.status == 404:
            return 0
        raise
    return int(found["_all"]["total"]["indexing"]["index_total"]) if found else 0


def figures(taken: Sequence[tuple[float, float]], seconds: Sequence[float]) -> dict[str, Any]:
    """Return the medians, and beside them best and worst."""
    values = {
        "import_ms": [wall for wall, _ in taken],
        "import_cpu_ms": [cpu for _, cpu in taken],
        "start_s": list(seconds),
    }

    def short(of: Callable[[Sequence[float]], float]) -> dict[str, float]:
        return {name: float(f"{of(each):.3g}") for name, each in values.items()}

    best, worst = short(min), short(max)
    spreads = {name: (best[name], worst[name]) for name in values}
    return {**short(statistics.median), "spreads": spreads}


def main() -> None:
    """Measure, print, and keep the figures where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--imports", type=int, default=30, help="fresh interpreters")
    parser.add_argument("--starts", type=int, default=7, help="of the example")
    parser.add_argument("--tiny", action="store_true", help="one of each")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    given = parser.parse_args()
    if given.write and given.tiny:
        parser.error("--write keeps a whole run: leave out --tiny")
    number = {"imports": given.imports, "starts": given.starts}
    if given.tiny:
        number = dict.fromkeys(number, 1)
    taken = imports(number["imports"])
    with ExitStack() as stack:
        servers = Servers(stack, warm=False)
        seconds = starts(servers.rabbitmq, servers.elasticsearch, number["starts"])
        versions = servers.versions()
    found = figures(taken, seconds)
    for row in judged(found, found["spreads"], REQUIRED):
        print("  ".join(row))
    if given.write:
        kept = {**found, "settings": number, **circumstances(versions)}
        RESULTS.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
