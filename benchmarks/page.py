"""docs/performance.md, its plots and the arithmetic in docs/scaling.md, made from the results in *.json.

`python -m benchmarks.page` writes them.
"""

import json
from collections.abc import Iterable, Mapping
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
from benchmarks.tables import circumstances, spread, table, where
from benchmarks.tracing import RESULTS as TRACING
from benchmarks.tracing import WAYS

RESULTS = Path(__file__).with_name("results.json")
PAGE, SCALING = "docs/performance.md", "docs/scaling.md"
HEAD = """# Performance

<!-- Made by `python -m benchmarks.page` from benchmarks/results.json and growth.json; don't edit. -->

    make bench ARGS=--write                          measure, 45 minutes on an idle machine
    .venv/bin/python -m benchmarks.growth --write    what grows how, twenty minutes
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
    if TRACING.exists():
        parts.append(traced(json.loads(TRACING.read_text(encoding="utf-8"))))
    scaling = put((ROOT / SCALING).read_text(encoding="utf-8"), found, Effort.seconds)
    return {
        PAGE: "\n".join(parts),
        SCALING: scaling,
        **{f"docs/{name}": text for name, text in plots.items()},
    }


def traced(found: Mapping[str, Any]) -> str:
    """Return what tracing costs: CPU time, as times that of the same run without."""
    head = ["", "CPU, times that without", "spread", "more for each message, µs"]
    rows = [
        [
            what,
            f"{found['ways'][way]['ratio']:.2f}",
            " to ".join(f"{each:.2f}" for each in found["ways"][way]["spread"]),
            f"{found['ways'][way]['more_us']:.2f}",
        ]
        for way, what in WAYS.items()
    ]
    return (
        "# What tracing costs\n\n"
        "A queue in memory through map, filter and chunk(256), so little work for each message that all "
        f"around it shows; [traces](monitoring.md#traces) say what the ways are for. {where(found)}; "
        f"{found['messages']:,} messages, rounds: {found['rounds']}.\n\n{table([head, *rows])}"
    )


def requirements(found: Mapping[str, Any]) -> str:
    """Return the table of what is required."""
    rows = judged(found, found["spreads"])
    return "## Required\n\n" + table(
        [[f"`{row[0]}`", *row[1:]] if n else row for n, row in enumerate(rows)]
    )


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
