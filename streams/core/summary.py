"""Summary: what became of everything in one run of a pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ackflow.streams.core.errors import printable

if TYPE_CHECKING:
    from ackflow.streams.core.meter import StageCount


@dataclass(slots=True)
class Failure:
    """Errors of one type: where the first happened, its text, and how many there were, and where."""

    stage: str
    example: str
    count: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    """How many there were in each stage."""


@dataclass(slots=True)
class Summary:
    """What became of everything in one run, counted in deliveries of the sources.

    `delivered` = handed out by brokers, redeliveries included; `accepted`, `skipped`, `rejected` and
    `requeued` = settled so; `dead_lettered` = the rejected ones that a dead-letter sink took;
    `retried` = handed out again after a wait; `stale` = settlements that came after their channel's
    end; `seconds` = from the start to the end of the run. `skipped` deliveries are acked too.

    Example:
        >>> print(Summary(delivered=3, accepted=2, rejected=1, seconds=0.5))
        3 delivered, 2 accepted, 1 rejected in 0.5 s

    """

    delivered: int = 0
    accepted: int = 0
    skipped: int = 0
    rejected: int = 0
    requeued: int = 0
    dead_lettered: int = 0
    dropped: int = 0
    retried: int = 0
    held: int = 0
    stale: int = 0
    reconnects: int = 0
    halts: int = 0
    seconds: float = 0.0
    flushes: dict[str, int] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    stages: "Sequence[StageCount]" = ()
    """What each stage did, where that was measured."""

    @property
    def acked(self) -> int:
        """How many deliveries were acked: accepted or dropped on purpose."""
        return self.accepted + self.skipped

    @property
    def rate(self) -> float:
        """How many deliveries were settled for good in a second, on average."""
        return (self.acked + self.rejected) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        names = ["accepted", "skipped", "rejected", "requeued", "dead_lettered", "dropped"]
        names += ["retried", "held", "stale", "reconnects", "halts"]
        counts = [f"{self.delivered:,} delivered"]
        counts += [f"{getattr(self, n):,} {n.replace('_', '-')}" for n in names if getattr(self, n)]
        lines = [f"{', '.join(counts)} in {self.seconds:.1f} s"]
        if self.stages:
            lines.append(f"  {self.rate:,.0f} a second; slowest: {slowest(self)}")
        for kind, failure in self.failures.items():
            stage = printable(failure.stage, 200)
            lines.append(f"  {failure.count:,} × {kind} in {stage}, first: {failure.example}")
        return "\n".join(lines)


def slowest(summary: Summary) -> str:
    """Say what the run waited for longest; where that is a source, which stage comes next.

    Shares of the whole run, which begins with the opening; of measured runs only.
    """
    order = sorted(summary.stages, key=lambda stage: stage.waited, reverse=True)
    others = [stage for stage in order if stage.kind != "source"]
    named = [order[0]] if order[0].kind != "source" else [order[0], *others[:1]]
    whole = summary.seconds or 1.0
    return ", then ".join(
        f"{printable(stage.name, 100)}, waited for {min(1.0, stage.waited / whole):.0%} of the time"
        for stage in named
    )
