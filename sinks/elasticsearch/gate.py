"""The door to the server: requests pass in the order they came, as many as the limiter allows."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from ackflow.sinks.elasticsearch.limiter import Limiter


class Gate:
    """Lets requests through; use one `Passage` for each.

    Example:
        async with Passage(gate) as passage:
            answer = await post(payload)
            passage.pressure = answer.status == 429

    """

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self._now = asyncio.get_running_loop().time
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait for a place. A cancelled wait gives back a place that it was just given."""
        if not self._waiting and self.limiter.free:
            self.limiter.began(self._now())
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._tell()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self.limiter.dropped(self._now())
            self.admit()
            raise

    def admit(self) -> bool:
        """Let in those who wait and for whom there is room; say whether there were any."""
        admitted = False
        while self._waiting and self.limiter.free:
            place = self._waiting.popleft()
            if not place.done():
                self.limiter.began(self._now())
                place.set_result(None)
                admitted = True
        self._tell()
        return admitted

    def _tell(self) -> None:
        self.limiter.waits(self._now(), sum(not place.done() for place in self._waiting))


class Passage:
    """One request's way through the gate; it says whether the request met `pressure`."""

    def __init__(self, gate: Gate) -> None:
        self.pressure = False
        self._gate = gate
        self._began = 0.0

    async def __aenter__(self) -> Self:
        await self._gate.enter()
        self._began = asyncio.get_running_loop().time()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        now = asyncio.get_running_loop().time()
        if error is None or self.pressure:
            self._gate.limiter.ended(now, now - self._began, pressure=self.pressure)
        else:
            self._gate.limiter.dropped(now)
        if self._gate.admit():
            # Let them send first: the server waits, and what is done with the answer takes a while.
            await asyncio.sleep(0)
