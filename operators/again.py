"""Retrying: how often to try again, with which waits, after which errors."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ackflow.operators.catching import check_types
from ackflow.streams.core import OUTAGES, RetryState, Verdict, Wait, check_count, exponential, shown

R = TypeVar("R")


def check_wait(call: str, wait: object) -> None:
    """Raise TypeError unless `wait` is None or can be asked for seconds."""
    if wait is not None and (not callable(wait) or isinstance(wait, type)):
        raise TypeError(
            f"{call}: must be a function of the retry state, got {shown(wait)}; "
            "tenacity.wait_fixed(1) is one"
        )


class Retrying:
    """How to try again: how often, with which waits, after which errors."""

    def __init__(self, attempts: Any, wait: Wait | None, on: Any) -> None:
        if not callable(attempts):
            check_count(
                "op.retry(attempts)", attempts, 1, "leave it out for 5, or give a tenacity stop"
            )
        check_wait("op.retry(wait)", wait)
        if not callable(on) or isinstance(on, type):
            check_types("op.retry(on)", on)
        self._stop: Callable[[RetryState], object] = (
            attempts if callable(attempts) else lambda state: state.attempt_number >= attempts
        )
        self.wait = wait or exponential()
        self._on = on

    async def call(self, function: Callable[[], Awaitable[R]]) -> R:
        """Return what the function returns, trying again as told; raise its last error."""
        began = asyncio.get_running_loop().time()
        number = 0
        while True:
            number += 1
            try:
                return await function()
            except Exception as error:
                if isinstance(error, (Verdict, *OUTAGES)):
                    raise
                waited = asyncio.get_running_loop().time() - began
                if not self.again(error, number, waited):
                    raise
                await self.pause(number)

    async def pause(self, number: int) -> None:
        """Wait after the attempt of this number."""
        await asyncio.sleep(self.wait(RetryState(number)))

    def again(self, error: Exception, number: int, waited: float) -> bool:
        """Say whether to try again after this many attempts and seconds."""
        state = RetryState(number, _Failed(error), waited)
        ended = bool(self._stop(state))
        if isinstance(self._on, type | tuple):
            return not ended and isinstance(error, self._on)
        return not ended and bool(self._on(state))


class _Failed:
    """An outcome as tenacity's retry objects read it."""

    failed = True

    def __init__(self, error: Exception) -> None:
        self._error = error

    def exception(self) -> Exception:
        return self._error
