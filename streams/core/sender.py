"""Sender: the one writer of each epoch; tells the broker what was settled (contract 11)."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from ackflow.streams.core.broker import Channel
from ackflow.streams.core.cancelling import cancelled
from ackflow.streams.core.epoch import Epoch
from ackflow.streams.core.errors import CONNECTION_FAILURES, describe

ACK_DELAY = 0.05
"""Seconds that an ack waits at most for others to share a frame with."""
STARVED_DELAY = 0.005
"""The same where the broker has no credit left: what lies before it is mostly settled by then."""

logger = logging.getLogger("ackflow.sender")


class Sender:
    """Sends the frames of a feed's current epoch: at once when asked, else after ACK_DELAY."""

    def __init__(self, feed: Any) -> None:
        self._feed = feed
        self._signal = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name=f"{self._feed.broker.name}: acks")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """End the run with an error that nobody expected: without acks it would stand still for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._feed.session.fail(error)

    def now(self) -> None:
        """Send what there is as soon as the loop comes to it."""
        self._signal.set()

    def soon(self, delay: float = ACK_DELAY) -> None:
        """Send what there is after a delay, with all that is settled until then."""
        loop = asyncio.get_running_loop()
        if self._timer is not None and self._timer.when() > loop.time() + delay:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timed = True
        self._signal.set()

    async def _run(self) -> None:
        while True:
            await self._signal.wait()
            self._signal.clear()
            epoch: Epoch[Any] | None = self._feed.epoch
            if epoch is not None and epoch.channel is not None:
                if self._feed.stopped and not epoch.cancelled:
                    epoch.cancelled = True
                    with suppress(*CONNECTION_FAILURES):
                        await epoch.channel.cancel()
                await self.send(epoch, epoch.channel)

    async def send(self, epoch: Epoch[Any], channel: Channel) -> None:
        """Send what there is; a channel that breaks meanwhile is the epoch loop's business."""
        try:
            await self._send(epoch, channel)
        except CONNECTION_FAILURES as error:
            name, reason = self._feed.broker.name, describe(error)
            logger.info(
                "%s: acks could not be sent: %s",
                name,
                reason,
                extra={"event": "acks_unsent", "part": name, "reason": reason},
            )

    async def _send(self, epoch: Epoch[Any], channel: Channel) -> None:
        """Send frames; acks beyond a stuck message go singly when they have waited long enough.

        Not at once, even where the broker has no credit left: what a filter drops is settled before
        what lies around it, and a frame for each would cost more than what is gained.
        """
        timed, self._timed = self._timed, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        starving = epoch.ledger.outstanding >= self._feed.prefetch
        frames = epoch.ledger.frames(singly=timed or self._feed.stopped)
        if frames:
            await channel.send(frames)
            if starving:
                self._feed.credited()
            self._feed.woken()
        if epoch.ledger.unsent:
            self.soon(STARVED_DELAY if starving else ACK_DELAY)

    async def stop(self) -> None:
        """Send nothing more unasked."""
        await cancelled(self._task)
        if self._timer is not None:
            self._timer.cancel()
