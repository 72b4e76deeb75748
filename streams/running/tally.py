"""Tally: what an observer counts of a run for its metrics: causes of settlements, and writes."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from ackflow.streams.core import Distribution, Epoch, Figure, Kind, Observer, Outcome, Token, Verb

T = TypeVar("T")

FAILED = {Kind.REQUEUE: "requeued", Kind.REJECT: "rejected"}
"""The outcomes that have a cause."""


SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
MESSAGES = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0)
"""The bounds of histograms: what lies between two of them is one number, and each is a series."""


@dataclass(slots=True)
class Counts:
    """How many values lay between which bounds."""

    bounds: tuple[float, ...]
    sum: float = 0.0
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def read(self) -> Distribution:
        """Return them as they are now."""
        return Distribution(self.bounds, tuple(self.counts), self.sum)


@dataclass(slots=True)
class Writes:
    """What was written to sinks of one name: how long each write took, how many messages were in it."""

    seconds: Counts = field(default_factory=lambda: Counts(SECONDS))
    messages: Counts = field(default_factory=lambda: Counts(MESSAGES))


class Tally:
    """Counts of a run what its metrics say beyond the summary; `run(status=…)` has one.

    Example:
        tally = running.Tally(running.Tracing())                          # or running.Tally()
        await pipeline.start(measure=True, tracing=tally)

    Which errors deliveries were rejected, given back or tried again for, how many messages went into how
    many writes of each sink, and how long these took. For one run each.
    Acks: nothing changes. `behind`: who is to hear all that it hears, a `Tracing` or None.
    """

    def __init__(self, behind: Observer | None = None) -> None:
        self.settled_for: Counter[tuple[str, str]] = Counter()
        """Deliveries by outcome and by the type of the error that they failed with last."""
        self.retried_for: Counter[str] = Counter()
        """Deliveries that were handed out again, by the type of the error that they had failed with."""
        self.writes: dict[str, Writes] = {}
        self._behind = behind
        self._causes: dict[Epoch[Any], dict[int, str]] = {}

    def figures(self) -> Iterator[Figure]:
        """Return what it has counted."""
        yield Figure(
            "ackflow_settled_failures_total",
            "counter",
            "Deliveries rejected or given back after they had failed, by the error's type.",
            [
                ({"outcome": what, "type": cause}, n)
                for (what, cause), n in self.settled_for.items()
            ],
        )
        yield Figure(
            "ackflow_retried_failures_total",
            "counter",
            "Failed deliveries tried again, counted once that is over, by the error's type.",
            [({"type": cause}, n) for cause, n in self.retried_for.items()],
        )
        for name, what, meaning in (
            (
                "ackflow_write_seconds",
                "seconds",
                "How long writes took, those that raised as well.",
            ),
            ("ackflow_written_messages", "messages", "How many messages were in a write."),
        ):
            told = ((sink, getattr(writes, what)) for sink, writes in self.writes.items())
            samples = [({"sink": sink}, counts.read()) for sink, counts in told]
            yield Figure(name, "histogram", meaning, samples)

    # -- what it hears ----------------------------------------------------------------------------

    def taken(self, epoch: Epoch[Any], tags: Sequence[int]) -> None:
        if self._behind is not None:
            self._behind.taken(epoch, tags)

    def failed(self, epoch: Epoch[Any], tags: Sequence[int], outcome: Outcome) -> None:
        causes = self._causes.setdefault(epoch, {})
        self.retried_for.update(causes[tag] for tag in tags if tag in causes)
        causes.update(dict.fromkeys(tags, type(outcome.cause).__name__))
        if self._behind is not None:
            self._behind.failed(epoch, tags, outcome)

    def settled(self, epoch: Epoch[Any], tags: Sequence[int], verb: Verb, kind: Kind) -> None:
        if causes := self._causes.get(epoch):
            for tag in tags:
                cause = causes.pop(tag, None)
                if cause is not None and kind in FAILED:
                    self.settled_for[FAILED[kind], cause] += 1
                elif cause is not None:
                    self.retried_for[cause] += 1
        if self._behind is not None:
            self._behind.settled(epoch, tags, verb, kind)

    def ended(self, epoch: Epoch[Any]) -> None:
        self._causes.pop(epoch, None)
        if self._behind is not None:
            self._behind.ended(epoch)

    def written(self, sink: Any, tokens: Sequence[Token], writing: Awaitable[T]) -> Awaitable[T]:
        if self._behind is not None:
            writing = self._behind.written(sink, tokens, writing)
        return self._timed(self.writes.setdefault(sink.name, Writes()), len(tokens), writing)

    async def _timed(self, writes: Writes, messages: int, writing: Awaitable[T]) -> T:
        began = perf_counter()
        try:
            return await writing
        finally:
            writes.seconds.add(perf_counter() - began)
            writes.messages.add(messages)

    def context(self, token: Token) -> Context | None:
        return None if self._behind is None else self._behind.context(token)

    def headers(self, token: Token) -> Mapping[str, str]:
        return {} if self._behind is None else self._behind.headers(token)
