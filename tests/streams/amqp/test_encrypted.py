"""AMQPS from end to end, on both ways: many messages in and out, of all sizes."""

from collections.abc import Callable
from typing import Any

import pytest

from ackflow import sinks, streams
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, fill, ready, take

SIZES = (0, 1, 300, 16_384, 131_064, 300_000)
"""Bytes of bodies: none, within a record of TLS and beyond, within a frame and beyond."""
MANY = 5000


@pytest.mark.servers
async def test_thousands_of_messages_go_in_and_out_encrypted(
    make_rabbitmq: Callable[..., RabbitMQ], way: str
) -> None:
    node = make_rabbitmq(tls=True)
    await declare(node.url, "words")
    await declare(node.url, "copies")
    bodies = [b"%d:" % number + bytes(number % 97) for number in range(MANY)]
    bodies += [bytes([size % 251]) * size for size in SIZES]
    await fill(node.url, "words", bodies)
    secure: dict[str, Any] = {"url": node.amqps_url, "ca_file": node.ca_file}
    queue = streams.amqp.queue("words", until_idle=0.3, prefetch=512, **secure)
    summary = await (queue | sinks.amqp.publish(routing_key="copies", **secure))
    assert (summary.accepted, summary.reconnects) == (len(bodies), 0)
    assert [message.body for message in await take(node.url, "copies")] == bodies
    assert await ready(node.url, "words") == 0
