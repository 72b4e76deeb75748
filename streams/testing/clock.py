"""Virtual time: a loop whose clock jumps to the next timer as soon as nothing else is to be done."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from math import ulp
from typing import Any, TypeVar, TypeVarTuple, Unpack

from ackflow.streams.core import check_duration
from ackflow.streams.testing.jumping import JumpingSelector

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never sleeps: where a real one would wait for a timer, its clock jumps there.

    Starts at 0.0. The time that code takes counts for nothing. While a call of `run_in_executor` or
    `asyncio.to_thread` is at work the clock stands still, and the loop really waits for it. Before it
    jumps with a socket open, or with a thread at work that it knows nothing of, it really waits for
    10 ms, in case something comes; `VirtualClock.hold` makes it wait for as long as you say.

    Example:
        with asyncio.Runner(loop_factory=testing.VirtualLoop) as runner:
            runner.run(asyncio.sleep(3600))      # at once

    Raises Hang, out of `run`, where everything waits and nothing will ever happen.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._at_turns: dict[int, Callable[[], object]] = {}
        self._idlers: list[asyncio.Future[None]] = []
        self.turns = 0
        """How often the loop has come round."""
        self.waits = 0
        """How many calls in executors, and holds, the clock stands still for."""
        super().__init__(JumpingSelector(self))
        # A timer is due up to this much early: less than rounding makes of seconds, never more.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Move the clock on, to the next timer."""
        self._now += seconds
        # From some weeks on a nanosecond is less than floats can tell apart, and no timer were due.
        self._clock_resolution = max(1e-9, 2 * ulp(self._now))

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call at a time; one that is nearer than the clock can tell is now."""
        # A timer goes off that much early. Who then looks at the clock would find that it is not time
        # yet and set it again, and as nothing waits the clock would never move.
        if 0 < when - self._now < self._clock_resolution:
            self._now = when
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Call in an executor; the clock stands still until the call returns."""
        future = super().run_in_executor(executor, func, *args)
        self.waits += 1
        future.add_done_callback(self._returned)
        return future

    def _returned(self, future: "asyncio.Future[Any]") -> None:
        self.waits -= 1

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        """Wait really for the threads of the default executor to end."""
        self.waits += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self.waits -= 1

    # -- for the clock and the laws ---------------------------------------------------------------

    def at_turn(self, number: int, callback: Callable[[], object]) -> None:
        """Call back when the loop comes round for the `number`th time, whatever is due then."""
        self._at_turns[number] = callback

    def turn(self) -> bool:
        """Count a turn; say whether there was something to call at it."""
        self.turns += 1
        callback = self._at_turns.pop(self.turns, None)
        if callback is not None:
            self.call_soon(callback)
        return callback is not None

    def idle(self) -> "asyncio.Future[None]":
        """Return a future that is done when nothing can go on without time passing."""
        future: asyncio.Future[None] = self.create_future()
        self._idlers.append(future)
        return future

    def wake_idlers(self) -> bool:
        """Wake those who wait for nothing to go on; say whether there were any."""
        idlers, self._idlers = self._idlers, []
        for future in idlers:
            if not future.done():
                future.set_result(None)
        return bool(idlers)


class VirtualClock:
    """The clock of the running virtual loop; the fixture `virtual_clock` is one.

    Example:
        async def test_a_partial_chunk_waits_a_second(virtual_clock):
            queue = streams.memory.queue(["a"])
            run = (queue | op.chunk(10, timeout=1.0) | (sink := sinks.to_list())).start()
            await virtual_clock.advance(0.9)
            assert sink.values == []
            await virtual_clock.advance(0.1)
            assert sink.values == [["a"]]

    Raises RuntimeError where the running loop is none of `VirtualLoop`.
    """

    @property
    def now(self) -> float:
        """Seconds since the loop began, which was at 0.0."""
        return self._loop().time()

    async def advance(self, seconds: float) -> None:
        """Run what is due within `seconds` from now, in order, and all that can go on then.

        Raises ValueError where `seconds` is below 0 or no number.
        """
        loop = self._loop()
        if seconds != 0:
            way_out = "virtual time does not go back either; begin a new loop, with testing.run(…)"
            check_duration("clock.advance(seconds)", seconds, way_out)
            await asyncio.sleep(seconds)
        await loop.idle()

    async def idle(self) -> None:
        """Run all that can go on without time passing."""
        await self._loop().idle()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let no time pass within: the loop really waits for threads and processes of your own.

        Example:
            with virtual_clock.hold():
                await asyncio.wrap_future(pool.submit(work))

        What goes through `loop.run_in_executor` or `asyncio.to_thread` needs no `hold`.
        """
        loop = self._loop()
        loop.waits += 1
        try:
            yield
        finally:
            loop.waits -= 1

    def _loop(self) -> VirtualLoop:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise RuntimeError(
                f"virtual clock: the running loop is {loop!r}, whose time is real; run the test by "
                "testing.run(…), or have an async test ask for the fixture virtual_clock"
            )
        return loop

    def __repr__(self) -> str:
        return "VirtualClock()"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, on a loop of its own, and return its result.

    Example:
        @given(st.lists(st.integers()))
        def test_nothing_is_lost(xs):
            async def main():
                assert await (streams.of(*xs) | op.map(str) | sinks.to_list()) == [*map(str, xs)]

            testing.run(main())

    For tests that no async test can be: those that Hypothesis drives, and doctests.
    Raises RuntimeError inside a running loop, Hang where everything waits and nothing will happen.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(coroutine)
    coroutine.close()
    raise RuntimeError(
        "testing.run(coroutine): a loop is running already; call it from a plain `def`, or await the "
        "coroutine in a test with the fixture virtual_clock"
    )
