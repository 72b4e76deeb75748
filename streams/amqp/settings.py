"""Settings: what a user says about queues to consume, checked where it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ackflow.streams.amqp import choice
from ackflow.streams.amqp.server import Server
from ackflow.streams.amqp.topology import NO_STREAMS, Declare
from ackflow.streams.core import FailurePolicy, check_prefetch

MAX_BODY_BYTES = 16 * 1024 * 1024
LARGEST_BODY = 512 * 2**20
"""Bytes: RabbitMQ has no larger message: https://www.rabbitmq.com/docs/configure (max_message_size)"""
MANY = 16
"""Queues beyond which a stream's repr says how many there are."""
CONSUMER_TIMEOUT = 1_800.0
"""Seconds after which RabbitMQ cuts the channel of an unacked message:
https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout"""


@dataclass(frozen=True)
class Settings:
    """What `queue` and `deliveries` are told."""

    queues: tuple[str, ...]
    server: Server = field(default_factory=Server.of)
    prefetch: int | None = None
    policy: FailurePolicy = field(default_factory=FailurePolicy)
    retry_queue: bool = False
    until_idle: float | None = None
    declare: Declare | None = None
    start_timeout: float = 10.0
    consumer_arguments: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    max_body_bytes: int = MAX_BODY_BYTES
    consumer_timeout: float | None = CONSUMER_TIMEOUT
    others: tuple[str, ...] = ()
    """Queues that are declared, too, and not consumed from."""

    def __post_init__(self) -> None:
        """Raise ValueError or TypeError for settings that can't be meant."""
        choice.chosen()
        self._check_queues()
        check_prefetch("amqp.queue", self.prefetch)
        self._check_deliveries()
        for name in ("until_idle", "consumer_timeout", "start_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} must be seconds above 0, got {seconds!r}")
        if not isinstance(self.max_body_bytes, int) or self.max_body_bytes < 1:
            raise ValueError(f"max_body_bytes must be from 1 up, got {self.max_body_bytes!r}")
        if not isinstance(self.priority, int):
            raise TypeError(f"priority must be a whole number, got {self.priority!r}")
        if any(key.startswith("x-stream") for key in self.consumer_arguments):
            raise ValueError(f"consumer_arguments: {NO_STREAMS}")

    @property
    def patience(self) -> float | None:
        """Seconds within which a delivery has to be settled: half of the broker's own limit."""
        return None if self.consumer_timeout is None else self.consumer_timeout / 2

    @property
    def kept_bytes(self) -> int:
        """How much of a body is held in memory: one that is refused only where a sink is to get it."""
        letter = self.policy.dead_letter
        return self.max_body_bytes if letter is None or isinstance(letter, str) else LARGEST_BODY

    def _check_queues(self) -> None:
        if not self.queues:
            raise ValueError("name must be a queue or a list of them, got an empty list")
        for queue in (*self.queues, *self.others):
            if not isinstance(queue, str):
                raise TypeError(f"name must be a queue's name or a list of them, got {queue!r}")
            if not 1 <= len(queue.encode()) <= 255:
                raise ValueError(f"a queue's name has 1 to 255 bytes, got {queue!r:.80}")
        if len(set(self.queues)) < len(self.queues):
            raise ValueError(f"name must hold each queue once, got {list(self.queues)}")

    def _check_deliveries(self) -> None:
        deliveries = self.policy.deliveries
        if not isinstance(deliveries, int) or deliveries < 1:
            raise ValueError(f"deliveries must be a whole number from 1 up, got {deliveries!r}")
        limit = None if self.declare is None else self.declare.limit
        if limit is not None and limit < deliveries:
            raise ValueError(
                f"declare: delivery_limit={limit} is below deliveries={deliveries}: the broker would "
                "drop a message before this source makes a dead letter of it; raise it"
            )

    @property
    def shown(self) -> dict[str, Any]:
        """What a stream's repr says of them."""
        names: str | list[str] = list(self.queues)
        if len(names) == 1:
            names = names[0]
        elif len(names) > MANY:
            names = f"{names[0]} and {len(names) - 1:,} more"
        shown: dict[str, Any] = {"name": names, "url": str(self.server)}
        if self.prefetch is not None:
            shown["prefetch"] = self.prefetch
        return shown
