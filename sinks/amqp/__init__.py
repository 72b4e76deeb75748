"""Sinks that publish to RabbitMQ, and to everything else that speaks AMQP 0-9-1."""

from ackflow.sinks.amqp.publishing import Publish, publish
from ackflow.streams.amqp.outlet import PublishRefused

__all__ = ["Publish", "PublishRefused", "publish"]
