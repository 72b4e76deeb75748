"""docs/performance.md, its plots and the arithmetic in docs/scaling.md, made from the results in *.json.

`python -m benchmarks.page` writes them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.grown import growth
from benchmarks.growth import GROWTH, SECONDS
from benchmarks.measures import MEASURES, OURS, Measure
from benchmarks.paper import put
from benchmarks.plots import bars, short
from benchmarks.requirements import judged
from benchmarks.rounds import Effort
from benchmarks.start import REQUIRED as TO_START
from benchmarks.start import RESULTS as START
from benchmarks.tables import circumstances, spread, table, where
from benchmarks.tracing import RESULTS as TRACING
from benchmarks.tracing import WAYS, Way

RESULTS = Path(__file__).with_name("results.json")
PAGE, SCALING = "docs/performance.md", "docs/scaling.md"
HEAD = """# Performance

<!-- Made by `python -m benchmarks.page` from the results in benchmarks/*.json; don't edit. -->

    make bench ARGS=--write                          measure, 55 minutes on an idle machine
    .venv/bin/python -m benchmarks.growth --write    what grows how, 25 minutes
    .venv/bin/python -m benchmarks.start --write     imports and start, two minutes
    .venv/bin/python -m benchmarks.tracing --write   what watching costs, five minutes
    .venv/bin/python -m benchmarks.page              this page

Contenders run in turn, each in a process and an environment of its own, on the same work;
benchmarks/README.md says how. Only ratios within one run mean something:
broker, Elasticsearch and client share the machine. A figure is the median over the rounds, its spread
the lowest and the highest round. ackflow tracks and acks every message, with its failure handling on; of
the others, those that read from RabbitMQ ack what they have done, and operator libraries track nothing.
"""


def files() -> dict[str, str]:
    """Return every file of the page by its path."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    grown = json.loads(GROWTH.read_text(encoding="utf-8")) if GROWTH.exists() else None
    plots: dict[str, str] = {}
    parts = [HEAD, circumstances(found, Effort.seconds), requirements(found)]
    for measure in MEASURES:
        if measure.name in found["measures"]:
            parts.append(section(measure, found["measures"][measure.name], plots))
    if grown is not None:
        parts += growth(grown, SECONDS, plots)
    if START.exists():
        parts.append(started(json.loads(START.read_text(encoding="utf-8"))))
    if TRACING.exists():
        parts.append(watched(json.loads(TRACING.read_text(encoding="utf-8"))))
    scaling = put((ROOT / SCALING).read_text(encoding="utf-8"), found, Effort.seconds)
    return {
        PAGE: "\n".join(parts),
        SCALING: scaling,
        **{f"docs/{name}": text for name, text in plots.items()},
    }


def watched(found: Mapping[str, Any]) -> str:
    """Return what watching costs: CPU time, as times that of the same run without."""
    head = ["what is watched", "CPU, times that without", "spread", "more for each message, µs"]
    rows = [
        [
            way.what,
            f"{found['ways'][name]['ratio']:.2f}",
            " to ".join(f"{each:.2f}" for each in found["ways"][name]["spread"]),
            _more(way, found["ways"][name]["more_us"]),
        ]
        for name, way in WAYS.items()
        if way.against != name
    ]
    return (
        "# What watching costs\n\n"
        "A queue in memory through map, filter and chunk(256), so little work for each message that all "
        "around it shows; in the last two rows through map alone, one message at a time, so that each "
        "message is a run of messages of its own, and a write. "
        "[Monitoring](monitoring.md) says what all of them are for. "
        f"{where(found)}; {found['messages']:,} messages, a tenth of them one at a time; "
        f"rounds: {found['rounds']}.\n\n{table([head, *rows])}"
    )


def _more(way: Way, more: float) -> str:
    return f"{more:.2f}" + (f", {more / way.parts:.2f} for {way.share}" if way.share else "")


def started(found: Mapping[str, Any]) -> str:
    """Return what imports and a start take."""
    numbers = found["settings"]
    return (
        "# Imports and start\n\n"
        f"The median of {numbers['imports']} fresh interpreters that had imported asyncio, compiled "
        f"files in place; and of {numbers['starts']} starts of the words example with words in its "
        "queue, from the start of its process to the first word in Elasticsearch, both servers "
        "answering before. The spread is the best and the worst. "
        f"{where(found)}.\n\n{table(_marked(judged(found, found['spreads'], TO_START)))}"
    )


def requirements(found: Mapping[str, Any]) -> str:
    """Return the table of what is required."""
    return "## Required\n\n" + table(_marked(judged(found, found["spreads"])))


def _marked(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    head, *others = rows
    return [[*head], *([f"`{name}`", *rest] for name, *rest in others)]


def section(measure: Measure, found: Mapping[str, Any], plots: dict[str, str]) -> str:
    """Return the table and the plot of a measure."""
    contenders = found["contenders"]
    titles = {each.name: each.title for each in measure.contenders}
    in_bytes = "bytes" in contenders[OURS]
    value, spreads = ("bytes", "bytes_spread") if in_bytes else ("per_second", "spread")
    drawn = [
        (titles[name], each[value], *map(float, each.get(spreads, [each[value]] * 2)))
        for name, each in contenders.items()
    ]
    unit = "bytes of a message" if in_bytes else f"{measure.unit} per second"
    name = f"plots/{measure.name}.svg"
    plots[name] = bars(f"{measure.name}: {unit}", drawn)
    return "\n".join(
        [
            f"## {measure.name}\n",
            f"{measure.what[0].upper()}{measure.what[1:]}; {found['messages']:,} {measure.unit}, "
            f"rounds: {found['rounds']}.{to_the_limit(measure, contenders)}\n",
            f"![{measure.name}]({name})\n",
            table([*(_held if in_bytes else _rows)(measure, contenders, titles)]),
        ]
    )


def _held(
    _: Measure, contenders: Mapping[str, Any], titles: Mapping[str, str]
) -> Iterable[list[str]]:
    yield ["contender", "bytes of a message", "spread"]
    for name, each in contenders.items():
        # Results from before a spread was kept have none.
        held = spread(*each["bytes_spread"]) if "bytes_spread" in each else "not kept"
        yield [titles[name], f"{each['bytes']:,}", held]


def _rows(
    measure: Measure, contenders: Mapping[str, Any], titles: Mapping[str, str]
) -> Iterable[list[str]]:
    yield [
        "contender",
        f"{measure.unit}/s",
        "spread",
        "client CPU, µs each",
        "ackflow is so many times as fast",
    ]
    own = contenders[OURS]["per_second"]
    for name, each in contenders.items():
        yield [
            titles[name],
            f"{each['per_second']:,}",
            spread(*each["spread"]),
            f"{each['cpu_us']:g}",
            "" if name == OURS else f"{own / each['per_second']:.2f}",
        ]


def to_the_limit(measure: Measure, contenders: Mapping[str, Any]) -> str:
    """Say how far ackflow is from what is possible at all, where that was measured."""
    if measure.limit is None or measure.limit not in contenders:
        return ""
    title = next(each.title for each in measure.contenders if each.name == measure.limit)
    ours, limit = contenders[OURS], contenders[measure.limit]
    if "bytes" in ours:
        more, times = ours["bytes"] - limit["bytes"], ours["bytes"] / limit["bytes"]
        return (
            f" The limit is {title}: ackflow takes {more:,} bytes more, {times:.1f} times as many."
        )
    share = ours["per_second"] / limit["per_second"]
    return f" The limit is {title}: ackflow reaches {share:.0%} of it."


def main() -> None:
    """Write the page."""
    for path, text in files().items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"{path}: {short(len(text))}B")


if __name__ == "__main__":
    main()
