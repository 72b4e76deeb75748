"""Branch: one branch of a tee, with a pace and second tries of its own."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from ackflow.streams.core import (
    Delivery,
    Joined,
    Kind,
    Outcome,
    RetryState,
    Run,
    Session,
    Sink,
    Token,
    Wait,
    cancelled,
    settle,
)


class Branch:
    """Writes at its own pace, and tries again by itself what failed in it."""

    def __init__(
        self, session: Session, sink: Sink[Any, Any], places: bool, attempts: int, wait: Wait
    ) -> None:
        self.writer = sink.writer(session, places)
        self.attempts = attempts
        self._session = session
        self._places = places
        self._name = sink.name
        self._wait = wait
        self._open = 0
        self._runs: asyncio.Queue[Run[Any]] = asyncio.Queue(maxsize=1)
        self._again: list[Run[Any]] = []
        self._held: dict[_Attempt, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the sink and begin to write."""
        await self.writer.open()
        self._task = asyncio.create_task(self._write(), name=f"tee: {self._name}")

    async def put(self, run: Run[Any]) -> None:
        """Take a run; wait while the one before it has not been begun."""
        tokens = [self._own(v, t) for v, t in zip(run.values, run.tokens, strict=True)]
        await self._runs.put(Run(run.values, tokens))
        self._wake.set()

    def _own(self, value: Any, token: Token) -> Token:
        """Wrap a token, or those of a chunk's members, so that failures stay in this branch."""
        account, _ = token
        if self._places and isinstance(account, Joined) and len(account.tokens) == len(value):
            pairs = zip(value, account.tokens, strict=True)
            return (Joined([self._attempt([v], t, chunk=True) for v, t in pairs]), 0)
        return self._attempt(value, token, chunk=False)

    def _attempt(self, value: Any, token: Token, *, chunk: bool) -> Token:
        self._open += 1
        return (_Attempt(self, value, token, chunk=chunk), 0)

    async def _write(self) -> None:
        while True:
            self._wake.clear()
            if self._again:
                await self.writer.put(self._again.pop(0))
            elif not self._runs.empty():
                await self.writer.put(self._runs.get_nowait())
            else:
                await self._wake.wait()

    def retry(self, attempt: "_Attempt", failed: int, after: float | None) -> None:
        """Write an element again after so many seconds, or the wait after so many failures."""
        token: Token = (attempt, failed)
        run = Run([attempt.value], [(Joined([token]), 0) if attempt.chunk else token])

        def due() -> None:
            del self._held[attempt]
            self._again.append(run)
            self._wake.set()

        seconds = self._wait(RetryState(max(1, failed))) if after is None else after
        self._held[attempt] = asyncio.get_running_loop().call_later(seconds, due)

    @property
    def stopping(self) -> bool:
        """Whether the pipeline drains: nothing is tried again, it goes back."""
        return self._session.stopping

    def settled(self) -> None:
        """Count an element as done with."""
        self._open -= 1
        if not self._open:
            self._done.set()

    async def finish(self) -> None:
        """Wait until every element is done with; in a drain those held go back."""
        if self.stopping:
            for attempt in list(self._held):
                self._held.pop(attempt).cancel()
                attempt.return_failed()
        while self._open:
            self._done.clear()
            await self._done.wait()
        await self.writer.finish()

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
        self._branch.settled()

    def judge(self, error: Exception) -> Outcome:
        return self._token[0].judge(error)

    def roots(self, tag: int) -> Iterator[Token]:
        account, whole = self._token
        return account.roots(whole)

    def delivery(self, tag: int) -> Delivery | None:
        account, whole = self._token
        return account.delivery(whole)
