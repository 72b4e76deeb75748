"""declare: make queues, and what belongs to them, without consuming."""

from collections.abc import Sequence
from typing import Any

from ackflow.streams.amqp import connections, topology
from ackflow.streams.amqp.server import DEFAULT_URL, Server
from ackflow.streams.amqp.sharding import Shards, wanted
from ackflow.streams.amqp.topology import Declare, QueueType


async def declare(
    name: str | Sequence[str] | Shards,
    *,
    url: str | Sequence[str] = DEFAULT_URL,
    declare: Declare | QueueType = "quorum",
    retry_queue: bool = False,
    **connection: Any,
) -> None:
    """Declare a queue, several or `Shards`, as `queue(…, declare=…)` does when it starts to consume.

    Example:
        await streams.amqp.declare("words", url=url, declare="classic")

    For producers, whose messages to a queue that is not there are refused. A queue that exists must
    have been declared alike.
    Acks: nothing is consumed.
    `declare`: "quorum", "classic" or a `Declare`; `retry_queue`: the retry queue too; `connection`:
    `vhost`, `heartbeat`, `connection_name`, `ssl_context`, `ca_file` and `certificate`, as for `queue`.
    Raises SourceError, naming what can't be had.
    Source: AMQP 0-9-1, queue.declare (1.7.2.1)
    """
    declared = Declare.of(declare)
    if declared is None:
        raise ValueError(
            'amqp.declare(declare): must be "quorum", "classic" or a Declare, got None; '
            "amqp.queue(name) without declare= checks that a queue exists"
        )
    queues, others, declared = wanted(name, declared)
    link = await connections.join(Server.of(url, **connection), "publishing")
    try:
        await topology.prepare(link, [*queues, *others], declared, retry_queue)
    finally:
        await link.leave()
