"""Branch: one branch of a tee, with a pace and second tries of its own."""

import asyncio
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any, TypeAlias, TypeVar, cast

from ackflow.streams.core import (
    GIVEN_BACK,
    Context,
    Delivery,
    Joined,
    Kind,
    Lane,
    Outcome,
    Pipeline,
    RetryState,
    RootToken,
    Run,
    Session,
    Stream,
    Token,
    Wait,
    cancelled,
    close,
    settle,
)

BEHIND_STAGES = 1_000
"""Further down than any stage that leads to a sink."""

A = TypeVar("A")
R = TypeVar("R")

Way: TypeAlias = Callable[[Stream[A]], Pipeline[R]]
"""What a branch is: a sink, or operators and the sink they end in."""


class Committed:
    """A session as a branch sees it: what is in one branch is to be finished in all.

    In a drain others give back what they have not begun with. Here that would bring a message again
    that another branch has written.
    """

    draining = False

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class Branch:
    """Writes at its own pace, and tries again by itself what failed in it."""

    def __init__(
        self, session: Session, way: Way[Any, Any], places: int, attempts: int, wait: Wait
    ) -> None:
        """`way`: a sink, or operators and the sink they end in; `places`: those of what is put in."""
        self.attempts = attempts
        self._session = session
        self._way = way
        self._places = places
        self._wait = wait
        self._held: dict[_Attempt, asyncio.TimerHandle] = {}
        self._all_put = asyncio.Event()
        self._lane = self._open_lane()
        pipeline = self._lane.end_piece
        self._name = pipeline.sink.name
        self._committed = cast(Session, Committed(session))
        self.writer = pipeline.sink.writer(self._committed, pipeline.stream.places)
        self._task: asyncio.Task[None] | None = None

    def _open_lane(self) -> Lane[Pipeline[Any]]:
        # What fits was found out where the tee was composed; a shape says no more than "chunks" here.
        return Lane(self._way, (1,), self._places)

    async def open(self) -> None:
        """Open the sink and begin to write."""
        await self.writer.open()
        self._start()

    def _start(self) -> None:
        self._task = asyncio.create_task(self._write(self._lane), name=f"tee: {self._name}")

    async def put(self, run: Run[Any]) -> None:
        """Take a run; wait while the one before it has not been begun."""
        await self._lane.room()
        if self._lane.left:
            settle(run.tokens, GIVEN_BACK)
            return
        tokens = [self._own(v, t) for v, t in zip(run.values, run.tokens, strict=True)]
        self._lane.put(Run(run.values, tokens))

    def _own(self, value: Any, token: Token) -> Token:
        """Wrap a token, or those of a chunk's members, so that failures stay in this branch."""
        account, _ = token
        if self._places and isinstance(account, Joined) and len(account.tokens) == len(value):
            pairs = zip(value, account.tokens, strict=True)
            return (Joined([(_Attempt(self, [v], t, chunk=True), 0) for v, t in pairs]), 0)
        return (_Attempt(self, value, token, chunk=False), 0)

    def _below_all(self) -> Context:
        """Return the context of what lies behind every stage that leads to the sinks."""
        inlets = (tuple(self._session.inlets),)
        return Context(self._committed, False, self._places, None, inlets, (BEHIND_STAGES,))

    async def _write(self, lane: Lane[Pipeline[Any]]) -> None:
        """Write what the lane hands out until it ends."""
        pipeline = lane.end_piece
        runs = pipeline.stream.attach(self._committed, (pipeline.sink,), self._below_all())
        try:
            async for run in runs:
                await self.writer.put(run)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._session.fail(error)
        finally:
            await close(runs)
        settle(lane.rest(), GIVEN_BACK)

    def retry(self, attempt: "_Attempt", failed: int, after: float | None) -> None:
        """Write an element again after so many seconds, or the wait after so many failures."""
        token: Token = (attempt, failed)
        run = Run([attempt.value], [(Joined([token]), 0) if attempt.chunk else token])

        def due() -> None:
            del self._held[attempt]
            if self._lane.left:
                attempt.return_failed()
            else:
                self._lane.put(run)
            if not self._held:
                self._all_put.set()

        seconds = self._wait(RetryState(max(1, failed))) if after is None else after
        self._held[attempt] = asyncio.get_running_loop().call_later(seconds, due)

    @property
    def stopping(self) -> bool:
        """Whether the pipeline drains: nothing is tried again, it goes back."""
        return self._session.stopping

    async def finish(self) -> None:
        """Wait until every element is done with; in a drain those held go back."""
        while True:
            if self.stopping:
                self._give_up()
            await self._finish_lane()
            if not self._held:
                return
            # What failed at the end has a lane of its own.
            self._lane = self._open_lane()
            self._start()
            self._all_put.clear()
            await self._all_put.wait()

    async def _finish_lane(self) -> None:
        self._lane.end()
        if self._task is not None:
            await self._task
        await self.writer.finish()

    def _give_up(self) -> None:
        for attempt in list(self._held):
            self._held.pop(attempt).cancel()
            attempt.return_failed()

    async def close(self) -> None:
        """Stop, and close the sink; what is not done with stays unsettled."""
        for timer in self._held.values():
            timer.cancel()
        await cancelled(self._task)
        await self.writer.close()


class _Attempt:
    """The account of one element in one branch; its tag counts the failures so far."""

    __slots__ = ("_branch", "_cause", "_token", "chunk", "value")

    def __init__(self, branch: Branch, value: Any, token: Token, *, chunk: bool) -> None:
        self._branch = branch
        self._token = token
        self._cause: Exception | None = None
        self.value = value
        self.chunk = chunk

    @property
    def closed(self) -> bool:
        return self._token[0].closed

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        """Pass the outcome on, or try again in the branch."""
        (failed,) = tags
        if outcome.kind is Kind.REQUEUE and outcome.processed and not self.closed:
            failed += outcome.attempt
            if failed < self._branch.attempts and not self._branch.stopping:
                self._cause = outcome.cause
                self._branch.retry(self, failed, outcome.after)
                return
            if failed >= self._branch.attempts:
                outcome = Outcome(Kind.REJECT, outcome.cause)
        self._settle(outcome)

    def return_failed(self) -> None:
        """Have it come again from its source, in another run."""
        self._settle(Outcome(Kind.REQUEUE, self._cause))

    def _settle(self, outcome: Outcome) -> None:
        settle([self._token], outcome)

    def judge(self, error: Exception) -> Outcome:
        return self._token[0].judge(error)

    def eased(self) -> None:
        """Pass it on."""
        self._token[0].eased()

    def wholes(self, tags: Set[int]) -> Sequence[Token]:
        return (self._token,)

    def roots(self, tag: int) -> Iterator[RootToken]:
        account, whole = self._token
        return account.roots(whole)

    def delivery(self, tag: int) -> Delivery | None:
        account, whole = self._token
        return account.delivery(whole)
