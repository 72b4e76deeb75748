"""Keeper: takes in what comes while the consumer is at work, and hands it on when its time has come."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ackflow.streams.core import END, Context, Run, Stage, cancelled, close


class Keeper(ABC):
    """What one stage keeps back in one run. A task of its own pulls, so no timer cancels a pull."""

    def __init__(self, stage: Stage, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        self.stage = stage
        self.context = context
        self.session = context.session
        self.ended = False
        """Whether nothing more will come in."""
        self.wake = asyncio.Event()
        self._room = asyncio.Event()
        self._upstream = upstream
        self._reconnects = 0
        context.holding(self.held)

    @abstractmethod
    def held(self) -> int:
        """Return how many values are kept back."""

    @abstractmethod
    def has_room(self) -> bool:
        """Say whether more may be pulled, and what was pulled be taken in."""

    @abstractmethod
    def accept(self, run: Run[Any]) -> None:
        """Take in a run that has just come."""

    @abstractmethod
    def purge(self) -> None:
        """Leave out messages whose channel is gone: they come again (contract 8)."""

    @abstractmethod
    def ready(self) -> Run[Any] | None:
        """Take out what is to be handed on now, or None."""

    @abstractmethod
    def due(self) -> float | None:
        """Return when to look again without being woken; None where nothing is kept."""

    def begin(self) -> None:
        """Note that the run begins."""
        self.session.sleepers |= {self.wake, self._room}

    def end(self) -> None:
        """Note that the run has ended."""
        self.session.sleepers -= {self.wake, self._room}

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        """Hand out what is ready, and wait where nothing is."""
        self.begin()
        taking = asyncio.create_task(self._take_in(), name=f"{self.stage!r:.80}: taking in")
        taking.add_done_callback(self._ended)
        try:
            while True:
                self.wake.clear()
                if self.ended:
                    taking.result()
                self._purge()
                run = self.ready()
                self._room.set()
                if run is not None:
                    yield run
                elif self.ended and self.due() is None:
                    return
                else:
                    self._tell_looker()
                    await rest(self.wake, self.due())
        finally:
            self.end()
            if await cancelled(taking):
                await close(self._upstream)

    def _purge(self) -> None:
        if self._reconnects != self.session.summary.reconnects:
            self._reconnects = self.session.summary.reconnects
            self.purge()

    def _tell_looker(self) -> None:
        """Who looks may have been handed all that prefetch lets out while more was being pulled."""
        if self.session.looker is not None and not self.session.stopping:
            self.session.relieve()

    def _ended(self, taking: "asyncio.Task[None]") -> None:
        self.ended = True
        self.wake.set()

    async def _take_in(self) -> None:
        while True:
            await self._wait_for_room()
            run = await anext(self._upstream, END)
            if run is END:
                return
            await self._wait_for_room()
            run = run.living()
            if run.values:
                self.accept(run)
                self.wake.set()

    async def _wait_for_room(self) -> None:
        self._purge()
        while not self.has_room():
            self._room.clear()
            await self._room.wait()
            self._purge()


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def rest(wake: asyncio.Event, due: float | None) -> None:
    """Wait until woken, or until it is `due` in loop time."""
    timer = None if due is None else asyncio.get_running_loop().call_at(due, wake.set)
    try:
        await wake.wait()
    finally:
        if timer is not None:
            timer.cancel()
