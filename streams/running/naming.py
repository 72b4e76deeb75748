"""Naming: what stages are called in metrics, so that no two of a pipeline are one series."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ackflow.streams.core import Pipeline, Roster, Source

MOST = 20
"""Stages of one name that are told apart: each is several series."""
FUNCTION = re.compile(r"\(f=([\w.<>]+)[,)]")
"""The function in the settings of a stage, where it is one with a name."""
QUEUE = re.compile(r"\(name='([^'\\]+)'")
"""The queue in the settings of a source, where it is one."""


def place(stage: str) -> str:
    """Name a stage by what it is and its function: its other settings are nobody's business here.

    Example:
        >>> place("map_async(f=store, concurrency=8)")
        'map_async(store)'

    """
    name = stage.partition("(")[0].strip()
    function = FUNCTION.match(stage[len(stage.partition("(")[0]) :])
    return f"{name}({function[1]})" if function else name


class Names:
    """What the stages of a pipeline are called: by what they are, and apart where that is the same.

    Sources of one kind by their queues, `amqp.queue(words)`; all else by a number from the second on,
    `map(parse) (2)`, in the order in which messages flow, and the first inputs first. More than 20
    of one name are told together.
    """

    def __init__(self, pipeline: Pipeline[Any]) -> None:
        roster = Roster(pipeline.stream, pipeline.sink)
        self.stages: Sequence[str] = _apart(roster.names)
        """In the order of `handle.stages`."""
        self.sources: Sequence[str] = [
            name
            for name, stream in zip(self.stages, roster.streams, strict=False)
            if isinstance(stream.stage, Source)
        ]
        """In the order in which a run opens them."""
        self._of = dict(zip(roster.names, self.stages, strict=True))

    def of(self, stage: str) -> str:
        """Name a stage by what it is called in a run, as in a summary's failures."""
        return self._of.get(stage) or place(stage)


def _apart(stages: Sequence[str]) -> list[str]:
    """Name stages so that no two are the same, unless they are many."""
    names = [place(stage) for stage in stages]
    alike = Counter(names)
    seen: Counter[str] = Counter()
    found = []
    for stage, name in zip(stages, names, strict=True):
        if 1 < alike[name] <= MOST:
            queue = QUEUE.search(stage)
            own = f"{name}({queue[1]})" if queue else name
            seen[own] += 1
            name = own if seen[own] == 1 else f"{own} ({seen[own]})"
        found.append(name)
    return found
