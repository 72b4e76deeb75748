"""What watching a run costs: `python -m benchmarks.tracing`, minutes; `--tiny` to see that it runs.

ackflow alone: a queue in memory through map, filter and chunk, which is so little work for each message
that what is around it shows; and, for what each run of messages or each write costs, through map alone,
one message at a time. The ways take turns, each in a process of its own. A figure is the median over
the rounds of the ratio, in CPU seconds, to the way without in the same round.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.contenders.operators import even, increased
from benchmarks.contenders.operators.queue import PREFETCH
from benchmarks.contenders.task import Task, given, repeated
from benchmarks.results import circumstances

RESULTS = Path(__file__).with_name("tracing.json")
UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@dataclass(frozen=True)
class Way:
    """What is watched and how; `against` which way it is held, and how many parts of a message pay."""

    what: str
    against: str = "off"
    parts: int = 1
    """Of these each takes its share of what a message takes more."""
    share: str = ""
    """What such a share is for."""

    def amount(self, messages: int) -> int:
        """Return how many messages it takes: a tenth where each takes ten times as long."""
        return messages // 10 if self.against == SINGLY else messages


SINGLY = "singly"
STAGES = 3
"""The queue, map and the sink."""
WAYS = {
    "off": Way("nothing"),
    "measure": Way("`measure=True`"),
    "tally": Way("a `Tally`"),
    "unsampled": Way("every message has a context that says: not sampled"),
    "ratio": Way("no contexts, Tracing(ratio=0.01) and a sampler that says yes"),
    "always_off": Way("no contexts, a sampler that says no"),
    "one_percent": Way("no contexts, a sampler that says yes to 1 %"),
    "all": Way("no contexts, a sampler that says yes"),
    SINGLY: Way("one message at a time, nothing", against=SINGLY),
    "singly_measure": Way(
        "one message at a time, `measure=True`", SINGLY, STAGES, "a run of messages and stage"
    ),
    "singly_tally": Way("one message at a time, a `Tally`", SINGLY, share="a write"),
}
"""The ways, and what they are. What is recorded goes to an exporter that drops it, in batches."""


def tracing(way: str) -> Any:
    """Return the observer of a way; None for none."""
    if way.endswith("tally"):
        from ackflow.streams.running import Tally

        return Tally()
    if way in ("off", SINGLY) or way.endswith("measure"):
        return None
    from opentelemetry.sdk.trace import TracerProvider, sampling
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    from ackflow.streams import running

    class Dropped(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    yes, no = sampling.ALWAYS_ON, sampling.ALWAYS_OFF
    samplers = {"always_off": no, "one_percent": sampling.TraceIdRatioBased(0.01)}
    provider = TracerProvider(sampler=sampling.ParentBased(samplers.get(way, yes)))
    provider.add_span_processor(BatchSpanProcessor(Dropped()))
    return running.Tracing(provider, ratio=0.01 if way == "ratio" else 1.0)


def work(items: int) -> Awaitable[int]:
    """Fill a queue; return the run that empties it."""
    from ackflow import operators as op
    from ackflow import sinks, streams

    way = given().queue
    single = way.startswith(SINGLY)
    prefetch = 1 if single else PREFETCH
    queue: streams.memory.MemoryQueue[int] = streams.memory.queue(prefetch=prefetch, history=False)
    headers = {"traceparent": UNSAMPLED} if way == "unsampled" else None
    queue.put(*range(items), headers=headers)
    queue.close()
    if single:
        pipeline = queue | op.map(increased) | sinks.each(lambda _: None)
    else:
        steps = op.map(increased) | op.filter(even) | op.chunk(256)
        pipeline = queue | steps | sinks.each(lambda _: None)
    observed, measure = tracing(way), way.endswith("measure")

    async def run() -> int:
        handle = pipeline.start(tracing=observed, measure=measure)
        summary = await handle
        assert summary.acked == items, summary
        assert not (single and measure) or len(handle.stages) == STAGES, handle.stages
        return items

    return run()


def seconds(way: str, messages: int) -> float:
    """Return the CPU seconds of a way, in a process of its own."""
    task = Task("", "", way, "", messages)
    environment = {**os.environ, "BENCHMARK_TASK": json.dumps(asdict(task))}
    command = [sys.executable, "-m", "benchmarks.tracing", "--run"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"tracing, {way} failed:\n{result.stderr}")
    cpu: float = json.loads(result.stdout)["cpu"]
    return cpu


def compare(messages: int, rounds: int) -> dict[str, Any]:
    """Let the ways take turns, from both ends; return for each its ratios and what it adds."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in list(WAYS)[:: -1 if number % 2 else 1]:
            taken[way].append(seconds(way, WAYS[way].amount(messages)))
            print(f"round {number + 1}: {way:14} {taken[way][-1]:8.3f} CPU s", flush=True)
    return {
        name: figures(taken[name], taken[way.against], way.amount(messages))
        for name, way in WAYS.items()
    }


def figures(taken: list[float], off: list[float], messages: int) -> dict[str, Any]:
    """Return the median and the spread of the ratios, and the microseconds that a message takes more."""
    ratios = [mine / without for mine, without in zip(taken, off, strict=True)]
    more = [1e6 * (mine - without) / messages for mine, without in zip(taken, off, strict=True)]
    spread = [round(min(ratios), 3), round(max(ratios), 3)]
    median = round(statistics.median(ratios), 3)
    return {"ratio": median, "spread": spread, "more_us": round(statistics.median(more), 3)}


def main() -> None:
    """Compare, print, and keep the figures where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=400_000)
    parser.add_argument("--tiny", action="store_true", help="one round of next to no work")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        asyncio.run(repeated(work, 100_000))
        return
    messages, rounds = (2_000, 1) if options.tiny else (options.messages, options.rounds)
    found = compare(messages, rounds)
    print(
        "\n| watched | CPU, times that without | spread | more for each message |\n|---|---|---|---|"
    )
    for way, each in found.items():
        low, high = each["spread"]
        print(f"| {WAYS[way].what} | {each['ratio']} | {low} to {high} | {each['more_us']} µs |")
    if options.write:
        kept = {"messages": messages, "rounds": rounds, "ways": found, **circumstances()}
        RESULTS.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
