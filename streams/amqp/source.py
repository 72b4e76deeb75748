"""The source of a stream of bodies or deliveries, and the two functions that make one."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ackflow.streams.amqp.consumer import Consumer
from ackflow.streams.amqp.raw import Raw, body
from ackflow.streams.amqp.retries import Retries
from ackflow.streams.amqp.server import DEFAULT_URL, File, Server
from ackflow.streams.amqp.settings import CONSUMER_TIMEOUT, MAX_BODY_BYTES, Settings
from ackflow.streams.amqp.sharding import Shards, wanted
from ackflow.streams.amqp.topology import Declare, QueueType
from ackflow.streams.core import (
    PERMANENT,
    Delivery,
    FailurePolicy,
    Feed,
    Session,
    Source,
    Stream,
    Wait,
    exponential,
)

SERVER_SETTINGS = (
    "vhost",
    "heartbeat",
    "connection_name",
    "ssl_context",
    "ca_file",
    "certificate",
)


class BodySource(Source):
    """Queues of a broker as a source of bodies."""

    name = "amqp.queue"
    bounded = True
    gives: type = bytes
    properties = False
    """Whether it hands out the properties of messages."""

    def __init__(self, settings: Settings) -> None:
        self.prefetch = settings.prefetch
        self.patience = settings.patience
        self._settings = settings

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._settings.shown

    def value(self, consumer: Consumer) -> Callable[[Raw], Any]:
        """Return what makes of a raw delivery what the stream hands out."""
        return body

    def inlet(self, session: Session, prefetch: int) -> Feed[Any, Raw]:
        """Return a feed for one run.

        The feed counts with the prefetch of one queue: whichever queue lags, that much is let out.
        """
        settings = self._settings
        consumer = Consumer(settings, session, prefetch, properties=self.properties)
        return Feed(
            session,
            consumer,
            settings.policy,
            value=self.value(consumer),
            prefetch=prefetch,
            until_idle=settings.until_idle,
            retry=Retries(settings.server) if settings.retry_queue else None,
        )


class DeliverySource(BodySource):
    """Queues of a broker as a source of whole deliveries."""

    name = "amqp.deliveries"
    gives = Delivery
    properties = True

    def value(self, consumer: Consumer) -> Callable[[Raw], Delivery]:
        return consumer.describe


def queue(
    name: str | Sequence[str] | Shards,
    *,
    url: str | Sequence[str] = DEFAULT_URL,
    vhost: str | None = None,
    prefetch: int | None = None,
    attempts: int = 5,
    wait: Wait | None = None,
    permanent: Sequence[type[Exception]] = PERMANENT,
    dead_letter: Any = None,
    retry_queue: bool = False,
    until_idle: float | None = None,
    declare: Declare | QueueType | None = None,
    deliveries: int = 20,
    start_timeout: float = 10.0,
    heartbeat: int | None = None,
    connection_name: str | None = None,
    consumer_arguments: Mapping[str, Any] | None = None,
    priority: int = 0,
    max_body_bytes: int = MAX_BODY_BYTES,
    consumer_timeout: float | None = CONSUMER_TIMEOUT,
    ssl_context: ssl.SSLContext | None = None,
    ca_file: File | None = None,
    certificate: File | tuple[File, File] | None = None,
) -> Stream[bytes]:
    """Consume the bodies of a queue's messages, or of several queues'.

    Example:
        streams.amqp.queue("words", url="amqp://ana:secret@broker/shop") | op.map(orjson.loads) | …

    Acks: each message is acked or rejected by what became of it; what was not worked on goes back
    with basic.nack, what failed with basic.reject. Acks leave in ranges, within 50 ms.

    Where from: `name`: a queue, a list of them, read side by side, or `Shards`. `url`: the broker, or
    the addresses of a cluster, tried in turn; amqps:// for TLS; heartbeat, name, cafile, certfile and
    keyfile may follow a ?. `vhost` wins over the URL's. `heartbeat`: seconds, 0 for none (60).
    `connection_name`: what the broker's tools show (the program's name). `ca_file`, `certificate` (a
    file, or a file and its key) or `ssl_context`: TLS. `start_timeout`: seconds until a first
    connection that can't be made is an error; after a first one it is sought for ever.

    What: `prefetch`: messages of each queue that are unsettled at once, 1 to 65,535 (derived from
    the pipeline). `priority`: the broker prefers consumers with a higher one. `consumer_arguments`:
    arguments of basic.consume. `max_body_bytes`: larger bodies fail, and no more of them is held in
    memory unless a dead-letter sink is to get them. `until_idle`: seconds without a message after which
    the stream ends.
    `declare`: "quorum", "classic" or a `Declare`; None only checks that the queues exist. Shards are
    declared always, all of them.

    Failures: `attempts`: how often a message is tried; `wait`: seconds before each further try, as
    tenacity's wait objects tell them; `permanent`: errors that are not worth one. `retry_queue`:
    declare and use a queue `NAME.retry` where failed messages wait when too many are held here; one
    may wait longer there, behind others with a longer wait. `dead_letter`: a sink, "exchange",
    "discard", or None to keep what fails for good. `deliveries`: a quorum queue's message handed out
    so often fails for good, for it may be what ends the process; of several the first does, the others
    are handed out one by one, as all are from half of it on. `consumer_timeout`: the broker's own
    setting, in seconds; at half of it this warns, or during an outage gives back.

    Environment: ACKFLOW_AMQP=plain has aiormq decode the messages, far slower.

    Raises ValueError or TypeError for settings that can't be meant, and when it runs SourceError,
    which names what is wrong: the host, the password, the vhost, TLS, the queue.
    Source: AMQP 0-9-1, class basic (1.8.3); https://www.rabbitmq.com/docs/consumers
    """
    return Stream(BodySource(_settings(**locals())))


def deliveries(
    name: str | Sequence[str] | Shards,
    *,
    url: str | Sequence[str] = DEFAULT_URL,
    vhost: str | None = None,
    prefetch: int | None = None,
    attempts: int = 5,
    wait: Wait | None = None,
    permanent: Sequence[type[Exception]] = PERMANENT,
    dead_letter: Any = None,
    retry_queue: bool = False,
    until_idle: float | None = None,
    declare: Declare | QueueType | None = None,
    deliveries: int = 20,
    start_timeout: float = 10.0,
    heartbeat: int | None = None,
    connection_name: str | None = None,
    consumer_arguments: Mapping[str, Any] | None = None,
    priority: int = 0,
    max_body_bytes: int = MAX_BODY_BYTES,
    consumer_timeout: float | None = CONSUMER_TIMEOUT,
    ssl_context: ssl.SSLContext | None = None,
    ca_file: File | None = None,
    certificate: File | tuple[File, File] | None = None,
) -> Stream[Delivery]:
    """Consume whole deliveries: body, properties, headers, and where each came from.

    Example:
        streams.amqp.deliveries("words") | op.filter(lambda delivery: not delivery.redelivered) | …

    Acks, settings and errors are those of `queue`. Headers are plain Python values, properties are
    under their AMQP names with _ for -; `expiration` is in seconds.
    """
    return Stream(DeliverySource(_settings(**locals())))


def _settings(name: str | Sequence[str] | Shards, **given: Any) -> Settings:
    """Check what a user wrote."""
    server = Server.of(given.pop("url"), **{key: given.pop(key) for key in SERVER_SETTINGS})
    policy = FailurePolicy(
        attempts=given.pop("attempts"),
        wait=given.pop("wait") or exponential(),
        permanent=given.pop("permanent"),
        dead_letter=given.pop("dead_letter"),
        deliveries=given.pop("deliveries"),
        call="streams.amqp.queue",
    )
    queues, others, declare = wanted(name, Declare.of(given.pop("declare")))
    return Settings(
        queues,
        server,
        policy=policy,
        declare=declare,
        others=others,
        consumer_arguments=dict(given.pop("consumer_arguments") or {}),
        **given,
    )
