"""What ackflow imports when it is first used: imported first, since the clock leaves imports out."""

import aiormq
import elasticsearch

import ackflow.sinks.amqp
import ackflow.sinks.elasticsearch
import ackflow.streams.amqp

__all__ = ["ackflow", "aiormq", "elasticsearch"]
