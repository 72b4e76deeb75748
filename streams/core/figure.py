"""Figure: one thing that is counted or measured, under a name that stays."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import Literal

from ackflow.streams.core.errors import shown

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""What Prometheus takes as the name of a metric or a label."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values lay between which bounds, and their sum: the value of a histogram.

    Example:
        Distribution((0.1, 1.0), (7, 2, 1), 4.5)       # 7 up to 0.1, 2 up to 1.0, 1 above; in all 4.5

    Raises ValueError where there is not one count more than bounds.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.bounds) + 1:
            raise ValueError(
                f"Distribution(counts): must be one more than bounds, for what is above them, "
                f"got {len(self.counts)} for {len(self.bounds)}"
            )

    def series(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Yield what Prometheus has of it: a suffix, a label, a value."""
        bounds = ("+Inf" if bound == inf else repr(float(bound)) for bound in (*self.bounds, inf))
        for bound, count in zip(bounds, accumulate(self.counts), strict=True):
            yield "_bucket", {"le": bound}, count
        yield "_sum", {}, self.sum
        yield "_count", {}, sum(self.counts)


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is counted or measured: a name with its unit, and a value for each set of labels.

    Example:
        Figure("shop_orders_total", "counter", "Orders stored.", [({"outcome": "new"}, 3)])

    `name` is Prometheus': in base units (`_seconds`, `_bytes`), a counter's ends in `_total`. Labels
    have few values: names of stages and types, and nothing out of a message.
    The values of a `histogram` are a `Distribution` each.
    Raises ValueError for a name that Prometheus would not take.
    Source: https://prometheus.io/docs/practices/naming/
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Sequence[tuple[Mapping[str, str], float | Distribution]]

    def __post_init__(self) -> None:
        labels = {label for labels, _ in self.samples for label in labels}
        for name in (self.name, *labels):
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"Figure(name): names must be of letters, digits and _, got {shown(name)}"
                )
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(
                f"Figure(name): that of a counter, and of nothing else, must end in _total, "
                f"got {shown(self.name)} for a {self.kind}"
            )

    def series(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Yield each series: its name, its labels and its value; of a histogram the buckets, too."""
        for labels, value in self.samples:
            if isinstance(value, Distribution):
                for suffix, bound, number in value.series():
                    yield self.name + suffix, {**labels, **bound}, number
            else:
                yield self.name, labels, value
