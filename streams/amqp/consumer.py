"""Consumer: opens a channel per epoch for the queues of a source, and watches over it."""

import asyncio
from collections.abc import Sequence

from ackflow.streams.amqp import connections, refusals, topology
from ackflow.streams.amqp.absence import Absences
from ackflow.streams.amqp.inspection import Inspection
from ackflow.streams.amqp.line import Line
from ackflow.streams.amqp.link import ANSWER_WITHIN, Link
from ackflow.streams.amqp.raw import Raw, delivery
from ackflow.streams.amqp.refusals import Refused
from ackflow.streams.amqp.settings import Settings
from ackflow.streams.amqp.topology import NO_STREAMS
from ackflow.streams.amqp.watchdog import Watchdog
from ackflow.streams.core import Delivery, Epoch, Session, SourceError, printable

OUTAGE = "what was unacked for long was given back until the outage is over"
LOOK_AGAIN = 1.0
"""Seconds between looks at whether an outage is over."""

LONGEST_QUEUE = 255
"""Characters of a queue's name at most (AMQP 0-9-1, section 1.7.2.1: a short string)."""
FEW = 5
"""Queues that are named where many are meant."""


def named(queues: Sequence[str]) -> str:
    """Name queues in a text: all of a few, the first of many."""
    if len(queues) == 1:
        return f"amqp queue {printable(queues[0], LONGEST_QUEUE)}"
    more = f" and {len(queues) - FEW:,} more" if len(queues) > FEW + 1 else ""
    few = (printable(queue, LONGEST_QUEUE) for queue in queues[: FEW if more else None])
    return f"amqp queues {', '.join(few)}{more}"


class Consumer:
    """The broker of a feed: all its queues on one channel, with `prefetch` for each of them.

    One channel, for the tags of an epoch rise by one per channel. RabbitMQ counts prefetch per
    consumer; one prefetch for the whole channel is refused by quorum queues.
    """

    def __init__(
        self, settings: Settings, session: Session, prefetch: int, *, properties: bool = False
    ) -> None:
        """`properties`: whether every delivery has to have some that can be read."""
        self.name = named(settings.queues)
        self.start_timeout = settings.start_timeout
        self.patience = settings.patience
        self.illegal = 0
        """How many channels the broker ended because of an illegal ack; anything but 0 is a bug."""
        self._settings = settings
        self._session = session
        self._prefetch = prefetch
        self._tags = {queue: f"ackflow.{number}" for number, queue in enumerate(settings.queues, 1)}
        self._sources = {tag: queue for queue, tag in self._tags.items()}
        self._properties = properties
        self._started = self._gave_back = False
        self.trace_attributes = settings.server.trace_attributes

    @property
    def ended(self) -> bool:
        """A broker on a network never knows."""
        return False

    def describe(self, raw: Raw) -> Delivery:
        """Return a raw delivery as a Delivery."""
        return delivery(raw, self._sources)

    def texts(self, raw: Raw, names: Sequence[str]) -> dict[str, str]:
        """Return those of the named headers whose value is a text."""
        return raw.texts(names)

    def queue(self, raw: Raw) -> str:
        """Return the name of the queue that a raw delivery comes from."""
        queues = self._settings.queues
        return queues[0] if len(queues) == 1 else self._sources[raw.method.consumer_tag]

    async def connect(self, epoch: Epoch[Raw]) -> Line:
        """Open a channel that consumes; raise SourceError naming what can't be had."""
        if self._gave_back:
            await self._outage_over()
        within = ANSWER_WITHIN if self._started else min(ANSWER_WITHIN, max(1, self.start_timeout))
        link = await connections.join(self._settings.server, "consuming", within=within)
        try:
            channel = await link.channel()
        except BaseException:
            await link.leave()
            raise
        inspection = Inspection(
            self._settings.max_body_bytes,
            self._settings.policy.deliveries,
            properties=self._properties,
        )
        declare = self._settings.declare
        line = Line(
            self.name,
            link,
            channel,
            lambda raws: self._deliver(epoch, inspection, raws),
            kept_bytes=self._settings.kept_bytes,
            in_order=declare is not None and declare.single_active,
        )
        line.lost.add_done_callback(lambda _: self._lost(line))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                with refusals.answers(self.name):
                    await channel.basic_qos(prefetch_count=self._prefetch)
            await self._consume_all(line, link)
        except BaseException:
            await line.close()
            raise
        self._watch(line, epoch)
        line.begin()
        self._started = True
        return line

    # -- consuming --------------------------------------------------------------------------------

    async def _consume_all(self, line: Line, link: Link) -> None:
        """Consume from every queue. Once started, those that are gone do not stop the others."""
        if self._settings.others:
            await self._prepare(link, self._settings.others)
        prepared = await self._prepare_at_once(link)
        absences = Absences(self.name, line, lambda queue: self._consume(line, link, queue))
        line.goes_on = absences.goes_on
        errors: list[SourceError] = []
        for queue in self._settings.queues:
            try:
                await self._consume(line, link, queue, prepared=prepared)
            except Refused as error:
                errors.append(error)
                if not self._started or len(errors) == len(self._settings.queues):
                    raise
                absences.add(queue, error)

    async def _prepare(self, link: Link, queues: Sequence[str]) -> None:
        settings = self._settings
        await topology.prepare(link, queues, settings.declare, settings.retry_queue)

    async def _prepare_at_once(self, link: Link) -> bool:
        """Prepare all queues on one channel; False where one can't be had, which ends that channel."""
        try:
            await self._prepare(link, self._settings.queues)
        except Refused:
            return False
        return True

    async def _consume(self, line: Line, link: Link, queue: str, *, prepared: bool = False) -> None:
        settings = self._settings
        if not prepared:
            await self._prepare(link, [queue])
        # With x-priority always, for a stream refuses it: no other sign tells one before it delivers.
        arguments = {"x-priority": settings.priority, **settings.consumer_arguments}
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await line.consume(queue, self._tags[queue], arguments)
        except Refused as error:
            if "rabbit_stream_queue" in str(error):
                raise Refused(f"queue {queue!r} is of type stream; {NO_STREAMS}") from error
            raise

    def _deliver(self, epoch: Epoch[Raw], inspection: Inspection, raws: Sequence[Raw]) -> None:
        if not epoch.closed:
            epoch.deliver(raws, *inspection.inspect(raws))

    # -- watching ---------------------------------------------------------------------------------

    def _watch(self, line: Line, epoch: Epoch[Raw]) -> None:
        if self._settings.consumer_timeout is None:
            return
        watchdog = Watchdog(
            self.name,
            self._settings.consumer_timeout,
            oldest=lambda: epoch.oldest,
            halted=lambda: bool(self._session.halts),
            give_back=lambda reason: self._give_back(line, reason),
        )
        line.lost.add_done_callback(lambda _: watchdog.stop())

    def _give_back(self, line: Line, reason: str) -> None:
        self._gave_back = True
        line.give_up(reason)

    async def _outage_over(self) -> None:
        """Wait until no other part of the pipeline is halted: taking messages would be for nothing."""
        self._session.halted(self.name, OUTAGE)
        while self._others_halted():  # noqa: ASYNC110 a session has no event for this
            await asyncio.sleep(LOOK_AGAIN)
        self._gave_back = False

    def _others_halted(self) -> bool:
        """Say whether a part is halted that does not itself wait for the end of an outage."""
        return any(reason != OUTAGE for reason in self._session.halts.values())

    def _lost(self, line: Line) -> None:
        if line.illegal:
            self.illegal += 1
