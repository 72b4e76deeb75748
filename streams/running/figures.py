"""Figures: what is known of runs, as metrics after Prometheus' conventions, and their text format."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ackflow.streams.core import Distribution, Figure, Handle, printable
from ackflow.streams.running.naming import Names, place
from ackflow.streams.running.tally import Tally

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of Prometheus' text format."""
LONGEST = 200
"""Characters of a label at most."""

SETTLEMENTS = ("accepted", "skipped", "rejected", "requeued")
COUNTERS = {
    "ackflow_deliveries_total": ("delivered", "Deliveries by brokers, redeliveries included."),
    "ackflow_dead_letters_total": ("dead_lettered", "Rejected deliveries a dead-letter sink took."),
    "ackflow_dropped_total": ("dropped", "Values an optional sink had no room for."),
    "ackflow_retries_total": ("retried", "Deliveries handed out again after they had failed."),
    "ackflow_stale_settlements_total": ("stale", "Settlements after their channel's end."),
    "ackflow_reconnects_total": ("reconnects", "Connections lost and sought again."),
    "ackflow_halts_total": ("halts", "How often a part of the pipeline was halted."),
}
"""What is counted once for a run: the name, the counter of the summary, and what it means."""

Sample = tuple[Mapping[str, str], float | Distribution]


def figures_of(runs: Mapping[str, Handle[Any]]) -> list[Figure]:
    """Return what is known of runs, each under its name; nothing is computed before this is called."""
    found: dict[str, tuple[Figure, list[Sample]]] = {}
    for name, handle in runs.items():
        for figure in _figures(handle):
            _, samples = found.setdefault(figure.name, (figure, []))
            samples += ((_labels(labels, name), value) for labels, value in figure.samples)
    return [replace(figure, samples=_unique(samples)) for figure, samples in found.values()]


def text(figures: Iterable[Figure]) -> str:
    r"""Return figures in Prometheus' text format.

    Example:
        >>> print(text([Figure("up", "gauge", "Whether it runs.", [({"name": 'a"b'}, 1)])]), end="")
        # HELP up Whether it runs.
        # TYPE up gauge
        up{name="a\"b"} 1.0

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4
    """
    lines: list[str] = []
    for figure in figures:
        lines.append(f"# HELP {figure.name} {_escaped(figure.help)}")
        lines.append(f"# TYPE {figure.name} {figure.kind}")
        for series, labels, value in figure.series():
            inner = ",".join(f'{name}="{_quoted(label)}"' for name, label in labels.items())
            lines.append(f"{series}{{{inner}}} {float(value)!r}")
    return "".join(f"{line}\n" for line in lines)


def _figures(handle: Handle[Any]) -> list[Figure]:
    counts, observer, names = handle.stats(), handle.observer, Names(handle.pipeline)
    tally = observer if isinstance(observer, Tally) else Tally()
    settled = [({"outcome": outcome}, getattr(counts, outcome)) for outcome in SETTLEMENTS]
    flushes = [({"reason": reason}, count) for reason, count in counts.flushes.items()]
    failures = [
        ({"type": kind, "stage": names.of(stage)}, count)
        for kind, failure in counts.failures.items()
        for stage, count in failure.stages.items()
    ]
    return [
        *(
            Figure(name, "counter", meaning, [({}, getattr(counts, counter))])
            for name, (counter, meaning) in COUNTERS.items()
        ),
        Figure("ackflow_settlements_total", "counter", "Settled deliveries, by outcome.", settled),
        Figure(
            "ackflow_flushes_total", "counter", "Chunks and windows let go, by reason.", flushes
        ),
        Figure("ackflow_failures_total", "counter", "Failures by type and stage.", failures),
        *_gauges(handle),
        *_sources(handle, names),
        *_stages(handle, names),
        *tally.figures(),
        *handle.figures(),
    ]


def _gauges(handle: Handle[Any]) -> list[Figure]:
    """Return what goes up and down; all of it is 0 after the end."""
    goes_on = not handle.done
    values = {
        "ackflow_running": ("Whether it runs.", goes_on),
        "ackflow_draining": ("Whether it takes nothing more.", goes_on and handle.draining),
        "ackflow_halted_parts": (
            "Parts halted, for what they need is away.",
            len(handle.halts) if goes_on else 0,
        ),
        "ackflow_held_deliveries": (
            "Failed deliveries that wait to be handed out again.",
            handle.stats().held if goes_on else 0,
        ),
    }
    return [
        Figure(name, "gauge", meaning, [({}, value)]) for name, (meaning, value) in values.items()
    ]


def _sources(handle: Handle[Any], names: Names) -> list[Figure]:
    """Return what each source waits for; those that come and go within stages have no number."""
    flying: dict[str, float] = dict.fromkeys(names.sources, 0)
    oldest = dict(flying)
    for at, inlet in enumerate(() if handle.done else handle.inlets):
        name = names.sources[at] if at < len(names.sources) else place(inlet.name) or "inner"
        flying[name] = flying.get(name, 0) + inlet.in_flight
        oldest[name] = max(oldest.get(name, 0), inlet.oldest)
    told = (
        ("ackflow_in_flight_deliveries", "Deliveries being worked on.", flying),
        ("ackflow_oldest_unacked_seconds", "Age of the oldest unsettled delivery.", oldest),
    )
    return [
        Figure(name, "gauge", meaning, [({"source": source}, n) for source, n in values.items()])
        for name, meaning, values in told
    ]


def _stages(handle: Handle[Any], names: Names) -> list[Figure]:
    """Return what each stage does, where that is measured."""
    came: list[Sample] = []
    left: list[Sample] = []
    inside: list[Sample] = []
    waited: list[Sample] = []
    for stage, name in zip(handle.stages, names.stages, strict=False):  # none where not measured
        labels = {"stage": name}
        if stage.kind != "source":
            came.append((labels, stage.taken))
        left.append((labels, stage.given))
        waited.append((labels, stage.waited))
        if stage.held is not None:
            inside.append((labels, 0 if handle.done else stage.held))
    return [
        Figure("ackflow_stage_in_total", "counter", "Elements that came; a chunk is one.", came),
        Figure("ackflow_stage_out_total", "counter", "Elements that left; a chunk is one.", left),
        Figure("ackflow_stage_in_flight", "gauge", "Elements inside.", inside),
        Figure(
            "ackflow_stage_waited_seconds", "gauge", "Time in which the run waited for it.", waited
        ),
    ]


def _unique(samples: list[Sample]) -> list[Sample]:
    """Add up what has the same labels: two samples of one series are refused by Prometheus."""
    sums: dict[tuple[tuple[str, str], ...], float | Distribution] = {}
    for labels, value in samples:
        key = tuple(sorted(labels.items()))
        sums[key] = value if key not in sums else _sum(sums[key], value)
    return [(dict(key), value) for key, value in sums.items()]


def _sum(one: Any, other: Any) -> Any:
    if not isinstance(one, Distribution):
        return one + other
    counts = [sum(pair) for pair in zip(one.counts, other.counts, strict=True)]
    return Distribution(one.bounds, counts, one.sum + other.sum)


def _labels(labels: Mapping[str, str], run: str) -> dict[str, str]:
    """Return labels of printable characters and of bounded length, the run's name among them."""
    named = {"pipeline": run, **labels} if run else labels
    return {name: printable(str(label), LONGEST) for name, label in named.items()}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(label: str) -> str:
    return _escaped(label).replace('"', '\\"')
