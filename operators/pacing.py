"""rate_limit: at most so many values in so many seconds, for one stream or for several together."""

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import islice
from math import inf
from typing import Any

from ackflow.operators.keeping import rest
from ackflow.streams.core import (
    GIVEN_BACK,
    Context,
    Run,
    Same,
    Session,
    Stage,
    check_count,
    check_duration,
    close,
    settle,
    shown,
)


class Bucket:
    """A token bucket: `n` tokens at most, refilled continuously at `n` per `per` seconds.

    It counts the tokens taken since it was last full. When the next one is there follows from that by
    one multiplication, so that nothing adds up to a drift.
    """

    def __init__(self, n: int, per: float) -> None:
        self._n = n
        self._per = per
        self._full = -inf
        self._taken = 0
        self._now = -inf

    def take(self, most: int, now: float) -> int:
        """Take up to `most` tokens; return how many there were."""
        self._pass(now)
        coming = range(self._taken + 1, self._taken + most + 1)
        count = bisect_right(coming, now, key=self._time)
        self._taken += count
        return count

    @property
    def due(self) -> float:
        """When the next token is there."""
        return self._time(self._taken + 1)

    def _time(self, number: int) -> float:
        """Return when the token of this number is there, counted from when it was last full."""
        return self._full + max(0, number - self._n) / self._n * self._per

    def _pass(self, now: float) -> None:
        """Let time pass; on the clock of another loop, which may have begun at 0, none has."""
        if now < self._now:
            self._full += now - self._now
        self._now = now
        if self._time(self._n + self._taken) < now:
            self._full, self._taken = now, 0


class RateLimiter:
    """A token bucket to be shared by the streams that are given it.

    Example:
        limiter = op.RateLimiter(100, per=1.0)
        first | op.rate_limit(limiter) | sinks.each(call)
        second | op.rate_limit(limiter) | sinks.each(call)

    Who came first is served first, with what tokens there are by then, and queues up again for more.
    It belongs to no loop: it can be used in one after another, and in several at a time is refused.
    `n` and `per`: as for `op.rate_limit`.
    Raises ValueError, where it is written, for settings that can't be meant.
    """

    def __init__(self, n: int, per: float = 1.0) -> None:
        check_count(
            "op.RateLimiter(n)", n, 1, "op.RateLimiter(1, per=10) lets one through every 10 s"
        )
        check_duration("op.RateLimiter(per)", per, "leave it out for 1 s")
        self.n = n
        self.per = float(per)
        self._bucket = Bucket(n, self.per)
        self._queue: OrderedDict[asyncio.Event, None] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None

    def take(self, wake: asyncio.Event, most: int) -> int:
        """Take up to `most` tokens; where there are none, or others come first, queue up."""
        loop = asyncio.get_running_loop()
        self._enter(loop)
        self._queue.setdefault(wake)
        if not self._first(wake):
            return 0
        count = self._bucket.take(most, loop.time())
        if count:
            self.leave(wake)
        return count

    def due(self, wake: asyncio.Event) -> float | None:
        """Return when who queues up is to look again without being woken."""
        return self._bucket.due if self._first(wake) else None

    def leave(self, wake: asyncio.Event) -> None:
        """Leave the queue, and wake whose turn it is then."""
        if wake in self._queue:
            del self._queue[wake]
            for first in islice(self._queue, 1):
                first.set()

    def _first(self, wake: asyncio.Event) -> bool:
        return next(iter(self._queue), None) is wake

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget who queued up in a loop that is over; raise where it is not."""
        if loop is self._loop:
            return
        if self._queue and self._loop is not None and self._loop.is_running():
            raise RuntimeError(
                f"{self!r}: must be used in one event loop at a time, and others wait for it in "
                "another; make a limiter for each loop"
            )
        self._queue.clear()
        self._loop = loop

    def __repr__(self) -> str:
        return f"RateLimiter({self.n}, per={self.per:g})"


class RateLimit(Stage):
    """Hands on values as a token bucket lets them."""

    name = "rate_limit"
    passes_failures = True

    def __init__(self, n: int, per: float, limiter: RateLimiter | None) -> None:
        self.n = n
        self.per = per
        self.limiter = limiter
        self.keeps = 1 / n * per

    @property
    def settings(self) -> dict[str, Any]:
        return {"n": self.n, "per": self.per} if self.limiter is None else {"n": self.limiter}

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        limiter = self.limiter or RateLimiter(self.n, self.per)
        return _Paced(limiter, context.session, inputs[0]).runs()


class _Paced:
    """The values of one stream that wait for tokens."""

    def __init__(
        self, limiter: RateLimiter, session: Session, upstream: AsyncIterator[Run[Any]]
    ) -> None:
        self._limiter = limiter
        self._session = session
        self._upstream = upstream
        self._wake = asyncio.Event()
        self._run: Run[Any] = Run([], [])
        self._start = 0
        self._reconnects = 0

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand out as much of each run at once as there are tokens for."""
        self._session.sleepers.add(self._wake)
        try:
            async for run in self._upstream:
                self._run, self._start = run.living(), 0
                while count := await self._tokens():
                    yield self._part(count)
        finally:
            self._limiter.leave(self._wake)
            self._session.sleepers.discard(self._wake)
            await close(self._upstream)

    async def _tokens(self) -> int:
        """Wait for tokens; return how many there are, 0 once no value waits for one any more."""
        while left := self._left():
            self._wake.clear()
            if count := self._limiter.take(self._wake, left):
                return count
            if self._session.draining:
                settle(self._part(left).tokens, GIVEN_BACK)
            else:
                await rest(self._wake, self._limiter.due(self._wake))
        self._limiter.leave(self._wake)
        return 0

    def _left(self) -> int:
        """Say how many values wait; those whose channel is gone come again."""
        if self._reconnects != self._session.summary.reconnects:
            self._reconnects = self._session.summary.reconnects
            self._run, self._start = self._part(len(self._run)).living(), 0
        return len(self._run) - self._start

    def _part(self, count: int) -> Run[Any]:
        """Take out the first values that wait."""
        start, self._start = self._start, self._start + count
        if start == 0 and count >= len(self._run):
            return self._run
        return self._run.part(start, start + count)


