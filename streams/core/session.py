"""Session: what the parts of one running pipeline share while it runs."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ackflow.streams.core.circuit import Circuit
from ackflow.streams.core.errors import Requeue, Skip, describe, printable, shown
from ackflow.streams.core.outcome import Kind
from ackflow.streams.core.pulling import Bell
from ackflow.streams.core.summary import Failure, Summary
from ackflow.streams.core.token import Root, Token, gathered, judge

if TYPE_CHECKING:
    from ackflow.streams.core.inlet import Inlet
    from ackflow.streams.core.looking import Looking
    from ackflow.streams.core.meter import Meters, StageCount
    from ackflow.streams.core.observer import Observer
    from ackflow.streams.core.roster import Roster
    from ackflow.streams.core.run import Run
    from ackflow.streams.core.stage import Context
    from ackflow.streams.core.stream import Stream

OVER = "end"
CREDIT = "window"
"""Why joiners are told to flush."""

LONGEST_NAME = 1_000
"""Characters of the name under which a part is halted."""

logger = logging.getLogger("ackflow.session")


@dataclass(frozen=True, slots=True)
class Halt:
    """A part of a pipeline that is halted: why, for how many seconds, and whether it is a source."""

    part: str
    reason: str
    seconds: float
    source: bool


class Joiner(Protocol):
    """A stage that keeps messages back to join them; it can be told to let them go."""

    @property
    def context(self) -> "Context":
        """What it learned of the run: what flows into it, and how far down it is."""
        ...

    def parked(self) -> Sequence[Token]:
        """Return the tokens it keeps back."""
        ...

    def flush(self, reason: str) -> bool:
        """Let go of what it keeps back, because of `reason`; say whether anything goes.

        OVER when no source that flows into it has anything more to give, and what it lets go of is
        the last that comes to those further down; CREDIT when a source waits for credit and all
        that it handed out is in joiners: who may not let go early ignores that.
        """
        ...


class Session:
    """One run of a pipeline: its inlets, its joiners, its state and its account."""

    def __init__(self, roster: "Roster | None" = None, *, looking: int | None = None) -> None:
        """`roster`: names its parts, which are called what they show as otherwise.

        `looking`: values are looked at, at most so many (0: unknown), and nothing is settled.
        """
        self.roster = roster
        self.looking = looking
        self.inlets: list[Inlet[Any]] = []
        self.joiners: list[Joiner] = []
        self.summary = Summary()
        self.error: BaseException | None = None
        self.stopping = False
        self.draining = False
        """Whether what has not been begun is to be given back."""
        self.limit: int | None = None
        self.meters: Meters | None = None
        self.observer: Observer | None = None
        self.looker: Looking | None = None
        self.sleepers: set[Bell] = set()
        """What wakes the stages that wait for their time."""
        self.halts: dict[str, str] = {}
        """What is halted, and why."""
        self._since: dict[str, float] = {}
        """When each of these was halted, in loop time."""
        self._circuits: dict[str, Circuit] = {}

    @property
    def stages(self) -> "Sequence[StageCount]":
        """What each stage has done so far, where that is measured."""
        return () if self.meters is None else self.meters.counts(self.summary)

    # -- opening and closing ----------------------------------------------------------------------

    async def open(self) -> None:
        """Open every inlet; the first that can't be opened raises its error."""
        for inlet in self.inlets:
            await inlet.open()

    def stop(self) -> None:
        """Let the sources hand out nothing more: the beginning of a drain."""
        self.stopping = True
        for inlet in self.inlets:
            inlet.stop()
        self.rouse()

    def drain(self) -> None:
        """Let the sources hand out nothing more, and give back what nobody has begun."""
        self.draining = True
        self.stop()

    def rouse(self) -> None:
        """Have the stages that wait for their time look whether to go on waiting."""
        for wake in self.sleepers:
            wake.set()

    def fail(self, error: BaseException) -> None:
        """End the run: drain, then raise `error`. Only the first error counts."""
        if self.error is None:
            self.error = error
        self.stop()

    def allow(self, count: int) -> int:
        """Say how many of `count` fresh messages may be handed out under the run's limit."""
        if self.limit is None:
            return count
        count = min(count, self.limit)
        self.limit -= count
        for inlet in self.inlets if count and not self.limit else ():
            inlet.woken()  # those that wait for a message get none any more
        return count

    async def close(self, *, abort: bool = False) -> None:
        """Close every inlet: what was settled is told, the rest is given back."""
        for inlet in self.inlets:
            await inlet.close(abort=abort)

    # -- failures ---------------------------------------------------------------------------------

    def name(self, stream: "Stream[Any]") -> str:
        """Return what a stream's last stage is called in this run."""
        return repr(stream.stage) if self.roster is None else self.roster.name(stream)

    def failed(self, run: "Run[Any]", stage: str) -> None:
        """Settle messages that failed alike, with what their sources' policies make of the error."""
        assert run.error is not None
        self.record(run.error, stage, run.values[0], len(run.tokens))
        judge(run.tokens, run.error)

    def record(self, error: Exception, stage: str, value: object, count: int = 1) -> None:
        """Count an error by its type, and keep the first of each as an example."""
        if isinstance(error, Skip | Requeue):
            return
        kind = type(error).__name__
        failure = self.summary.failures.setdefault(kind, Failure(stage, describe(error)))
        failure.count += count
        failure.stages[stage] = failure.stages.get(stage, 0) + count
        if failure.count == count:
            with suppress(Exception):  # some can't be changed: frozen data classes
                error.add_note(f"in {stage}, with the value {shown(value, 200)}")

    # -- outages ----------------------------------------------------------------------------------

    def circuit(self, part: str) -> Circuit:
        """Return a circuit for a part of the pipeline, under a printable name of its own."""
        part = printable(part, LONGEST_NAME)
        name, number = part, 2
        while name in self._circuits:
            name, number = f"{part} ({number})", number + 1
        self._circuits[name] = Circuit(name, self)
        return self._circuits[name]

    def halted(self, part: str, reason: str) -> None:
        """Show that a part is halted; the first time is logged."""
        if part not in self.halts:
            logger.warning(
                "%s is halted: %s",
                part,
                reason,
                extra={"event": "halted", "part": part, "reason": reason},
            )
            self.summary.halts += 1
            self._since[part] = asyncio.get_running_loop().time()
        self.halts[part] = reason

    def resumed(self, part: str) -> None:
        """Show that a part goes on."""
        if self.halts.pop(part, None) is not None:
            logger.warning("%s goes on", part, extra={"event": "resumed", "part": part})

    def halted_parts(self, now: float) -> list[Halt]:
        """Return what is halted at this loop time; a source is when its connection is lost."""
        sources = {inlet.name for inlet in self.inlets}
        return [
            Halt(part, reason, now - self._since[part], part in sources)
            for part, reason in self.halts.items()
        ]

    @property
    def state(self) -> str:
        """`running`, `draining`, or `halted: …` with what is away and why."""
        if self.halts:
            return "halted: " + "; ".join(f"{part}: {why}" for part, why in self.halts.items())
        return "draining" if self.stopping else "running"

    # -- starvation (contract 9) ------------------------------------------------------------------

    def relieve(self) -> None:
        """Flush the joiners that keep all of what some source without credit has handed out."""
        for inlet in self.inlets:
            if inlet.starved:
                self.unpark(inlet)

    def unpark(self, inlet: "Inlet[Any]") -> bool:
        """Flush joiners if all that `inlet` has in flight is parked in them; say whether it was.

        Of those that are at their end one is told so at a time, the furthest up first: what it hands on
        comes to the others before they are.
        """
        parked = gathered(self._parked())

        def rests(inlet: "Inlet[Any]") -> bool:
            own = (len(tags) for account, tags in parked.items() if inlet.owns(account))
            return sum(own) >= inlet.in_flight

        if not inlet.in_flight or not rests(inlet):
            return False
        keeping = told = False
        for joiner in sorted(self.joiners, key=lambda joiner: joiner.context.depth):
            kept = any(map(inlet.owns, self._roots(joiner.parked())))
            keeping = keeping or kept
            if not told and all(each.over and rests(each) for each in joiner.context.inlets):
                told = joiner.flush(OVER)
            elif kept:
                joiner.flush(CREDIT)
        if self.looker is not None and not keeping and not inlet.over:
            self.looker.exhausted()
        return True

    def _parked(self) -> Sequence[Token]:
        """Return what is in joiners, or was looked at."""
        tokens = [token for joiner in self.joiners for token in joiner.parked()]
        return tokens if self.looker is None else [*tokens, *self.looker.parked()]

    def _roots(self, tokens: Sequence[Token]) -> Iterator[Root]:
        """Yield the accounts of the deliveries behind tokens."""
        for account, tag in tokens:
            for root, _ in account.roots(tag):
                yield root

    def settled(self, kind: Kind, count: int) -> None:
        """Count settled deliveries."""
        match kind:
            case Kind.ACCEPTED:
                self.summary.accepted += count
            case Kind.SKIPPED:
                self.summary.skipped += count
            case Kind.REQUEUE:
                self.summary.requeued += count
            case _:
                self.summary.rejected += count
