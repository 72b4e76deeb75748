"""tee: every element to several sinks."""

from collections.abc import Sequence
from typing import Any, TypeVar, overload

from ackflow.sinks.branch import Branch
from ackflow.sinks.calling import check_count
from ackflow.sinks.several import Several, a_sink, close_all
from ackflow.streams.core import (
    Run,
    Session,
    Sink,
    Wait,
    Writable,
    exponential,
    fork,
)

A = TypeVar("A")
R = TypeVar("R")
S = TypeVar("S")


class Tee(Several):
    """Writes every element to several sinks."""

    def __init__(self, sinks: Sequence[Sink[Any, Any]], attempts: int, wait: Wait) -> None:
        super().__init__("tee", sinks)
        self.attempts = attempts
        self.wait = wait

    def writer(self, session: Session, places: bool) -> Any:
        branches = [Branch(session, sink, places, self.attempts, self.wait) for sink in self.sinks]
        return TeeWriter(session, branches)


class TeeWriter:
    """Forks every message into one per branch."""

    def __init__(self, session: Session, branches: Sequence[Branch]) -> None:
        self._session = session
        self._branches = branches

    async def open(self) -> None:
        """Open every branch."""
        for branch in self._branches:
            await branch.open()

    async def put(self, run: Run[Any]) -> None:
        """Hand a run to every branch; the slowest sets the pace."""
        if run.error is not None:
            self._session.failed(run.tokens, run.error, "tee", run.values[0])
            return
        forks = [fork(token, len(self._branches)) for token in run.tokens]
        for index, branch in enumerate(self._branches):
            await branch.put(Run(list(run.values), [tokens[index] for tokens in forks]))

    async def finish(self) -> None:
        """Wait until every branch has written, or given up on, what it got."""
        for branch in self._branches:
            await branch.finish()

    async def close(self) -> None:
        """Close every branch."""
        await close_all(self._branches)

    def result(self) -> tuple[Any, ...]:
        """Return the branches' results."""
        return tuple(branch.writer.result() for branch in self._branches)


@overload
def tee(
    first: Sink[A, R], second: Sink[A, S], /, *, attempts: int = 5, wait: Wait | None = None
) -> Sink[A, tuple[R, S]]: ...
@overload
def tee(
    *sinks: Sink[A, Any] | Writable[A], attempts: int = 5, wait: Wait | None = None
) -> Sink[A, tuple[Any, ...]]: ...
def tee(*sinks: Any, attempts: int = 5, wait: Wait | None = None) -> Any:
    """Write every element to each of several sinks.

    Example:
        chunks | sinks.tee(sinks.elasticsearch.bulk(url, index="words", id="word"), archive)

    The result is a tuple of the sinks' own. Each branch writes at its own pace; the slowest sets that
    of the stream.
    Acks: splits: accepted when every branch has accepted; the worst outcome counts. What fails in a
    branch is tried again in that branch alone, `attempts` times with the waits of `wait` (a tenacity
    wait, by default exponential from 1 s to 60 s), and then rejected.
    Raises TypeError or ValueError, where it is written, for settings that can't be meant.
    """
    if len(sinks) < 2:
        raise ValueError(f"sinks.tee(*sinks): must be given two sinks or more, got {len(sinks)}")
    check_count("sinks.tee(attempts)", attempts)
    if wait is not None and (not callable(wait) or isinstance(wait, type)):
        raise TypeError(
            "sinks.tee(wait): must be a function of the retry state, such as tenacity.wait_fixed(1), "
            f"got {wait!r}"
        )
    checked = [a_sink("sinks.tee(*sinks)", sink) for sink in sinks]
    return Tee(checked, attempts, wait or exponential())
