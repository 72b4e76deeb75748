"""Figure: one thing that is counted or measured, under a name that stays."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ackflow.streams.core.errors import shown

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""What Prometheus takes as the name of a metric or a label."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is counted or measured: a name with its unit, and a value for each set of labels.

    Example:
        Figure("shop_orders_total", "counter", "Orders stored.", [({"outcome": "new"}, 3)])

    `name` is Prometheus': in base units (`_seconds`, `_bytes`), a counter's ends in `_total`. Labels
    have few values: names of stages and types, and nothing out of a message.
    Raises ValueError for a name that Prometheus would not take.
    Source: https://prometheus.io/docs/practices/naming/
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]

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
