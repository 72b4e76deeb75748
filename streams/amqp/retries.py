"""Retries: the sink that takes failed messages to the retry queue of the queue they came from."""

from typing import Any

from ackflow.streams.amqp.outgoing import Outgoing, of_delivery, properties
from ackflow.streams.amqp.publishing import NO_HEADERS, Headers, Publishing
from ackflow.streams.amqp.topology import retry_queue


class Retries(Publishing[Any]):
    """Publishes deliveries to `QUEUE.retry`, where they expire and go back to QUEUE."""

    name = "amqp retry queue"

    def encode(self, value: Any, trace: Headers = NO_HEADERS) -> Outgoing:
        """Return a copy of a delivery, addressed to its retry queue."""
        kept, headers = of_delivery(value, self.server.addresses[0].user)
        headers.update(trace)
        kept["delivery_mode"] = 2
        return Outgoing(
            value.body, "", retry_queue(value.source), properties(kept, headers), mandatory=True
        )
