"""The sink that publishes, and the function that makes one."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ackflow.streams.amqp.outgoing import Outgoing, content, of_delivery, properties
from ackflow.streams.amqp.publishing import NO_HEADERS, Headers, Publishing
from ackflow.streams.amqp.server import DEFAULT_URL, File, Server
from ackflow.streams.core import Delivery

if TYPE_CHECKING:
    from ackflow.streams.amqp.encoding import Properties

Text = str | Callable[[Any], str]
Table = Mapping[str, Any]
TableOf = Table | Callable[[Any], Table]

LARGEST_WINDOW = 65_535
LONGEST_NAME = 255
"""Bytes of a routing key or an exchange's name, which are short strings in AMQP."""
PERSISTENT, TRANSIENT = 2, 1


class Publish(Publishing[Any]):
    """Publishes bodies, texts, deliveries, or chunks of them, to an exchange."""

    name = "amqp.publish"

    def __init__(
        self,
        server: Server,
        *,
        exchange: str,
        routing_key: Text,
        mandatory: bool,
        persistent: bool,
        window: int | None,
        headers: TableOf | None,
        properties: Table | None,
    ) -> None:
        super().__init__(server, exchange=exchange, window=window)
        self._routing_key = routing_key
        self._mandatory = mandatory
        self._persistent = persistent
        self._headers = headers
        self._properties = dict(properties or {})
        self._check()

    def _check(self) -> None:
        """Raise ValueError or TypeError for settings that can't be meant."""
        window = self.window
        if window is not None and not (isinstance(window, int) and 1 <= window <= LARGEST_WINDOW):
            raise ValueError(
                f"amqp.publish(window): window must be a whole number from 1 to {LARGEST_WINDOW:,}, "
                f"got {window!r}; leave it out to have it follow the line"
            )
        if not isinstance(self.exchange, str):
            raise TypeError(f"amqp.publish(exchange): exchange is a name, got {self.exchange!r}")
        if isinstance(self._routing_key, str):
            _short(self._routing_key)
        elif not callable(self._routing_key):
            raise TypeError(
                "amqp.publish(routing_key): routing_key is a text or a function of the value, "
                f"got {self._routing_key!r}"
            )
        self._constant = self._encoded({}, None if callable(self._headers) else self._headers)

    def encode(self, value: Any, trace: Headers = NO_HEADERS) -> Outgoing:
        """Return what is to be published for a value."""
        key = self._routing_key
        routing_key = key if isinstance(key, str) else _short(key(value))
        properties = self._properties_of(value, trace)
        return Outgoing(content(value), self.exchange, routing_key, properties, self._mandatory)

    def _properties_of(self, value: Any, trace: Headers) -> "Properties":
        headers = self._headers(value) if callable(self._headers) else self._headers
        if isinstance(value, Delivery):
            its, own = of_delivery(value, self.server.addresses[0].user)
            return self._encoded(its, {**own, **trace, **(headers or {})})
        if trace:
            return self._encoded({}, {**trace, **(headers or {})})
        return self._encoded({}, headers) if callable(self._headers) else self._constant

    def _encoded(self, its: Table, headers: Table | None) -> "Properties":
        """Encode the properties of a message, `its` own among them."""
        mode = {"delivery_mode": PERSISTENT if self._persistent else TRANSIENT}
        return properties({**mode, **its, **self._properties}, headers)

    @property
    def destination(self) -> str:
        if callable(self._routing_key):
            return self.exchange
        parts = [part for part in (self.exchange, self._routing_key) if part]
        return ":".join(parts) or "amq.default"

    @property
    def shown_settings(self) -> dict[str, Any]:
        settings = {"url": str(self.server), "exchange": self.exchange}
        return {**settings, "routing_key": self._routing_key}

    def __repr__(self) -> str:
        return f"amqp.publish({str(self.server)!r}, exchange={self.exchange!r})"


def publish(
    url: str | Sequence[str] = DEFAULT_URL,
    *,
    routing_key: Text,
    exchange: str = "",
    mandatory: bool = True,
    persistent: bool = True,
    window: int | None = None,
    headers: TableOf | None = None,
    properties: Table | None = None,
    vhost: str | None = None,
    heartbeat: int | None = None,
    connection_name: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    ca_file: File | None = None,
    certificate: File | tuple[File, File] | None = None,
) -> Publish:
    """Publish every value as a message, and accept it when the broker has confirmed it.

    Example:
        words | op.map(orjson.dumps) | sinks.amqp.publish(
            "amqp://ana:secret@broker/shop", routing_key="words_to_index"
        )

    Takes bytes, str, a Delivery (which keeps its properties and headers), and chunks of these.

    Acks: a message is accepted when the broker confirmed it. One that it returned, because no queue
    takes it (`mandatory`), or refused, because a queue is full, fails with PublishRefused. While the
    broker is away or blocks publishers nothing fails: the pipeline halts, and what is unconfirmed is
    sent again, so that a message may arrive twice.

    A mandatory message without a `message_id` gets one, by which it is known when it comes back.

    `exchange`: must exist; "" is the default one, where `routing_key` is the name of a queue.
    `routing_key`, `headers`: a constant or a function of the value. `persistent`: have the broker keep
    messages on disk. `window`: messages unconfirmed at once, 1 to 65,535 (512, and as many as the
    broker confirms in a round trip, 8,192 at most); their bytes are 16 MiB at most. `properties`: under
    their AMQP names, as {"content_type": "application/json"}; `expiration` in seconds. The settings of
    the connection are those of `streams.amqp.queue`.

    Environment: ACKFLOW_AMQP=plain has aiormq encode the messages, far slower.

    Raises ValueError or TypeError for settings that can't be meant; PublishRefused when it runs, where
    the broker refuses the password, the vhost or the exchange.
    Source: https://www.rabbitmq.com/docs/confirms
    """
    server = Server.of(
        url,
        vhost=vhost,
        heartbeat=heartbeat,
        connection_name=connection_name,
        ssl_context=ssl_context,
        ca_file=ca_file,
        certificate=certificate,
    )
    return Publish(
        server,
        exchange=exchange,
        routing_key=routing_key,
        mandatory=mandatory,
        persistent=persistent,
        window=window,
        headers=headers,
        properties=properties,
    )


def _short(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"amqp.publish(routing_key): a routing key is a text, got {text!r}")
    if len(text.encode()) > LONGEST_NAME:
        raise ValueError(
            f"amqp.publish(routing_key): at most {LONGEST_NAME} bytes, got {text!r:.60}…"
        )
    return text