def rate_limit(n: int | RateLimiter, per: float = 1.0) -> Same:
    """Hand on at most `n` values per `per` seconds; the others wait.

    Example:
        urls | op.rate_limit(10, per=1.0) | op.map_async(fetch)

    A token bucket: it holds `n` tokens, is full at the start, and is refilled continuously; a value
    takes one. So up to `n` values come at once after a pause, and in any t seconds at most n + t·n/per.
    Every run of a pipeline has a bucket of its own, unless it is given an `op.RateLimiter`: streams
    with the same one share its bucket. `op.rate_limit(1, per=interval)` spaces values out, much as
    fs2's `meteredStartImmediately`; aiostream's `spaceout` counts from when the consumer is ready again.
    The limit is on what is handed on; a consumer that puts values off may begin with more at once.
    Timers are late by up to a millisecond, which a bucket of one token can't make up for: for rates
    beyond 100 a second give a larger `n`, and `per` in proportion.
    Acks: passes; nothing is dropped, and the order is kept. A drain gives back what waits, untouched.
    `n`: values, 1 and up, or a limiter; `per`: seconds above 0.
    Raises ValueError or TypeError, where it is written, for settings that can't be meant.
    Source: the token bucket of ITU-T I.371 (its continuous-state leaky bucket, the same the other way
    round); RFC 2697, section 3, has it in steps.
    """
    if isinstance(n, RateLimiter):
        if per != 1.0:
            raise TypeError(
                f"op.rate_limit(n, per): per must be the limiter's own, got {shown(per)} beside "
                f"{n!r}; leave it out"
            )
        return Same(RateLimit(n.n, n.per, n))
    check_count("op.rate_limit(n)", n, 1, "op.rate_limit(1, per=10) is one every 10 s")
    check_duration("op.rate_limit(per)", per, "leave it out for 1 s")
    return Same(RateLimit(n, float(per), None))
