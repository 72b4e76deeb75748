"""The environment chooses how deliveries come in; an aiormq that can't have a wire is lived with."""

import logging
from collections.abc import Iterator

import pytest
from aiormq import connection

from ackflow.streams import amqp
from ackflow.streams.amqp import choice, connections
from ackflow.streams.amqp.server import Server
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import Collect, declare, fill, unique


@pytest.fixture
def aiormq_of_old(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An aiormq whose connection makes its own transport."""
    monkeypatch.delattr(connection, "TransportFactory")
    choice._can_be_had.cache_clear()
    yield
    choice._can_be_had.cache_clear()


async def test_the_wire_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    assert choice.wire() is not None


@pytest.mark.parametrize("wrong", ["fast", "Plain", "wire "])
def test_a_choice_that_is_none_is_an_error_where_a_source_is_made(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(choice.VARIABLE, wrong)
    with pytest.raises(ValueError, match=f"CONSUMER must be wire or plain, got '{wrong}'"):
        amqp.queue("words")


async def test_only_connections_that_consume_have_a_wire(rabbitmq: RabbitMQ, consumer: str) -> None:
    server = Server.of(rabbitmq.url)
    consuming = await connections.join(server, "consuming")
    publishing = await connections.join(server, "publishing")
    assert (consuming._wire is not None) == (consumer == "wire")
    assert publishing._wire is None
    await consuming.leave()
    await publishing.leave()


@pytest.mark.usefixtures("aiormq_of_old")
async def test_an_aiormq_that_takes_no_transport_is_consumed_from_with_one_warning(
    rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    queue, url = unique("old"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"x"] * 10)
    for bodies in ([b"x"] * 10, []):
        await (amqp.queue(queue, url=url, prefetch=10, until_idle=0.2) | (sink := Collect()))
        assert sink.items == bodies
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [text for text in warnings if "no transport_factory" in text] == warnings
    assert len(warnings) == 1


@pytest.mark.usefixtures("aiormq_of_old")
async def test_whoever_chose_the_plain_way_is_not_warned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(choice.VARIABLE, "plain")
    assert choice.wire() is None
    assert caplog.text == ""
