"""Raw deliveries: what of a message's bytes this library needs, and what it means."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol

from ackflow.streams.core import Delivery


class Raw(Protocol):
    """A delivery as it came in; `Peeled` is one that is decoded on demand, `Received` aiormq's own."""

    body: bytes
    """The body; of one that is above the limit no more than its beginning."""

    def texts(self, names: Sequence[str]) -> dict[str, str]:
        """Return those of the named headers whose value is a text."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        ...

    @property
    def tag(self) -> int:
        """The delivery tag."""
        ...

    @property
    def redelivered(self) -> bool:
        """Whether the broker handed it out before."""
        ...

    @property
    def method(self) -> Any:
        """The basic.deliver that it came with."""
        ...

    @property
    def header(self) -> Any:
        """The header of its content, with the properties; with an `error` where it can't be read."""
        ...


PROPERTIES = {
    "content_type": "content_type",
    "content_encoding": "content_encoding",
    "delivery_mode": "delivery_mode",
    "priority": "priority",
    "correlation_id": "correlation_id",
    "reply_to": "reply_to",
    "expiration": "expiration",
    "message_id": "message_id",
    "timestamp": "timestamp",
    "type": "message_type",
    "user_id": "user_id",
    "app_id": "app_id",
}
"""The properties of AMQP 0-9-1, section 1.8.3, with _ for -, and their names in pamqp."""
DELIVERY_COUNT = "x-delivery-count"
"""A quorum queue's header: how often a message was handed out before. Since RabbitMQ 4.3 those that
were returned by basic.nack do not count: https://www.rabbitmq.com/docs/4.3/nack"""


body: Callable[[Raw], bytes] = attrgetter("body")
"""Returns the body of a raw delivery; not in Python, for it is called for each."""


def delivery(raw: Raw, queues: Mapping[str, str]) -> Delivery:
    """Return a raw delivery as a Delivery; `queues`: their names by consumer tag."""
    given = raw.header.properties
    method = raw.method
    properties: dict[str, Any] = {}
    for name, attribute in PROPERTIES.items():
        value = getattr(given, attribute)
        if value not in (None, ""):
            properties[name] = value
    if "expiration" in properties:
        properties["expiration"] = _seconds(properties["expiration"])
    return Delivery(
        body=raw.body,
        properties=properties,
        headers=dict(given.headers or {}),
        exchange=method.exchange,
        routing_key=method.routing_key,
        redelivered=method.redelivered,
        delivery_count=delivery_count(raw),
        source=queues[method.consumer_tag],
    )


def delivery_count(raw: Raw) -> int:
    """Return how often a delivery was handed out before; 0 where its queue does not count."""
    headers = raw.header.properties.headers
    count = headers.get(DELIVERY_COUNT) if headers else None
    return count if isinstance(count, int) else 0


def _seconds(expiration: str) -> float | str:
    """Return an expiration, milliseconds in digits, in seconds."""
    return int(expiration) / 1000 if expiration.isdecimal() else expiration
