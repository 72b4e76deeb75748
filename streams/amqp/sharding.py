"""Shards: queues among which messages are parted by a key, so that several processes keep its order."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ackflow.streams.amqp.topology import Declare

NUMBER, COUNT = "ACKFLOW_WORKER", "ACKFLOW_WORKERS"
"""Environment variables that `ackflow.streams.workers` gives each process."""
MOST = 10_000
"""Shards: RabbitMQ takes more, but every source declares them all."""


@dataclass(frozen=True)
class Shards:
    """Queues that share an exchange by the hash of a key, each read by one consumer at a time.

    Example:
        words = streams.amqp.Shards("words", 8)  # the exchange "words", queues words.0 to words.7
        await streams.amqp.declare(words, url=url)
        documents | sinks.amqp.publish(url, exchange="words", routing_key=lambda doc: doc["user"])
        streams.amqp.queue(words.share(), url=url) | op.map(orjson.loads) | …

    All messages of a key come to the same shard, and one consumer of a shard is active, however many
    processes read it; another takes over when it ends, at the first message that was not acked. So each
    key's messages are worked on in order across processes; where one may fail and come again,
    `op.partition(key, …, strict=True)` holds back those behind it.
    Declare before the first message is published: a shard that is bound later takes keys from others.
    So does another `count`: change it while the queues are empty, and choose it above the number of
    processes that you will ever want.
    Acks: as ever, but a drain gives back what it has not begun with by closing the channel, all at once.
    `name`: the exchange, and what the queues' names begin with. `count`: how many. `header`: the name
    of a header whose value is the key (default: the routing key is). `number`, `of`: see `share`.
    Raises ValueError or TypeError for what can't be meant.
    Source: https://www.rabbitmq.com/docs/consumers#single-active-consumer, and RabbitMQ's plugin
    rabbitmq_consistent_hash_exchange, which comes with it and has to be enabled.
    """

    name: str
    count: int
    header: str | None = None
    number: int = 0
    """Of which worker this is the share."""
    of: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError or TypeError for what can't be meant."""
        for setting in ("count", "number", "of"):
            if not isinstance(getattr(self, setting), int):
                raise TypeError(
                    f"amqp.Shards({setting}): must be a whole number, got {getattr(self, setting)!r}"
                )
        if not 1 <= self.count <= MOST:
            raise ValueError(f"amqp.Shards(count): must be from 1 to {MOST:,}, got {self.count}")
        if not 0 <= self.number < self.of:
            raise ValueError(
                f"amqp.Shards.share(number): must be from 0 to of - 1 = {self.of - 1}, got {self.number}"
            )
        if self.of > self.count:
            raise ValueError(
                f"amqp.Shards.share(of): {self.of} workers for {self.count} shards leave some without "
                "one; make more shards, or start fewer workers"
            )

    def share(self, number: int | None = None, of: int | None = None) -> "Shards":
        """Return the share of one worker of several, numbered from 0: every shard has one of them.

        Example:
            words.share(2, of=4)  # words.2 and words.6

        Where a number is left out, those that `python -m ackflow.streams.workers` gives to its processes
        are taken; a process that has none takes all. Whoever ends has to be started again for its share
        to be read; two that have the same one, as when another program takes over, are in turn.
        """
        if number is None or of is None:
            number, of = int(os.environ.get(NUMBER, "0")), int(os.environ.get(COUNT, "1"))
        return replace(self, number=number, of=of)

    @property
    def all(self) -> list[str]:
        """The queues of all shards."""
        return [f"{self.name}.{shard}" for shard in range(self.count)]

    @property
    def queues(self) -> list[str]:
        """The queues of this share."""
        return self.all[self.number :: self.of]

    def declared(self, declare: Declare | None) -> Declare:
        """Return how each of the queues is declared: as the user says, bound, with one consumer."""
        declare = declare or Declare()
        if declare.exchange is not None:
            raise ValueError(
                f"declare: shards have an exchange of their own, {self.name!r}; leave out exchange="
                f"{declare.exchange!r}"
            )
        return replace(
            declare,
            exchange=self.name,
            exchange_type="x-consistent-hash",
            exchange_arguments={} if self.header is None else {"hash-header": self.header},
            routing_keys=["1"],  # its weight
            arguments={**declare.arguments, "x-single-active-consumer": True},
        )


def wanted(
    name: str | Sequence[str] | Shards, declare: Declare | None
) -> tuple[tuple[str, ...], tuple[str, ...], Declare | None]:
    """Return the queues to consume from, those that are only declared, and how."""
    if not isinstance(name, Shards):
        return (name,) if isinstance(name, str) else tuple(name), (), declare
    own = tuple(name.queues)
    others = tuple(queue for queue in name.all if queue not in own)
    return own, others, name.declared(declare)
