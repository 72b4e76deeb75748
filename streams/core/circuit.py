"""Circuit: what happens to calls while what they need is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from ackflow.streams.core.errors import OUTAGES, describe
from ackflow.streams.core.policy import RetryState, Wait, exponential

T = TypeVar("T")


class Board(Protocol):
    """Where a circuit shows its state."""

    def halted(self, part: str, reason: str) -> None:
        """Show that `part` is halted, and why."""
        ...

    def resumed(self, part: str) -> None:
        """Show that `part` goes on."""
        ...


class Circuit:
    """Runs calls; an outage halts them all until one of them, the probe, succeeds again.

    After "circuit breaker" of M. Nygard, Release It! (2007), with the calls waiting instead of
    failing, since an outage is no verdict on the messages they are for.
    """

    def __init__(self, part: str, board: Board, wait: Wait | None = None) -> None:
        self._part = part
        self._board = board
        self._wait = wait or exponential(0.25, 5.0)
        self._failures = 0
        self._probing = asyncio.Lock()

    @property
    def halted(self) -> bool:
        """Whether there is an outage: calls wait for the probe's success."""
        return self._failures > 0

    async def run(self, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Return what `call(*args)` returns, trying it again for as long as there is an outage.

        Errors that are no outage are raised as they are: whoever answers is not away.
        """
        while True:
            if not self._failures:
                try:
                    return await call(*args)
                except OUTAGES as error:
                    self._fail(error)
            async with self._probing:
                while self._failures:
                    await asyncio.sleep(self._wait(RetryState(self._failures)))
                    try:
                        answer = await call(*args)
                    except OUTAGES as error:
                        self._fail(error)
                    except Exception:
                        self._mend()
                        raise
                    else:
                        self._mend()
                        return answer

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        self._board.halted(self._part, describe(error))

    def _mend(self) -> None:
        self._failures = 0
        self._board.resumed(self._part)
