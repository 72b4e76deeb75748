"""Line: one aiormq channel that consumes, from its first delivery to its end: one epoch."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp import refusals
from ackflow.streams.amqp.gathering import Gathering
from ackflow.streams.amqp.link import ANSWER_WITHIN, Link, shortly
from ackflow.streams.amqp.pace import Pace
from ackflow.streams.amqp.raw import Raw
from ackflow.streams.amqp.settling import Calling, Settling, Writing
from ackflow.streams.amqp.tap import Tap
from ackflow.streams.core import Frame, Verb, describe

if TYPE_CHECKING:
    from aiormq.channel import Channel
    from pamqp.commands import Basic

logger = logging.getLogger("ackflow.amqp")

RETURNS = (Verb.RETURN_FAILED, Verb.RETURN_UNTOUCHED)


class Line:
    """One channel's consumers: hands their deliveries on in runs, and sends frames back.

    Deliveries come off the wire where the connection has one, else through aiormq's consumer.
    `lost` is done when the channel is gone or was given up, and never raises. aiormq's own `closing`
    holds a different error or none for each way to end, CancelledError among them.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        channel: "Channel",
        deliver: Callable[[Sequence[Raw]], None],
        *,
        kept_bytes: int,
        in_order: bool = False,
    ) -> None:
        """`in_order`: whether what is unacked at the end has to go back before another consumer goes on.

        The broker does that in one step when the channel closes. After basic.cancel the other one goes
        on at once, behind what is unacked here; after basic.nack it comes back here once more.
        """
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reason = ""
        """Why it was lost."""
        self.illegal = False
        """Whether the broker ended it because of an ack for a tag it did not hold open."""
        self._name = name
        self._link = link
        self._channel = channel
        self._deliver = deliver
        self._consumers: dict[str, str] = {}
        self._arrived: list[Raw] = []
        self._last_tag = 0
        self._in_order = in_order
        self._begun = self._closing = self._stopped = False
        self._writing: asyncio.Task[None] | None = None
        self._cancelling: asyncio.Task[None] | None = None
        self._pace = Pace()
        self.goes_on: Callable[[str], bool] = lambda queue: False
        """Asked when the broker ends one queue's consumer: whether to go on without it."""
        self._gathering = Gathering(self._take, kept_bytes)
        self._settling: Settling = Calling(channel)
        if link.wired:
            tap = Tap(self._take, kept_bytes)
            link.tap(channel, tap)
            self._settling = Writing(link, channel, tap)
        channel.closing.add_done_callback(self._ended)
        channel.on_consumer_cancel_callbacks.add(self._on_cancel)

    # -- deliveries in ----------------------------------------------------------------------------

    @property
    def queues(self) -> list[str]:
        """The queues it consumes from."""
        return list(self._consumers.values())

    async def consume(self, queue: str, tag: str, arguments: dict[str, Any]) -> None:
        """Begin to consume from a queue; raise Refused where that is not possible."""
        with refusals.answers(f"consuming from queue {queue!r}"):
            await self._channel.basic_consume(
                queue, self._gathering.add, consumer_tag=tag, arguments=arguments
            )
            self._consumers[tag] = queue
            if self._cancelling is not None and not self._in_order:
                await self._channel.basic_cancel(tag, timeout=ANSWER_WITHIN)

    def begin(self) -> None:
        """Hand on what arrives from now on, and what arrived before."""
        self._begun = True
        self._hand_on()

    def _take(self, raws: Sequence[Raw]) -> None:
        """Take deliveries in. Their tags rise, so that of the last one tells whether one is missing."""
        if self.lost.done() or self._stopped:
            return
        self._last_tag += len(raws)
        if (tag := raws[-1].tag) != self._last_tag:
            self.give_up(f"delivery tag {tag} came where {self._last_tag} was expected")
            return
        self._arrived += raws
        self._hand_on()

    def _hand_on(self) -> None:
        """Hand on what arrived. An exception here would be the connection's end."""
        if not self._arrived or not self._begun or self.lost.done():
            return
        arrived, self._arrived = self._arrived, []
        try:
            self._deliver(arrived)
        except Exception as error:
            logger.exception(
                "%s: deliveries could not be taken in",
                self._name,
                extra={"event": "deliveries_failed", "part": self._name},
            )
            self.give_up(describe(error))

    # -- frames out -------------------------------------------------------------------------------

    async def send(self, frames: Sequence[Frame]) -> None:
        """Send frames in order; raise ConnectionError when the channel ends first.

        Writing goes on when the caller is cancelled: its ledger has forgotten these frames already.
        """
        await self._written()
        if self._stopped:
            frames = [frame for frame in frames if frame[0] not in RETURNS]
        if self.lost.done():
            raise self._ended_meanwhile()
        self._pace.sent(len(frames), asyncio.get_running_loop().time())
        writing = self._settling.write(frames)
        if writing is not None:
            self._writing = asyncio.create_task(writing, name=f"{self._name}: acks")
            await self._written()

    async def _written(self) -> None:
        """Wait until nothing is being written. aiormq's writes hang for ever on a cut connection."""
        writing = self._writing
        if writing is None:
            return
        await asyncio.wait(
            [writing, self.lost], timeout=ANSWER_WITHIN, return_when=asyncio.FIRST_COMPLETED
        )
        self._writing = None
        if not writing.done():
            writing.cancel()
            self.give_up("the broker takes nothing more")
            raise self._ended_meanwhile()
        if (error := writing.exception()) is not None:
            raise ConnectionError(f"{self._name}: {describe(error)}") from error

    def _ended_meanwhile(self) -> ConnectionError:
        return ConnectionError(f"{self._name}: the channel ended: {self.reason}")

    # -- the end ----------------------------------------------------------------------------------

    async def cancel(self) -> None:
        """Ask for no more deliveries; those on their way are handed on before this returns.

        Goes on when the caller is cancelled, and may be called again to wait for its end.
        """
        if self._cancelling is None:
            self._cancelling = asyncio.create_task(self._cancel(), name=f"{self._name}: cancel")
        await asyncio.wait([self._cancelling, self.lost], return_when=asyncio.FIRST_COMPLETED)

    async def _cancel(self) -> None:
        self.goes_on = lambda queue: True
        self._stopped = self._in_order
        for tag in () if self._in_order else list(self._consumers):
            try:
                await self._channel.basic_cancel(tag, timeout=ANSWER_WITHIN)
            except Exception as error:
                logger.info(
                    "%s: no answer to basic.cancel: %s",
                    self._name,
                    reason := describe(error),
                    extra={"event": "cancel_unanswered", "part": self._name, "reason": reason},
                )
        self._consumers.clear()
        self._gathering.hand_on()

    async def close(self) -> None:
        """Close the channel: the broker has then taken in every frame sent before.

        What is unacked then goes back by basic.nack first, for the end of a channel would count
        toward the delivery limit of a quorum queue; where order is to be kept, that price is paid.
        """
        self._closing = True
        try:
            await shortly(self._close())
        finally:
            self._lose("closed")
            await self._link.leave()

    async def _close(self) -> None:
        with suppress(ConnectionError):
            await self._written()
        if not self._channel.is_closed:
            await asyncio.sleep(self._pace.pause(asyncio.get_running_loop().time()))
        if not (self._channel.is_closed or self._in_order):
            await self._channel.basic_nack(0, multiple=True, wait=False)
        await self._channel.close()

    def give_up(self, reason: str) -> None:
        """End the epoch from this side: all that is unacked goes back to the queue."""
        if not self.lost.done():
            logger.warning(
                "%s: the channel is given up: %s",
                self._name,
                reason,
                extra={"event": "channel_given_up", "part": self._name, "reason": reason},
            )
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        if not self.lost.done():
            self.reason = reason
            self._arrived.clear()
            self.lost.set_result(None)

    async def _on_cancel(self, frame: "Basic.Cancel") -> None:
        queue = self._consumers.pop(frame.consumer_tag or "", "")
        if not self.goes_on(queue):
            self.give_up(f"the broker ended the consumer of queue {queue!r}: was it deleted?")

    def _ended(self, closing: "asyncio.Future[Any]") -> None:
        error = None if closing.cancelled() else closing.exception()
        if self._closing or self.lost.done():
            return
        said = error.args[-1] if error is not None and error.args else None
        text = str(said or "it ended")
        self.illegal = text.startswith("PRECONDITION_FAILED - unknown delivery tag")
        level = logging.ERROR if self.illegal else logging.WARNING
        said = text if error is None else describe(error)  # the broker's words
        logger.log(
            level,
            "%s: the channel was lost: %s",
            self._name,
            said,
            extra={"event": "channel_lost", "part": self._name, "reason": said},
        )
        self._lose(text)
