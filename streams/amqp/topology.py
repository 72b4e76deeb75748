"""Topology: the queues, exchanges and bindings that a source needs, checked or declared."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ackflow.streams.amqp import refusals
from ackflow.streams.amqp.link import ANSWER_WITHIN, Link, close

if TYPE_CHECKING:
    from aiormq.channel import Channel

QueueType = Literal["quorum", "classic"]

DELIVERY_LIMIT = 1_000
"""A quorum queue's default, in place of RabbitMQ 4's 20, which counts drains and cut connections."""
NO_STREAMS = (
    "queues of type stream are refused: acking there settles nothing, it only moves a reader on"
)


@dataclass(frozen=True)
class Declare:
    """The queue that a source declares, and what belongs to it. What exists must be like it.

    Example:
        streams.amqp.queue("words", declare=streams.amqp.Declare(
            "quorum", exchange="texts", exchange_type="topic", routing_keys=["word.#"],
            dead_letter_queue="words.dead",
        ))

    `queue`: its type. `exchange`: one to declare, with `exchange_arguments`, and bind the queue to, by
    each of `routing_keys` (default: the queue's name). `dead_letter_queue`: a queue to declare that
    takes what is rejected (`dead_letter="exchange"` on the source). `delivery_limit`: how often a
    quorum queue hands a message out before it drops or dead-letters it; None leaves it to the broker,
    which since RabbitMQ 4 means 20. `arguments`: further arguments of the queue, such as
    {"x-max-length": 1000}; with {"x-single-active-consumer": True} what a drain gives back keeps its
    place before what the next consumer gets.
    """

    queue: QueueType = "quorum"
    durable: bool = True
    exchange: str | None = None
    exchange_type: str = "direct"
    exchange_arguments: Mapping[str, Any] = field(default_factory=dict)
    routing_keys: Sequence[str] = ()
    dead_letter_queue: str | None = None
    delivery_limit: int | None = DELIVERY_LIMIT
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, declare: "Declare | str | None") -> "Declare | None":
        """Take what users write: nothing, a type of queue, or the whole."""
        if declare is None or isinstance(declare, Declare):
            return declare
        if isinstance(declare, str):
            return cls(declare)  # type: ignore[arg-type]
        raise TypeError(
            f'declare must be "quorum", "classic", a streams.amqp.Declare or None, got {declare!r}'
        )

    def __post_init__(self) -> None:
        """Raise ValueError for what no broker would take, or this library would not."""
        if "stream" in (self.queue, self.arguments.get("x-queue-type")):
            raise ValueError(f"declare: {NO_STREAMS}")
        if self.queue not in ("quorum", "classic"):
            raise ValueError(f'declare: a queue is "quorum" or "classic", got {self.queue!r}')
        if self.queue == "quorum" and not self.durable:
            raise ValueError('declare: quorum queues are durable; durable=False needs "classic"')
        if self.routing_keys and self.exchange is None:
            raise ValueError("declare: routing_keys need the exchange= they are for")
        if isinstance(self.routing_keys, str):
            raise TypeError(f"declare: routing_keys must be a list, got {self.routing_keys!r}")
        if self.delivery_limit is not None and self.delivery_limit < 1:
            raise ValueError(
                f"declare: delivery_limit must be from 1 up, got {self.delivery_limit}"
            )

    @property
    def limit(self) -> int | None:
        """The delivery limit that it declares; classic queues have none."""
        return self.delivery_limit if self.queue == "quorum" else None

    @property
    def single_active(self) -> bool:
        """Whether only one consumer at a time gets what is in the queue."""
        return bool(self.arguments.get("x-single-active-consumer"))

    def queue_arguments(self) -> dict[str, Any]:
        """Return the arguments that the queue is declared with."""
        arguments: dict[str, Any] = {"x-queue-type": self.queue}
        if self.limit is not None:
            arguments["x-delivery-limit"] = self.limit
        if self.dead_letter_queue is not None:
            arguments["x-dead-letter-exchange"] = ""
            arguments["x-dead-letter-routing-key"] = self.dead_letter_queue
        return {**arguments, **self.arguments}


def retry_queue(queue: str) -> str:
    """Name the queue where messages of another one wait for their next attempt."""
    return f"{queue}.retry"


def retry_arguments(queue: str) -> dict[str, Any]:
    """Return the arguments of a retry queue: what expires there goes back to `queue`.

    Dead-lettering is at-least-once, which quorum queues alone have, and only with reject-publish: a
    message stays until the other queue has confirmed it.
    https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
    """
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


async def prepare(
    link: Link, queues: Sequence[str], declare: Declare | None, retries: bool
) -> None:
    """Check that queues exist, or declare them; raise Refused naming the one that can't be had."""
    channel = await link.channel()
    try:
        for queue in queues:
            async with asyncio.timeout(ANSWER_WITHIN):
                await _prepare(channel, queue, declare)
                if retries:
                    await _declare(channel, retry_queue(queue), retry_arguments(queue))
    finally:
        await close(channel)


async def _prepare(channel: "Channel", queue: str, declare: Declare | None) -> None:
    if declare is None:
        await _check(channel, queue)
        return
    if declare.dead_letter_queue is not None:
        # As a source for it would declare it, so that one can be written without a look at this.
        plain = Declare(declare.queue, declare.durable, delivery_limit=declare.delivery_limit)
        await _declare(channel, declare.dead_letter_queue, plain.queue_arguments(), declare.durable)
    await _declare(channel, queue, declare.queue_arguments(), declare.durable)
    if declare.exchange is not None:
        await _bind(channel, queue, declare.exchange, declare)


async def _check(channel: "Channel", queue: str) -> None:
    try:
        with refusals.answers(f"looking for queue {queue!r}"):
            await channel.queue_declare(queue, passive=True)
    except refusals.Refused as error:
        if "NOT_FOUND" not in str(error):
            raise
        raise refusals.Refused(
            f'queue {queue!r} does not exist; declare="quorum" would make it ({error})'
        ) from error


async def _declare(
    channel: "Channel", queue: str, arguments: Mapping[str, Any], durable: bool = True
) -> None:
    with refusals.answers(f"declaring queue {queue!r}"):
        await channel.queue_declare(queue, durable=durable, arguments=dict(arguments))


async def _bind(channel: "Channel", queue: str, exchange: str, declare: Declare) -> None:
    with refusals.answers(f"binding queue {queue!r} to exchange {exchange!r}"):
        await channel.exchange_declare(
            exchange,
            exchange_type=declare.exchange_type,
            durable=declare.durable,
            arguments=dict(declare.exchange_arguments),
        )
        for key in declare.routing_keys or [queue]:
            await channel.queue_bind(queue, exchange, key)
