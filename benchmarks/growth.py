"""What grows how: `python -m benchmarks.growth`, twenty minutes or more; `--tiny` to see that it runs.

ackflow alone, one thing growing at a time; docs/performance.md shows what `--write` kept.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measures import OURS, Measure
from benchmarks.results import circumstances
from benchmarks.rounds import Effort, Round, rounds
from benchmarks.running import Contender
from benchmarks.worlds import Declared, Merged, Queued, Servers, Words, World

GROWTH = Path(__file__).with_name("growth.json")
LATENCY_SECONDS = 5
SECONDS = 5.0
"""Of work for each point in each round, at least."""


@dataclass(frozen=True)
class Table:
    """One thing that grows, and what is measured at each of its sizes."""

    name: str
    what: str
    grows: str
    points: Mapping[float, Measure]
    shows: str = "per_second"
    """What the plot is of."""


def _point(program: str, world: type[World] = World, **more: Any) -> Measure:
    return Measure(program, "", (Contender(program, OURS),), world, **more)


def _consume(**settings: Any) -> Measure:
    tiny = 16 if settings.get("size", 0) > 100_000 else 512
    return _point("consume.ackflow", Queued, settings=settings, tiny=tiny)


def _end_to_end(chunk: int) -> Measure:
    settings = {"chunk": chunk, "prefetch": max(512, 2 * chunk)}
    return _point("end_to_end.ackflow", Words, settings=settings)


def _latency(rate: int) -> Measure:
    fixed = rate * LATENCY_SECONDS
    return _point("growth.latency", Declared, settings={"rate": rate}, tiny=50, fixed=fixed)


TABLES = (
    Table(
        "size",
        "take and ack, prefetch 512",
        "bytes of a message",
        {size: _consume(size=size) for size in (30, 300, 3_000, 30_000, 1_000_000)},
    ),
    Table(
        "prefetch",
        "take and ack messages of 300 B",
        "prefetch",
        {prefetch: _consume(prefetch=prefetch) for prefetch in (1, 8, 64, 512, 4096, 32768)},
    ),
    Table(
        "chunk",
        "words from RabbitMQ into Elasticsearch, prefetch twice the chunk, at least 512",
        "documents of a bulk",
        {chunk: _end_to_end(chunk) for chunk in (1, 16, 64, 256, 1024, 4096)},
    ),
    Table(
        "stages",
        "a queue in memory through `map`s in a row",
        "stages",
        {
            stages: _point("growth.stages", settings={"stages": stages}, tiny=1000)
            for stages in (1, 4, 16, 32)
        },
    ),
    Table(
        "queues",
        "take and ack messages of 300 B, merged from queues of RabbitMQ",
        "queues merged",
        {
            queues: _point("growth.merged", Merged, settings={"queues": queues})
            for queues in (1, 4, 16, 64)
        },
    ),
    Table(
        "messages",
        "a queue in memory, filled meanwhile, through map, filter and chunk(256)",
        "messages",
        {10**power: _point("growth.messages", fixed=10**power) for power in (4, 5, 6, 7)},
        "seconds",
    ),
    Table(
        "sink",
        "a queue in memory into a sink, chunks of 256, 8 writes at once",
        "milliseconds of a write",
        {
            milliseconds: _point("growth.sink", settings={"latency": milliseconds / 1000})
            for milliseconds in (0, 1, 10, 100)
        },
    ),
    Table(
        "latency",
        "one message from its publication through RabbitMQ to the call of the sink",
        "messages per second",
        {rate: _latency(rate) for rate in (100, 1000)},
        "p50",
    ),
)


def grown(tables: Sequence[Table], effort: Effort) -> dict[str, Any]:
    """Measure every point of every table."""
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        servers = Servers(stack, warm=not effort.tiny)
        for table in tables:
            print(f"{table.name}: {table.what}", flush=True)
            rows = []
            for grows, measure in table.points.items():
                print(f"{table.grows}: {grows:,}", flush=True)
                rows.append({"grows": grows, **point(rounds(measure, servers, effort))})
            found[table.name] = rows
        versions = servers.versions()
    settings = {"rounds": effort.rounds, "seconds": effort.seconds}
    return {"tables": found, "settings": settings, **circumstances(versions)}


def point(found: Sequence[Round]) -> dict[str, Any]:
    """Return the medians over the rounds of one point, each with its lowest and its highest round."""
    taken = [next(iter(each.values())) for each in found]
    for each in taken:
        each["per_second"] = each["messages"] / each["seconds"]
        each["cpu_us"] = each["cpu"] / each["messages"] * 1e6
    names = {"seconds": 3, "per_second": None, "cpu_us": 3, "peak": None, "p50": 6, "p99": 6}
    result: dict[str, Any] = {"messages": taken[0]["messages"], "spreads": {}}
    for name, digits in names.items():
        if name in taken[0]:
            values = [each[name] for each in taken]
            result[name] = round(statistics.median(values), digits)
            result["spreads"][name] = [round(min(values), digits), round(max(values), digits)]
    return result


def main() -> None:
    """Run, print, and keep the results where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    names = [table.name for table in TABLES]
    parser.add_argument("--table", choices=names, action="append", help="leave it out for all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of work for each point")
    parser.add_argument("--tiny", action="store_true", help="one round of next to no work")
    parser.add_argument("--write", action="store_true", help=f"keep the results in {GROWTH.name}")
    given = parser.parse_args()
    if given.write and (given.table or given.tiny):
        parser.error("--write keeps a whole run: leave out --table and --tiny")
    tables = [table for table in TABLES if table.name in (given.table or names)]
    found = grown(tables, Effort(given.rounds, given.seconds, given.tiny))
    print(json.dumps(found["tables"], indent=2))
    if given.write:
        text = json.dumps(found, indent=2, ensure_ascii=False)
        GROWTH.write_text(text + "\n", encoding="utf-8")
        print(f"written to {GROWTH}")


if __name__ == "__main__":
    main()
