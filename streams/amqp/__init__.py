"""RabbitMQ queues, and everything else that speaks AMQP 0-9-1, as streams."""

from ackflow.streams.amqp.address import redacted
from ackflow.streams.amqp.declaring import declare
from ackflow.streams.amqp.sharding import Shards
from ackflow.streams.amqp.source import deliveries, queue
from ackflow.streams.amqp.topology import Declare

__all__ = ["Declare", "Shards", "declare", "deliveries", "queue", "redacted"]
