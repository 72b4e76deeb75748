"""Run the benchmarks on a RabbitMQ and an Elasticsearch of their own.

python -m benchmarks                             the whole, some minutes
python -m benchmarks --messages 2000 --rounds 1  only to see that it runs
python -m benchmarks --poison --messages 200000  what bad messages cost
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import poison
from benchmarks.contenders.task import Task
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

RESULTS = Path(__file__).with_name("results.json")
POISON = Path(__file__).with_name("poison.json")
CONTENDERS = {"ackflow": "ackflow_pipeline", "aio-pika iterator": "aio_pika_iterator"}
VERSIONS = ("aio-pika", "aiormq", "elasticsearch", "orjson")


@dataclass
class Figures:
    """What one contender took, round by round."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def rate(self, messages: int) -> float:
        """Return messages per second, by the median round."""
        return messages / statistics.median(self.seconds)


def end_to_end(amqp: RabbitMQ, search: Elasticsearch, messages: int, rounds: int) -> dict[str, Any]:
    """Let the contenders index the same messages in turn, and check that each did."""
    figures = {name: Figures() for name in CONTENDERS}
    for number in range(rounds):
        # In turn from both ends: who comes first meets a colder Elasticsearch.
        for name, module in list(CONTENDERS.items())[:: -1 if number % 2 else 1]:
            queue = f"bench-{module}-{number}"
            task = Task(amqp.url, search.url, queue, queue.replace("_", "-"), messages)
            fill(task)
            taken = run(module, task)
            check(amqp, search, task)
            figures[name].seconds.append(taken["seconds"])
            figures[name].cpu.append(taken["cpu"])
            rate = messages / taken["seconds"]
            print(f"round {number + 1}: {name:20} {rate:10,.0f} messages/s", flush=True)
    return table(figures, messages)


def fill(task: Task) -> None:
    """Publish the messages, persistent, to a durable queue."""
    command = [sys.executable, "-m", "benchmarks.fill"]
    subprocess.run(command, check=True, env=environment(task))


def run(module: str, task: Task) -> dict[str, float]:
    """Run a contender in a process of its own and return what it printed."""
    command = [sys.executable, "-m", f"benchmarks.contenders.{module}"]
    result = subprocess.run(
        command, env=environment(task), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(f"{module} failed:\n{result.stderr}")
    taken: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return taken


def environment(task: Task) -> dict[str, str]:
    """Return the environment that carries a task."""
    return {**os.environ, "BENCHMARK_TASK": json.dumps(asdict(task))}


def check(amqp: RabbitMQ, search: Elasticsearch, task: Task) -> None:
    """Hold a contender to its work: everything indexed, nothing left in the queue."""
    found = search.count(task.index)
    left = amqp.list_queues()[task.queue]
    if found != task.messages or left != (0, 0):
        raise RuntimeError(
            f"{task.queue}: {found} of {task.messages} indexed, {left} left in queue"
        )
    search.request("DELETE", f"/{task.index}")


def table(figures: dict[str, Figures], messages: int) -> dict[str, Any]:
    """Return the figures, and ackflow's ratio to each other contender, median by median."""
    own = figures["ackflow"].rate(messages)
    return {
        "messages": messages,
        "contenders": {
            name: {
                "messages_per_second": round(figure.rate(messages)),
                "spread": [
                    round(messages / max(figure.seconds)),
                    round(messages / min(figure.seconds)),
                ],
                "cpu_us_per_message": round(statistics.median(figure.cpu) / messages * 1e6, 1),
            }
            for name, figure in figures.items()
        },
        "end_to_end_vs_handwritten": round(own / figures["aio-pika iterator"].rate(messages), 2),
    }


def main() -> None:
    """Run, print, and write the results where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000, help="per contender and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--poison", action="store_true", help="only what bad messages cost")
    parser.add_argument("--write", action="store_true", help="keep the results beside this file")
    options = parser.parse_args()
    compare, file = (poison.compare, POISON) if options.poison else (end_to_end, RESULTS)
    with RabbitMQ() as amqp, Elasticsearch() as search:
        results = compare(amqp, search, options.messages, options.rounds)
    results["machine"] = {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in VERSIONS},
    }
    text = json.dumps(results, indent=2)
    print(text)
    if options.write:
        file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
