"""tee: every element to several sinks."""

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, TypeVar, overload

from ackflow.sinks.branch import Branch, Way
from ackflow.sinks.several import a_sink, close_all, figures_of
from ackflow.streams.core import (
    GIVEN_BACK,
    Branches,
    Ending,
    Figure,
    Lane,
    Parted,
    Pipeline,
    Run,
    Session,
    Sink,
    Stream,
    Token,
    Wait,
    Writable,
    check_count,
    exponential,
    fork,
    lane_demand,
    settle,
    shown,
)

A = TypeVar("A")
R = TypeVar("R")
S = TypeVar("S")


class Tee(Sink[Any, Any]):
    """Writes every element to several branches."""

    name = "tee"

    def __init__(self, ways: Sequence[Way[Any, Any]], attempts: int, wait: Wait) -> None:
        self.ways = ways
        self.attempts = attempts
        self.wait = wait
        self.chunks = any(getattr(way, "chunks", False) for way in ways)  # type: ignore[misc]
        self._lanes: list[Lane[Pipeline[Any]]] = []

    def __call__(self, stream: Stream[Any]) -> Pipeline[Any]:
        fitted = copy(self)
        shape, places = getattr(stream, "shape", ()), getattr(stream, "places", 0)
        fitted._lanes = [Lane(way, shape, places) for way in self.ways]
        return super(Tee, fitted).__call__(stream)

    @property
    def holds(self) -> int:
        """A message is in all branches at once, so the largest counts, and a run on its way."""
        return 2 * max((lane_demand(lane).sum for lane in self._lanes), default=1)

    def writer(self, session: Session, places: int) -> Any:
        branches = [Branch(session, way, places, self.attempts, self.wait) for way in self.ways]
        return TeeWriter(session, branches, chunks=bool(places) or self.chunks)

    def figures(self) -> Iterator[Figure]:
        return figures_of(self.ways)

    @property
    def shown_branches(self) -> Branches:
        return [("", way) for way in self.ways]

    def __repr__(self) -> str:
        return f"tee({', '.join(map(repr, self.ways))})"


class TeeWriter:
    """Forks every message into one per branch."""

    def __init__(self, session: Session, branches: Sequence[Branch], chunks: bool) -> None:
        """`chunks`: elements are chunks, which a drain has flushed to be written."""
        self._session = session
        self._chunks = chunks
        self._branches = branches

    async def open(self) -> None:
        """Open every branch."""
        for branch in self._branches:
            await branch.open()

    async def put(self, run: Run[Any]) -> None:
        """Hand a run to every branch; the slowest sets the pace."""
        if run.error is not None:
            self._session.failed(run, "tee")
            return
        if self._session.draining and not self._chunks:
            settle(run.tokens, GIVEN_BACK)
            return
        forks = [fork(token, len(self._branches), self._parted) for token in run.tokens]
        for index, branch in enumerate(self._branches):
            await branch.put(Run(list(run.values), [tokens[index] for tokens in forks]))

    def _parted(self, token: Token) -> Parted:
        return Parted(token, self._session)

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
    first: Way[A, R], second: Way[A, S], /, *, attempts: int = 5, wait: Wait | None = None
) -> Sink[A, tuple[R, S]]: ...
@overload
def tee(
    *sinks: Way[A, Any] | Writable[A], attempts: int = 5, wait: Wait | None = None
) -> Sink[A, tuple[Any, ...]]: ...
def tee(*sinks: Any, attempts: int = 5, wait: Wait | None = None) -> Any:
    """Write every element to each of several sinks, or pipelines of operators that end in one.

    Example:
        words | sinks.tee(op.chunk(256) | sinks.elasticsearch.bulk(url, index="words", id="word"), log)

    The result is a tuple of the sinks' own. Each branch goes at its own pace; the slowest sets that of
    the stream. A branch that ends (`take` in it) leaves the rest to the others.
    Acks: splits: accepted when every branch has accepted; the worst outcome counts. What fails in a
    branch is tried again in that branch alone, `attempts` times with the waits of `wait` (a tenacity
    wait, by default exponential from 1 s to 60 s), and then rejected.
    Raises TypeError or ValueError, where it is written, for settings that can't be meant.
    """
    if len(sinks) < 2:
        raise ValueError(
            f"sinks.tee(*sinks): must be given two sinks or more, got {len(sinks)}; "
            "a single one needs no tee: stream | sink"
        )
    check_count("sinks.tee(attempts)", attempts, 1, "leave it out for 5")
    if wait is not None and (not callable(wait) or isinstance(wait, type)):
        raise TypeError(
            f"sinks.tee(wait): must be a function of the retry state, got {shown(wait)}; "
            "tenacity.wait_fixed(1) is one"
        )
    ways = [s if isinstance(s, Ending) else a_sink("sinks.tee(*sinks)", s) for s in sinks]
    return Tee(ways, attempts, wait or exponential())
