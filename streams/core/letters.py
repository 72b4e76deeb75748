"""Letters: messages on their way to a dead-letter sink or a retry queue.

The source's delivery is acked only when the sink has accepted the letter; otherwise it is kept and
comes again.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ackflow.streams.core.delivery import Delivery
from ackflow.streams.core.errors import describe
from ackflow.streams.core.ledger import Verb
from ackflow.streams.core.outcome import Kind, Outcome
from ackflow.streams.core.run import Run
from ackflow.streams.core.token import RootToken, Token

if TYPE_CHECKING:
    from ackflow.streams.core.epoch import Epoch
    from ackflow.streams.core.feed import Feed

ATTEMPTS_HEADER = "x-ackflow-attempts"
"""Carries how many attempts at a message have failed, through the retry queue and restarts."""
TEXT_LIMIT = 2_000
"""Characters of an error's text that a dead letter carries; AMQP limits a header frame."""


class Letters:
    """Takes failed deliveries of one feed to a sink, with the cause in the headers."""

    def __init__(self, feed: "Feed[Any, Any]", sink: Any, purpose: str) -> None:
        self._feed = feed
        self._purpose = purpose
        self._writer: Any = None
        self._sink = sink if hasattr(sink, "writer") else None
        self._queue: asyncio.Queue[Run[Delivery] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a sink to take letters to."""
        return self._writer is not None

    async def open(self) -> None:
        """Open the sink."""
        if self._sink is not None:
            self._writer = self._sink.writer(self._feed.session, False)
            await self._writer.open()
            self._task = asyncio.create_task(self._write(), name=self._purpose)

    def put(
        self,
        epoch: "Epoch[Any]",
        tag: int,
        cause: Exception,
        attempts: int,
        seconds: float | None = None,
    ) -> None:
        """Send a delivery off; with `seconds` it is to come back after that time."""
        delivery = self._feed.broker.describe(epoch.ledger.item(tag))
        headers = {**delivery.headers, ATTEMPTS_HEADER: attempts}
        properties = dict(delivery.properties)
        if seconds is None:
            headers.update(cause_headers(cause, delivery.source))
            properties.pop("expiration", None)  # as RabbitMQ does: it would expire once more
        else:
            properties["expiration"] = seconds
        letter = replace(delivery, headers=headers, properties=properties)
        account = _Letter(self._feed, epoch, dead=seconds is None)
        self._queue.put_nowait(Run([letter], [(account, tag)]))

    async def _write(self) -> None:
        while (run := await self._queue.get()) is not None:
            await self._writer.put(run)

    async def finish(self) -> None:
        """Wait until every letter sent off so far is settled."""
        if self._task is not None:
            self._queue.put_nowait(None)
            await self._task
            await self._writer.finish()
            self._task = None

    async def close(self) -> None:
        """Close the sink."""
        if self._task is not None:
            self._task.cancel()
        if self._writer is not None:
            await self._writer.close()


def cause_headers(cause: Exception, source: str) -> dict[str, Any]:
    """Return the headers that tell why a message became a dead letter.

    An error may add headers of its own by a method `headers()`.
    """
    headers: dict[str, Any] = {
        "x-ackflow-error-type": type(cause).__name__,
        "x-ackflow-error": describe(cause)[:TEXT_LIMIT],
        "x-ackflow-source": source,
        "x-ackflow-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    own: Callable[[], Mapping[str, Any]] | None = getattr(cause, "headers", None)
    if callable(own):
        with suppress(Exception):  # a method that means something else
            headers |= own()
    return headers


class _Letter:
    """The account of one letter: passes the sink's verdict on to the delivery behind it."""

    __slots__ = ("_dead", "_epoch", "_feed")

    def __init__(self, feed: "Feed[Any, Any]", epoch: "Epoch[Any]", *, dead: bool) -> None:
        self._feed = feed
        self._epoch = epoch
        self._dead = dead

    @property
    def closed(self) -> bool:
        return self._epoch.closed

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        """Ack the delivery when its letter was accepted, keep it otherwise."""
        if self._epoch.closed:
            self._epoch.settle(tags, outcome)
        elif outcome.kind > Kind.SKIPPED:
            for tag in tags:
                self._feed.ladder.keep(self._epoch, tag)
        else:
            kind = Kind.REJECT if self._dead else Kind.REQUEUE
            self._feed.ladder.tell(self._epoch, tags, Verb.ACK, kind)
            if self._dead:
                self._feed.session.summary.dead_lettered += len(tags)
        self._feed.woken()

    def judge(self, error: Exception) -> Outcome:
        return self._epoch.judge(error)

    def eased(self) -> None:
        """Pass it on."""
        self._epoch.eased()

    def wholes(self, tags: Set[int]) -> Sequence[Token]:
        return [(self._epoch, tag) for tag in tags]

    def roots(self, tag: int) -> Iterator[RootToken]:
        yield (self._epoch, tag)

    def delivery(self, tag: int) -> Delivery | None:
        return self._epoch.delivery(tag)
