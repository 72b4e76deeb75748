"""The lanes of one `partition` in one run, and what waits for its turn in them."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Sequence
from typing import Any

from ackflow.operators.turns import Partition, Turn
from ackflow.streams.core import (
    END,
    GIVEN_BACK,
    SKIPPED,
    Context,
    Pull,
    RootToken,
    Run,
    Token,
    settle,
)

STALLED = 0.05
"""Seconds without an outcome after which a strict partition looks who keeps what it waits for."""


class Partitions:
    """Routes values to the lanes of their keys, and hands on what these hand out."""

    def __init__(self, stage: Any, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        self.stage = stage
        self.context = context
        self.session = context.session
        self.places = context.places
        self.wake = asyncio.Event()
        self.closed = False
        self.rung: deque[Partition] = deque()
        """The keys whose lanes have handed something out, or that may go on."""
        self._pull = Pull(upstream, self.wake)
        self._open: OrderedDict[Hashable, Partition] = OrderedDict()
        """The keys with a lane, those that were not used for longest first."""
        self._arrived: deque[tuple[Hashable, Turn]] = deque()
        self._keys: int = stage.keys
        self._inside = 0
        self._loop = asyncio.get_running_loop()

    @property
    def strict(self) -> bool:
        """Whether outcomes are waited for; where values are looked at, there are none."""
        return bool(self.stage.strict) and self.session.looker is None

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand on what the lanes make of the values."""
        self.session.joiners.append(self)
        self.session.sleepers.add(self.wake)
        try:
            while True:
                self.wake.clear()
                if self._pull.ready:
                    self._accept(self._pull.take())
                self._route()
                for _ in range(len(self.rung)):
                    run = self._take(self.rung.popleft())
                    if run is not None:
                        yield run
                if self._over():
                    return
                if not self.rung and not self.wake.is_set():
                    await self._wait()
        finally:
            self.closed = True
            self.session.joiners.remove(self)
            self.session.sleepers.discard(self.wake)
            for partition in self._open.values():
                await partition.pull.close()
            await self._pull.close()

    # -- values in --------------------------------------------------------------------------------

    def _accept(self, run: Any) -> None:
        if run is END:
            return
        self._inside += len(run)
        for (key, value), token in zip(run.values, run.tokens, strict=True):
            self._arrived.append((key, Turn(value, token, self)))

    def _route(self) -> None:
        """Give what has arrived to the lanes of its keys, and close the keys that are idle."""
        if self.session.draining:
            settle([turn.token for _, turn in self._arrived], GIVEN_BACK)
            self._arrived.clear()
        while self._arrived:
            key, turn = self._arrived[0]
            try:
                partition = self._partition(key)
            except Exception as error:  # keys that can't be compared
                self._arrived.popleft()
                self.context.failed(Run([turn.value], [turn.token], error))
                continue
            if partition is None:
                break
            self._arrived.popleft()
            partition.used = self._loop.time()
            partition.arrive(turn)
        for partition in self._idle(self._loop.time()):
            self._end(partition)

    def _partition(self, key: Hashable) -> "Partition | None":
        """Return the key's partition; None when it has to wait until another key is closed."""
        if key not in self._open:
            if len(self._open) >= self._keys:
                self._make_room()
                if len(self._open) >= self._keys:
                    return None
            self._open[key] = Partition(key, self)
        self._open.move_to_end(key)
        return self._open[key]

    def _make_room(self) -> None:
        """End the key that was not used for longest, unless one is ending already."""
        if not any(partition.ending for partition in self._open.values()):
            resting = (partition for partition in self._open.values() if partition.resting)
            for partition in list(resting)[:1]:
                self._end(partition)

    def _end(self, partition: "Partition") -> None:
        if partition.lane.left:
            del self._open[partition.key]
        else:
            partition.ending = True
            partition.lane.end()

    def _idle(self, now: float) -> "list[Partition]":
        """Return the keys that were not used for so long that they are to be closed."""
        idle: list[Partition] = []
        for partition in self._open.values() if self.stage.idle is not None else ():
            if partition.used + self.stage.idle > now:
                break
            if partition.resting:
                idle.append(partition)
        return idle

    # -- values out -------------------------------------------------------------------------------

    def _take(self, partition: "Partition") -> Run[Any] | None:
        """Take what a lane has handed out, and let its key go on."""
        run: Run[Any] | None = None
        if partition.pull.ready:
            run = partition.pull.take()
            if run is END:
                self._ended(partition)
                return None
            partition.pull.start()
        partition.advance()
        return run

    def _ended(self, partition: "Partition") -> None:
        """Forget a key whose lane has ended, unless it ended by itself or there is more for it."""
        settle(partition.lane.rest(), SKIPPED)
        if partition.backlog and partition.ending:
            partition.reopen()
        elif partition.ending:
            del self._open[partition.key]
        partition.advance()
        self.wake.set()

    def _over(self) -> bool:
        """Say whether everything has left, having ended the lanes once nothing more comes."""
        if not self._pull.ended or self._arrived:
            return False
        for partition in list(self._open.values()):
            if not partition.backlog and not partition.ending:
                self._end(partition)
        return not self._open

    async def _wait(self) -> None:
        timers: list[asyncio.TimerHandle] = []
        if self._room():
            self._pull.start()
        if self.strict and self.parked():
            timers.append(self._loop.call_later(STALLED, self._relieve))
        resting = (p.used for p in self._open.values() if p.resting)
        due = next(resting, None) if self.stage.idle is not None else None
        if due is not None:
            timers.append(self._loop.call_at(due + self.stage.idle, self.wake.set))
        try:
            await self.wake.wait()
        finally:
            for timer in timers:
                timer.cancel()

    def _relieve(self) -> None:
        """Have the joiners let go if they keep all that is waited for, as where prefetch is used up."""
        for inlet in self.context.inlets:
            self.session.unpark(inlet)
        self.wake.set()

    def failed(self, roots: set[RootToken]) -> None:
        """Give back what waits for its turn and comes again with a message that failed."""
        for partition in self._open.values():
            partition.give_back(roots)

    def _room(self) -> bool:
        """Say whether more may come: no more wait inside than there are keys.

        A key that waits for its failed message to come again needs more in any case: that message
        may be behind others. Prefetch is the bound then.
        """
        if any(partition.blocked for partition in self._open.values()):
            return True
        if self._inside >= self._keys:
            waiting = sum(p.lane.waiting + len(p.backlog) for p in self._open.values())
            self._inside = waiting + len(self._arrived)
        return self._inside < self._keys

    # -- Joiner -----------------------------------------------------------------------------------

    def parked(self) -> Sequence[Token]:
        """Return what waits for other keys' ends, or for other messages' outcomes."""
        waiting = [turn for p in self._open.values() for turn in p.backlog]
        return [turn.token for turn in (*waiting, *(turn for _, turn in self._arrived))]

    def flush(self, reason: str) -> bool:
        """Nothing can be let go of: what is waited for is flushed itself."""
        return False
