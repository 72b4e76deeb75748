"""docs/performance.md and its plots, made from results.json, growth.json and tracing.json.

`python -m benchmarks.page` writes them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.growth import GROWTH, SECONDS, TABLES, Table
from benchmarks.measures import MEASURES, OURS, Measure
from benchmarks.plots import bars, log_log, short
from benchmarks.requirements import judged
from benchmarks.rounds import Effort
from benchmarks.tracing import RESULTS as TRACING
from benchmarks.tracing import WAYS

RESULTS = Path(__file__).with_name("results.json")
PAGE = "docs/performance.md"
PROVISIONAL = "**Provisional: shorter or fewer rounds than a figure needs.** "
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
        parts += ["# What grows how\n", circumstances(grown, SECONDS)]
        parts += [growth(table, grown["tables"][table.name], plots) for table in TABLES]
    if TRACING.exists():
        parts.append(traced(json.loads(TRACING.read_text(encoding="utf-8"))))
    return {PAGE: "\n".join(parts), **{f"docs/{name}": text for name, text in plots.items()}}


def circumstances(found: Mapping[str, Any], least: float) -> str:
    """Say where and with what it was measured."""
    settings = found["settings"]
    short_of = settings["rounds"] < Effort.rounds or settings["seconds"] < least
    return (
        f"{PROVISIONAL if short_of else ''}{_where(found)}; rounds: {settings['rounds']}, each with "
        f"at least {settings['seconds']:g} s of work for the fastest contender.\n"
    )


def _where(found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    return (
        f"Measured at commit {found['commit'][:12]} on {machine['processors']} processors "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}"
    )


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
        f"around it shows; [traces](monitoring.md#traces) say what the ways are for. {_where(found)}; "
        f"{found['messages']:,} messages, rounds: {found['rounds']}.\n\n{table([head, *rows])}"
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]) + "\n"


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
    rates = [
        (titles[name], each["per_second"], *map(float, each["spread"]))
        for name, each in contenders.items()
    ]
    in_bytes = "bytes" in contenders[OURS]
    unit = "bytes of a message" if in_bytes else f"{measure.unit} per second"
    if in_bytes:
        rates = [
            (titles[name], each["bytes"], each["bytes"], each["bytes"])
            for name, each in contenders.items()
        ]
    name = f"plots/{measure.name}.svg"
    plots[name] = bars(f"{measure.name}: {unit}", rates)
    return "\n".join(
        [
            f"## {measure.name}\n",
            f"{measure.what[0].upper()}{measure.what[1:]}; {found['messages']:,} {measure.unit}, "
            f"rounds: {found['rounds']}.{to_the_limit(measure, contenders)}\n",
            f"![{measure.name}]({name})\n",
            table([*_rows(measure, contenders, titles, in_bytes)]),
        ]
    )


def _rows(
    measure: Measure, contenders: Mapping[str, Any], titles: Mapping[str, str], in_bytes: bool
) -> Iterable[list[str]]:
    if in_bytes:
        yield ["contender", "bytes of a message"]
        yield from ([titles[name], f"{each['bytes']:,}"] for name, each in contenders.items())
        return
    yield [
        "contender",
        f"{measure.unit}/s",
        "spread",
        "client CPU, µs each",
        "ackflow is so many times as fast",
    ]
    own = contenders[OURS]["per_second"]
    for name, each in contenders.items():
        low, high = each["spread"]
        yield [
            titles[name],
            f"{each['per_second']:,}",
            f"{low:,} to {high:,}",
            f"{each['cpu_us']:g}",
            "" if name == OURS else f"{own / each['per_second']:.2f}",
        ]


def to_the_limit(measure: Measure, contenders: Mapping[str, Any]) -> str:
    """Say how far ackflow is from what is possible at all."""
    if measure.limit is None:
        return ""
    titles = {each.name: each.title for each in measure.contenders}
    share = contenders[OURS]["per_second"] / contenders[measure.limit]["per_second"]
    return f" The limit is {titles[measure.limit]}: ackflow reaches {share:.0%} of it."


def growth(each: Table, rows: Sequence[Mapping[str, Any]], plots: dict[str, str]) -> str:
    """Return the table and the plot of one thing that grows."""
    name = f"plots/growth-{each.name}.svg"
    series = [(shown, [(row["grows"], row[shown]) for row in rows]) for shown in _shown(each)]
    plots[name] = log_log(f"{each.name}: {each.what}", each.grows, _UNITS[each.shows], series)
    head = [each.grows, "messages", "seconds", "messages/s", "client CPU, µs each", "peak MB"]
    more = [shown for shown in ("p50", "p99") if shown in rows[0]]
    body = [
        [
            f"{row['grows']:,}",
            f"{row['messages']:,}",
            f"{row['seconds']:.2f}",
            f"{row['per_second']:,}",
            f"{row['cpu_us']:.3g}",
            f"{row['peak'] / 1e6:.0f}",
            *(f"{row[shown] * 1000:.2f}" for shown in more),
        ]
        for row in rows
    ]
    head += [f"{shown}, ms" for shown in more]
    title = f"## By {each.grows}\n\n{each.what[0].upper()}{each.what[1:]}.\n"
    return "\n".join([title, f"![{each.name}]({name})\n", table([head, *body])])


_UNITS = {"per_second": "messages per second", "seconds": "seconds", "p50": "seconds"}


def _shown(each: Table) -> tuple[str, ...]:
    return ("p50", "p99") if each.shows == "p50" else (each.shows,)


def main() -> None:
    """Write the page."""
    for path, text in files().items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"{path}: {short(len(text))}B")


if __name__ == "__main__":
    main()
